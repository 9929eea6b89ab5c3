//! The body of a submission, as the widget and other programs send it.

use axum::http::HeaderMap;
use domain::{
    DomainError as Refusal, FieldErrors,
    email::{self, MAX_EMAIL},
    identity::{Claim, MAX_ID, SignedClaim},
    ids::{SurveyId, VersionId},
    responses::{ClaimedContact, ResponseContext},
    text::clean_line,
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Map, Value};
use service::responses::ResponseInput;

use super::{user_agent, web_address};
use crate::http::{forms::is_idempotency_key, json::well_formed};

/// Maximum number of JSON values in a submission. The largest survey, with 50 choices chosen in each of 50 questions, needs about half as
/// many.
const MAX_VALUES: usize = 20_000;
/// The ways in which our own pages show a survey. Every other sender is a program.
const SOURCES: [&str; 4] = ["link", "popover", "inline", "frame"];
/// Maximum number of a contact's attributes.
const MAX_ATTRIBUTES: usize = 30;

/// Why a body is no submission.
#[derive(Debug)]
pub enum BodyError {
    /// More than [`MAX_VALUES`] values, each of which takes many times its bytes in memory.
    TooManyValues,
    /// Not a JSON object; says why.
    Malformed(String),
}

/// A submission's JSON object. A field of the wrong type is left out where answers can be stored without it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SubmissionBody {
    #[serde(deserialize_with = "if_it_fits")]
    survey: Option<String>,
    version: Option<Value>,
    #[serde(deserialize_with = "if_it_fits")]
    idempotency_key: Option<String>,
    /// The proof that the sender began the response.
    #[serde(deserialize_with = "if_it_fits")]
    pub token: Option<String>,
    /// The language of error messages.
    #[serde(deserialize_with = "if_it_fits")]
    pub language: Option<String>,
    /// `[["q1", "9"], ["q2", "c1"], …]`. Not typed: each wrong pair gets an error with its place.
    answers: Option<Value>,
    #[serde(deserialize_with = "if_it_fits")]
    finished: Option<bool>,
    #[serde(deserialize_with = "if_it_fits")]
    started: Option<String>,
    #[serde(deserialize_with = "if_it_fits")]
    elapsed_ms: Option<i64>,
    #[serde(deserialize_with = "if_it_fits")]
    honeypot: Option<String>,
    #[serde(deserialize_with = "if_it_fits")]
    source: Option<String>,
    #[serde(deserialize_with = "object_if_it_fits")]
    context: Option<ContextBody>,
}

/// What the page says about itself and its visitor.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ContextBody {
    #[serde(deserialize_with = "if_it_fits")]
    page_url: Option<String>,
    #[serde(deserialize_with = "if_it_fits")]
    referrer: Option<String>,
    #[serde(deserialize_with = "if_it_fits")]
    release: Option<String>,
    #[serde(deserialize_with = "if_it_fits")]
    environment: Option<String>,
    /// The object given to `identify`. Not typed: its signature covers all of it.
    #[serde(deserialize_with = "if_it_fits")]
    contact: Option<Map<String, Value>>,
}

fn if_it_fits<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    Ok(T::deserialize(Value::deserialize(deserializer)?).ok())
}

/// As [`if_it_fits`], for a struct: serde would read its fields from a list, too.
fn object_if_it_fits<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let object: Option<Map<String, Value>> = if_it_fits(deserializer)?;
    Ok(object.and_then(|object| T::deserialize(Value::Object(object)).ok()))
}

impl SubmissionBody {
    /// Reads the body of a request.
    pub fn parse(bytes: &[u8]) -> Result<Self, BodyError> {
        if has_too_many_values(bytes) {
            return Err(BodyError::TooManyValues);
        }
        let json = well_formed(bytes);
        let is_object = json.trim_ascii_start().starts_with(b"{");
        match serde_json::from_slice(&json) {
            Ok(body) if is_object => Ok(body),
            Err(error) if is_object || !error.is_data() => Err(BodyError::Malformed(format!("This is not JSON: {error}."))),
            _ => Err(BodyError::Malformed("The body must be a JSON object.".into())),
        }
    }

    /// The survey that is answered.
    pub fn survey(&self) -> Result<SurveyId, Refusal> {
        read_id("survey", self.survey.as_deref())
    }

    /// The version that the page showed, if it is named.
    pub fn version(&self) -> Result<Option<VersionId>, Refusal> {
        self.version.as_ref().map(|version| read_id("version", version.as_str())).transpose()
    }

    /// The header's key, or the one in the body for senders that cannot set headers.
    pub fn idempotency_key(&self, headers: &HeaderMap) -> Result<String, Refusal> {
        let header = headers.get("idempotency-key").and_then(|h| h.to_str().ok());
        let key = header.or(self.idempotency_key.as_deref()).unwrap_or_default().trim().trim_matches('"');
        if is_idempotency_key(key) {
            return Ok(key.to_owned());
        }
        let message = "Send an Idempotency-Key of 8 to 100 visible ASCII characters, the same one for each retry.";
        Err(Refusal::field("/idempotency_key", "required", message))
    }

    /// The answers, with what is known about the page and its visitor.
    pub fn into_input(self, headers: &HeaderMap) -> Result<ResponseInput, Refusal> {
        let source = self.source.as_deref().filter(|source| SOURCES.contains(source)).unwrap_or("api");
        Ok(ResponseInput {
            pairs: read_pairs(self.answers.as_ref())?,
            finished: self.finished.unwrap_or(false),
            started: self.started,
            elapsed_ms: self.elapsed_ms.filter(|ms| *ms >= 0),
            honeypot: self.honeypot.is_some_and(|text| !text.trim().is_empty()),
            context: self.context.unwrap_or_default().into_context(source, headers),
        })
    }
}

impl ContextBody {
    /// Values that do not fit are left out: they are no reason to refuse answers.
    fn into_context(self, source: &str, headers: &HeaderMap) -> ResponseContext {
        let contact = self.contact.unwrap_or_default();
        ResponseContext {
            source: source.into(),
            page_url: self.page_url.as_deref().and_then(web_address),
            referrer: self.referrer.as_deref().and_then(web_address),
            release: self.release.as_deref().and_then(|text| clean_line(text, 100)),
            environment: self.environment.as_deref().and_then(|text| clean_line(text, 100)),
            user_agent: user_agent(headers),
            signed: SignedClaim::of(&contact),
            contact: claimed_contact(&contact),
        }
    }
}

fn claimed_contact(contact: &Map<String, Value>) -> ClaimedContact {
    let line = |name: &str, max: usize| contact.get(name).and_then(Value::as_str).and_then(|text| clean_line(text, max));
    let attributes = contact.get("attributes").and_then(Value::as_object);
    let attribute = |(name, value): (&String, &Value)| {
        let value = match value {
            Value::String(text) => Value::String(clean_line(text, 500)?),
            Value::Number(_) | Value::Bool(_) => value.clone(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        Some((clean_line(name, 100)?, value))
    };
    let attributes: Map<String, Value> = attributes.into_iter().flatten().filter_map(attribute).take(MAX_ATTRIBUTES).collect();
    ClaimedContact {
        // Sites often use numbers as ids.
        external_id: match contact.get("id") {
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => line("id", MAX_ID),
        },
        email: line("email", MAX_EMAIL).and_then(|text| email::read(&text)),
        name: line("name", 200),
        attributes: (!attributes.is_empty()).then(|| Value::Object(attributes).to_string()),
        claim: Claim::Unsigned,
    }
}

fn read_id<T: std::str::FromStr>(name: &str, text: Option<&str>) -> Result<T, Refusal> {
    let id = text.and_then(|text| text.parse().ok());
    id.ok_or_else(|| Refusal::field(&format!("/{name}"), "id", format!("“{name}” must be an ID.")))
}

fn read_pairs(answers: Option<&Value>) -> Result<Vec<(String, String)>, Refusal> {
    let list = match answers {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => return Err(Refusal::field("/answers", "type", "“answers” must be a list of pairs of name and value.")),
    };
    let mut errors = FieldErrors::default();
    let mut pairs = Vec::with_capacity(list.len());
    for (at, pair) in list.iter().enumerate() {
        let value = match pair.get(1) {
            Some(Value::String(text)) => Some(text.chars().filter(|c| *c != '\0').collect::<String>().replace("\r\n", "\n")),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        match (pair.get(0).and_then(Value::as_str), value) {
            (Some(name), Some(value)) => pairs.push((name.to_owned(), value)),
            _ => errors.add(&format!("/answers/{at}"), "type", "Each answer must be a pair of name and value, both strings."),
        }
    }
    errors.into_result(pairs)
}

/// Counts values without parsing them: parsed, each takes many times its bytes in memory.
fn has_too_many_values(json: &[u8]) -> bool {
    let (mut values, mut inside, mut escaped) = (0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = inside,
            b'"' => inside = !inside,
            b',' | b'[' | b'{' if !inside => values += 1,
            _ => {}
        }
    }
    values > MAX_VALUES
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(json: &str) -> Result<SubmissionBody, String> {
        SubmissionBody::parse(json.as_bytes()).map_err(|error| match error {
            BodyError::TooManyValues => "too many values".into(),
            BodyError::Malformed(detail) => detail,
        })
    }

    #[test]
    fn values_are_counted_and_texts_are_not() {
        let answers = |n: usize| format!("{{\"answers\":[{}[]]}}", "[\"q1\",\"c1\"],".repeat(n));
        assert!(parse(&answers(2_600)).is_ok());
        assert_eq!(parse(&answers(10_000)).err().as_deref(), Some("too many values"));
        let text = format!("{{\"answers\":[[\"q1\",\"{}\"]]}}", "a,[{\\\",\\\\".repeat(20_000));
        assert!(serde_json::from_str::<Value>(&text).is_ok());
        assert!(parse(&text).is_ok());
    }

    #[test]
    fn only_an_object_is_a_submission() {
        assert!(parse(" {}").is_ok());
        for other in ["[]", "[\"id\"]", "null", "5", "\"text\""] {
            assert_eq!(parse(other).err().as_deref(), Some("The body must be a JSON object."), "{other}");
        }
        for broken in ["", "{", "{}x", "[1", "{\"a\":}"] {
            assert!(parse(broken).is_err_and(|detail| detail.starts_with("This is not JSON: ")), "{broken}");
        }
    }

    #[test]
    fn fields_of_the_wrong_type_are_left_out() {
        let wrong = json!({
            "language": 1, "finished": "yes", "started": [], "elapsed_ms": 1.5, "honeypot": {}, "source": false,
            "context": { "page_url": 1, "release": ["1.2"], "contact": ["id"] }, "unknown": { "a": [1] },
        });
        let input = parse(&wrong.to_string()).unwrap().into_input(&HeaderMap::new()).unwrap();
        assert_eq!((input.finished, input.started.clone(), input.elapsed_ms, input.honeypot), (false, None, None, false));
        assert_eq!((input.context.source.as_str(), input.context.release, input.context.page_url), ("api", None, None));
        assert_eq!(input.context.contact, ClaimedContact::default());
        // A list is not taken for an object.
        let list = parse(r#"{"context":["https://site.example/"]}"#).unwrap().into_input(&HeaderMap::new()).unwrap();
        assert_eq!(list.context.page_url, None);
    }

    #[test]
    fn ids_and_answers_of_the_wrong_type_are_refused() {
        for (wrong, place) in [
            (json!({}), "/survey"),
            (json!({ "survey": 5 }), "/survey"),
            (json!({ "survey": SurveyId(uuid::Uuid::nil()), "version": 5 }), "/version"),
            (json!({ "survey": SurveyId(uuid::Uuid::nil()), "answers": {} }), "/answers"),
            (json!({ "survey": SurveyId(uuid::Uuid::nil()), "answers": [["q1", "9"], ["q2"]] }), "/answers/1"),
            (json!({ "survey": SurveyId(uuid::Uuid::nil()), "answers": [["q1", null]] }), "/answers/0"),
        ] {
            let body = parse(&wrong.to_string()).unwrap();
            let read = body.survey().and_then(|_| body.version()).and_then(|_| body.into_input(&HeaderMap::new()));
            let Err(Refusal::Invalid(errors)) = read else { panic!("{wrong} was accepted") };
            assert_eq!(errors.0[0].field, place);
        }
        let body = parse(r#"{"answers":[["q1",9],["q2","a\r\nb",true]],"version":null}"#).unwrap();
        assert_eq!(body.version(), Ok(None));
        assert_eq!(body.into_input(&HeaderMap::new()).unwrap().pairs, [("q1".into(), "9".into()), ("q2".into(), "a\nb".to_owned())]);
    }
}
