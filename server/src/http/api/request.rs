//! Parsing of API requests: strict JSON, IDs in the path, query parameters, idempotency keys.

use std::{collections::BTreeMap, fmt, marker::PhantomData};

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, RawPathParams, RawQuery, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use domain::{DomainError as Refusal, accounts::Role, text::too_long};
use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer};
use serde_path_to_error::Segment;
use store::hash::hash_token;
use uuid::Uuid;
use validator::{Validate, ValidationError, ValidationErrors, ValidationErrorsKind};

use super::{
    caller::ApiCaller,
    problem::{ApiRejection, FieldProblem},
};
use crate::http::{BODY_LIMIT, WebState, error::RETRY_AFTER_SECONDS, forms::is_idempotency_key, json::well_formed, limits::BodyMemory};

/// Maximum nesting of lists and objects; our deepest input has four levels.
const MAX_DEPTH: usize = 16;

/// Largest body of a route that accepts more than [`BODY_LIMIT`], in its requests' extensions.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimit(pub usize);

/// A write request: the caller, the idempotency key and the body.
#[derive(Debug)]
pub struct WriteRequest<T> {
    /// The caller, with a key that may write.
    pub caller: ApiCaller,
    /// The idempotency key.
    pub once: Option<String>,
    /// Fingerprint that distinguishes requests with the same idempotency key.
    pub fingerprint: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: T,
}

impl<T> WriteRequest<T> {
    /// Splits the request into its body and the rest.
    pub fn open(self) -> (WriteRequest<()>, T) {
        let Self { caller, once, fingerprint, headers, body } = self;
        (WriteRequest { caller, once, fingerprint, headers, body: () }, body)
    }

    /// The idempotency key of a request that creates something.
    ///
    /// # Errors
    /// Returns 400 if there is none.
    pub fn once(&self) -> Result<&str, ApiRejection> {
        self.once.as_deref().ok_or_else(|| {
            let detail = "Send an Idempotency-Key: 8 to 100 visible ASCII characters, the same one for each retry.";
            ApiRejection::Protocol {
                status: StatusCode::BAD_REQUEST,
                code: "idempotency_key_required",
                detail: detail.into(),
                faults: vec![FieldProblem::header("Idempotency-Key", "required", detail)],
            }
        })
    }
}

impl<T: DeserializeOwned + Validate> FromRequest<WebState> for WriteRequest<T> {
    type Rejection = ApiRejection;

    async fn from_request(request: Request, web: &WebState) -> Result<Self, ApiRejection> {
        let (mut parts, body) = request.into_parts();
        let caller = ApiCaller::from_request_parts(&mut parts, web).await?;
        // Check before reading the body.
        caller.scope(Role::Triager)?;
        let once = idempotency_key(&parts.headers)?;
        let (method, path, headers) = (parts.method.clone(), parts.uri.path().to_owned(), parts.headers.clone());
        let room = BodyMemory::of(&parts.extensions);
        let most = parts.extensions.get().map_or(BODY_LIMIT, |BodyLimit(most)| *most);
        let came = Bytes::from_request(Request::from_parts(parts, body), web).await;
        let bytes = came.map_err(|rejection| match room.status(rejection.status()) {
            StatusCode::SERVICE_UNAVAILABLE => ApiRejection::UseCase(domain::DomainError::Busy(RETRY_AFTER_SECONDS).into()),
            StatusCode::PAYLOAD_TOO_LARGE => {
                ApiRejection::outside(StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("The body can be up to {} kB.", most / 1024))
            }
            status => ApiRejection::outside(status, "malformed", "The body could not be read."),
        })?;
        if !is_json(&headers) && !bytes.is_empty() {
            let detail = "Send the body as application/json.";
            return Err(ApiRejection::outside(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type", detail));
        }
        let fingerprint = hash_token(&format!("{method} {path}\n{}", String::from_utf8_lossy(&bytes)));
        let body = read(if bytes.is_empty() { b"{}" } else { &bytes })?;
        Ok(Self { caller, once, fingerprint, headers, body })
    }
}

/// The idempotency key, bare or as a quoted structured-field string.
///
/// # Errors
/// Returns 422 if it is malformed.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiRejection> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    let text = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    if is_idempotency_key(text) {
        return Ok(Some(text.to_owned()));
    }
    let detail = "An Idempotency-Key must have 8 to 100 visible ASCII characters.";
    Err(ApiRejection::invalid(vec![FieldProblem::header("Idempotency-Key", "malformed", detail)]))
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|h| h.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// Whether lists and objects are nested more deeply than in any of our inputs. Makes one pass without allocating.
fn is_too_deep(json: &[u8]) -> bool {
    let (mut depth, mut inside, mut escaped) = (0_usize, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = inside,
            b'"' => inside = !inside,
            b'[' | b'{' if !inside => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            b']' | b'}' if !inside => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Whether a text contains NUL, which PostgreSQL cannot store. JSON has only one way to write it.
fn has_nul(json: &[u8]) -> bool {
    let mut escaped = false;
    json.iter().enumerate().any(|(at, byte)| {
        let nul = escaped && json.get(at..at + 5) == Some(b"u0000");
        escaped = !escaped && *byte == b'\\';
        nul
    })
}

/// Parses and validates a body; an error includes its place.
fn read<T: DeserializeOwned + Validate>(bytes: &[u8]) -> Result<T, ApiRejection> {
    let bytes: &[u8] = &well_formed(bytes);
    let malformed = |detail: String| ApiRejection::outside(StatusCode::BAD_REQUEST, "malformed", detail);
    if is_too_deep(bytes) {
        return Err(malformed(format!("Lists and objects can be nested at most {MAX_DEPTH} levels deep.")));
    }
    if has_nul(bytes) {
        let detail = "Texts cannot contain NUL (\\u0000).";
        return Err(ApiRejection::invalid(vec![FieldProblem::at("", "nul", detail)]));
    }
    // serde would also accept a list as a struct.
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(ApiRejection::invalid(vec![FieldProblem::at("", "type", "The body must be a JSON object.")]));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value: T = match serde_path_to_error::deserialize(&mut reader) {
        Ok(value) => value,
        Err(error) if error.inner().is_data() => return Err(ApiRejection::invalid(vec![fault(&error)])),
        Err(error) => return Err(malformed(format!("This is not JSON: {}.", error.inner()))),
    };
    reader.end().map_err(|error| malformed(format!("This is not JSON: {error}.")))?;
    match value.validate() {
        Ok(()) => Ok(value),
        Err(errors) => Err(ApiRejection::invalid(problems(&errors))),
    }
}

/// The errors that `validator` found, each with its JSON pointer, in the order of the pointers.
fn problems(errors: &ValidationErrors) -> Vec<FieldProblem> {
    let mut found = BTreeMap::new();
    collect(errors, "", &mut found);
    found.into_iter().map(|(pointer, error)| FieldProblem::at(pointer, code_of(error), message_of(error))).collect()
}

/// The first error of each field, by its JSON pointer.
fn collect<'e>(errors: &'e ValidationErrors, at: &str, found: &mut BTreeMap<String, &'e ValidationError>) {
    for (name, kind) in errors.errors() {
        // A rule about several fields of an object belongs to the object.
        let pointer = if name == "__all__" { at.to_owned() } else { format!("{at}/{name}") };
        match kind {
            ValidationErrorsKind::Field(errors) => found.extend(errors.first().map(|error| (pointer, error))),
            ValidationErrorsKind::Struct(nested) => collect(nested, &pointer, found),
            ValidationErrorsKind::List(items) => {
                items.iter().for_each(|(index, nested)| collect(nested, &format!("{pointer}/{index}"), found));
            }
        }
    }
}

fn code_of(error: &ValidationError) -> &str {
    if error.code == "length" { "too_long" } else { &error.code }
}

/// The rule's own message, or for a text that is too long its limit and its length: both in characters as they were sent, because the document
/// cannot describe the length of a text after it is trimmed.
fn message_of(error: &ValidationError) -> String {
    if let Some(message) = &error.message {
        return message.to_string();
    }
    let max = error.params.get("max").and_then(|max| usize::try_from(max.as_u64()?).ok());
    let text = error.params.get("value").and_then(|value| value.as_str());
    max.zip(text).and_then(|(max, text)| too_long(text, max)).unwrap_or_else(|| "Invalid value.".into())
}

/// Escapes a name for use in a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// The place and reason of a serde error. A missing, duplicate or unknown field is found by the start of the message: serde fixes it
/// (`serde::de::Error::missing_field` and its neighbours), but serde_json's error keeps nothing else of it. An error type of our own would
/// need a whole `Deserializer` of our own, several times as long as this function.
fn fault(error: &serde_path_to_error::Error<serde_json::Error>) -> FieldProblem {
    let mut pointer = String::new();
    for segment in error.path() {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                pointer.push('/');
                pointer.push_str(&escaped(key));
            }
            Segment::Unknown => {}
        }
    }
    let text = error.inner().to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(head, _)| head);
    // A missing or unknown field is reported for the enclosing object; its name is in the message.
    let named = |start: &str| text.strip_prefix(start).and_then(|rest| rest.split('`').next());
    if let Some(name) = named("missing field `") {
        return FieldProblem::at(format!("{pointer}/{}", escaped(name)), "required", format!("“{name}” is missing."));
    }
    if let Some(name) = named("duplicate field `") {
        return FieldProblem::at(format!("{pointer}/{}", escaped(name)), "duplicate", format!("“{name}” is given twice."));
    }
    if let Some(name) = named("unknown field `") {
        let own = escaped(name);
        let pointer = if pointer.rsplit('/').next() == Some(own.as_str()) { pointer } else { format!("{pointer}/{own}") };
        return FieldProblem::at(pointer, "unknown_field", format!("“{name}” cannot be set here."));
    }
    FieldProblem::at(pointer, "type", format!("Invalid value: {text}."))
}

/// The query parameters; each must be known and given at most once.
#[derive(Debug)]
pub struct QueryParams<T>(pub T);

impl<T: DeserializeOwned + Validate, S: Send + Sync> FromRequestParts<S> for QueryParams<T> {
    type Rejection = ApiRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiRejection> {
        let RawQuery(query) = RawQuery::from_request_parts(parts, state).await.unwrap_or_else(|never| match never {});
        let mut object = serde_json::Map::new();
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if name.contains('\0') || value.contains('\0') {
                return Err(ApiRejection::invalid(vec![FieldProblem::parameter(
                    &name.replace('\0', "�"),
                    "malformed",
                    "Parameters cannot contain NUL.",
                )]));
            }
            if object.insert(name.clone().into_owned(), value.into_owned().into()).is_some() {
                return Err(ApiRejection::invalid(vec![FieldProblem::parameter(&name, "duplicate", format!("“{name}” is given twice."))]));
            }
        }
        let read: Result<T, _> = serde_path_to_error::deserialize(serde_json::Value::Object(object));
        let problems = match read {
            Err(error) => vec![fault(&error)],
            Ok(params) => match params.validate() {
                Ok(()) => return Ok(Self(params)),
                Err(errors) => problems(&errors),
            },
        };
        let of_parameter = |FieldProblem { pointer, code, detail, .. }: FieldProblem| {
            FieldProblem::parameter(pointer.unwrap_or_default().trim_start_matches('/'), &code, detail)
        };
        Err(ApiRejection::invalid(problems.into_iter().map(of_parameter).collect()))
    }
}

/// Default number of items per page.
pub const PAGE: usize = 25;
/// Maximum number of items per page.
pub const MAX_PAGE: usize = 100;

/// For `#[serde(deserialize_with)]`: a number of items, which is a string in query parameters.
///
/// # Errors
/// Returns an error if it is not a number from 1 to [`MAX_PAGE`].
pub fn limit<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let text = <String as serde::Deserialize>::deserialize(deserializer)?;
    let number = text.parse::<usize>().ok().filter(|n| (1..=MAX_PAGE).contains(n));
    number.ok_or_else(|| serde::de::Error::custom(format!("this must be a number from 1 to {MAX_PAGE}")))
}

/// For `#[serde(deserialize_with)]`: an optional small whole number, which may be written `3.0`: the same to JSON.
///
/// # Errors
/// Returns an error if it is not a number, not whole, or out of range.
pub fn whole<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
    let Some(number) = <Option<f64> as serde::Deserialize>::deserialize(deserializer)? else { return Ok(None) };
    let whole = (0..=u8::MAX).find(|whole| (f64::from(*whole) - number).abs() < f64::EPSILON);
    whole.map(Some).ok_or_else(|| serde::de::Error::custom("this must be a whole number of 0 or more"))
}

/// A limit of the domain, for `#[validate(length(max = …))]`.
#[must_use]
pub const fn chars(most: usize) -> u64 {
    most as u64
}

/// [`PAGE`], for `#[serde(default)]`.
#[must_use]
pub fn page() -> usize {
    PAGE
}

/// An empty request body.
#[derive(Debug, serde::Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct EmptyBody {}

/// For `#[serde(deserialize_with)]`: an optional value that is never null.
///
/// # Errors
/// Returns an error if it is invalid.
pub fn set<'de, D: serde::Deserializer<'de>, T: serde::Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// For `#[serde(deserialize_with)]`: an optional object. serde would also accept a list as a struct.
///
/// # Errors
/// Returns an error if it is neither a valid object nor null.
pub fn object_or_null<'de, D: serde::Deserializer<'de>, T: serde::Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    struct Object<T>(PhantomData<T>);

    impl<'de, T: serde::Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = Option<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object or null")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map)).map(Some)
        }
    }

    deserializer.deserialize_any(Object(PhantomData))
}

/// For `#[serde(deserialize_with)]`: the first `N` items of a list; the others are read and dropped, so that a body with very many needs no
/// memory for them.
///
/// # Errors
/// Returns an error if it is not a list, or one of its first items is invalid.
pub fn first<'de, D: serde::Deserializer<'de>, T: serde::Deserialize<'de>, const N: usize>(deserializer: D) -> Result<Vec<T>, D::Error> {
    struct Items<T, const N: usize>(PhantomData<T>);

    impl<'de, T: serde::Deserialize<'de>, const N: usize> Visitor<'de> for Items<T, N> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut items = Vec::new();
            while items.len() < N {
                match list.next_element()? {
                    Some(item) => items.push(item),
                    None => return Ok(items),
                }
            }
            while list.next_element::<IgnoredAny>()?.is_some() {}
            Ok(items)
        }
    }

    deserializer.deserialize_seq(Items::<T, N>(PhantomData))
}

/// As [`object_or_null`], for an object that must be given.
///
/// # Errors
/// Returns an error if it is not a valid object.
pub fn object<'de, D: serde::Deserializer<'de>, T: serde::Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    object_or_null(deserializer)?.ok_or_else(|| serde::de::Error::custom("this must be an object"))
}

/// For `#[serde(deserialize_with)]`: an optional value, where null clears it.
///
/// # Errors
/// Returns an error if it is invalid.
pub fn set_or_null<'de, D: serde::Deserializer<'de>, T: serde::Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    <Option<T> as serde::Deserialize>::deserialize(deserializer).map(Some)
}

/// The IDs in the path. A malformed ID is treated as not found.
#[derive(Debug, Clone, Copy)]
pub struct PathIds<const N: usize>(pub [Uuid; N]);

impl<const N: usize, S: Send + Sync> FromRequestParts<S> for PathIds<N> {
    type Rejection = ApiRejection;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiRejection> {
        let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| Refusal::NotFound)?;
        let ids: Vec<Uuid> = params.iter().filter_map(|(_, text)| Uuid::try_parse(text).ok()).collect();
        Ok(Self(ids.try_into().map_err(|_| Refusal::NotFound)?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, Validate)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[validate(length(max = 3))]
        name: String,
        #[serde(default)]
        #[validate(nested)]
        items: Vec<Inner>,
    }

    #[derive(Debug, Deserialize, Validate)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[serde(deserialize_with = "set_or_null")]
        #[validate(length(max = 3))]
        text: Option<Option<String>>,
    }

    fn place(json: &str) -> (String, String) {
        match read::<Outer>(json.as_bytes()).unwrap_err() {
            ApiRejection::Protocol { faults, .. } => (faults[0].pointer.clone().unwrap(), faults[0].code.clone()),
            ApiRejection::UseCase(error) => panic!("{error}"),
        }
    }

    #[test]
    fn faults_are_found_at_their_places() {
        assert_eq!(place("{}"), ("/name".into(), "required".into()));
        assert_eq!(place(r#"{"name":1}"#), ("/name".into(), "type".into()));
        assert_eq!(place(r#"{"name":"a","id":1}"#), ("/id".into(), "unknown_field".into()));
        assert_eq!(place(r#"{"name":"a","items":[{"text":"b"},{"text":1}]}"#), ("/items/1/text".into(), "type".into()));
        assert_eq!(place(r#"{"name":"a","items":[{"text":"b","x~/y":1}]}"#), ("/items/0/x~0~1y".into(), "unknown_field".into()));
        assert_eq!(place(r#"{"name":"a","items":[{}]}"#), ("/items/0/text".into(), "required".into()));
        assert_eq!(place("[]").0, "");
        assert_eq!(place(r#"{"name":"\u0001ab "}"#), ("/name".into(), "too_long".into()));
        assert_eq!(place(r#"{"name":"a","items":[{"text":"b"},{"text":"abcd"}]}"#), ("/items/1/text".into(), "too_long".into()));
    }

    #[test]
    fn all_texts_that_are_too_long_are_reported() {
        let Err(ApiRejection::Protocol { faults, .. }) =
            read::<Outer>(r#"{"name":"äöüß","items":[{"text":null},{"text":"abcde"}]}"#.as_bytes())
        else {
            panic!("accepted");
        };
        let faults: Vec<_> = faults.into_iter().map(|fault| (fault.pointer.unwrap_or_default(), fault.detail)).collect();
        let expected = [("/items/1/text", "Use at most 3 characters; this has 5."), ("/name", "Use at most 3 characters; this has 4.")];
        assert_eq!(faults, expected.map(|(pointer, detail)| (pointer.to_owned(), detail.to_owned())));
    }

    #[test]
    fn depth_is_counted_outside_of_texts() {
        assert!(is_too_deep("[".repeat(10_000).as_bytes()));
        assert!(!is_too_deep(format!("[\"{}\\\"[[[\"]", "[".repeat(100)).as_bytes()));
        assert!(!is_too_deep("[]".repeat(100).as_bytes()));
    }

    #[test]
    fn nul_is_found_where_it_is_meant() {
        assert!(has_nul(br#"{"name":"a\u0000"}"#) && has_nul(br#""\\\u0000""#));
        assert!(!has_nul(br#""\\u0000""#) && !has_nul(b"\"u0000\"") && !has_nul(b"\\"));
    }

    proptest! {
        #[test]
        fn no_body_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            drop(read::<Outer>(&bytes));
        }
    }
}
