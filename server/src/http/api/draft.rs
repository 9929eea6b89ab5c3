//! The content of a survey draft, as clients read it and send it back.

use domain::surveys::{self, Question, QuestionKind};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;
use utoipa::ToSchema;

/// A question of a draft; `type` says which kind it is.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
pub enum DraftQuestion {
    /// Answered with a number on a fixed scale.
    Scale(DraftScaleQuestion),
    /// Answered with stars.
    Rating(DraftRatingQuestion),
    /// Answered by choosing.
    Choice(DraftChoiceQuestion),
    /// Without settings of its own.
    Plain(DraftPlainQuestion),
}

/// A fixed scale.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScaleType {
    /// Net Promoter Score: 0 to 10.
    Nps,
    /// Customer satisfaction: 1 to 5.
    Csat,
    /// Customer effort score: 1 to 7.
    Ces,
}

/// A question that is answered with a number on a fixed scale.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DraftScaleQuestion {
    /// Stays the same across versions. Omit it for a new question.
    #[schema(example = "q1")]
    id: Option<String>,
    #[serde(rename = "type")]
    kind: ScaleType,
    /// What is asked: at most 500 characters when it is published.
    #[schema(example = "How likely are you to recommend us?")]
    title: String,
    /// A line below it: at most 2000 characters when it is published.
    #[serde(default)]
    hint: String,
    /// Whether a response needs an answer to this question to be finished.
    #[serde(default)]
    required: bool,
    /// The words at the lowest number: at most 80 characters when it is published.
    #[serde(default)]
    low: String,
    /// The words at the highest number.
    #[serde(default)]
    high: String,
}

/// Stars.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RatingType {
    /// Stars, from 1 on.
    Rating,
}

/// A question that is answered with stars.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DraftRatingQuestion {
    /// Stays the same across versions. Omit it for a new question.
    id: Option<String>,
    #[serde(rename = "type")]
    kind: RatingType,
    /// What is asked: at most 500 characters when it is published.
    title: String,
    /// A line below it: at most 2000 characters when it is published.
    #[serde(default)]
    hint: String,
    /// Whether a response needs an answer to this question to be finished.
    #[serde(default)]
    required: bool,
    /// Number of stars: 3 to 10 when it is published.
    #[serde(default = "five", deserialize_with = "stars")]
    #[schema(minimum = 0, maximum = 255, default = 5)]
    max: u8,
}

/// How many choices an answer may have.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChoiceType {
    /// One of them.
    SingleChoice,
    /// Any of them.
    MultipleChoice,
}

/// A question that is answered by choosing.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DraftChoiceQuestion {
    /// Stays the same across versions. Omit it for a new question.
    id: Option<String>,
    #[serde(rename = "type")]
    kind: ChoiceType,
    /// What is asked: at most 500 characters when it is published.
    title: String,
    /// A line below it: at most 2000 characters when it is published.
    #[serde(default)]
    hint: String,
    /// Whether a response needs an answer to this question to be finished.
    #[serde(default)]
    required: bool,
    /// The choices, in order: at least two when it is published.
    #[schema(max_items = 50)]
    choices: Vec<DraftChoice>,
    /// Whether a free-text answer can be given besides the choices.
    #[serde(default)]
    other: bool,
}

/// A choice of a question.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DraftChoice {
    /// Stays the same across versions. Omit it for a new choice.
    #[schema(example = "c1")]
    id: Option<String>,
    /// What respondents see: 1 to 200 characters when it is published.
    label: String,
}

/// What a question without settings of its own asks for.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlainType {
    /// One line of text.
    ShortText,
    /// Several lines of text.
    LongText,
    /// An e-mail address, which also identifies the contact.
    Email,
    /// Nothing: it is only text to read.
    Statement,
}

/// A question without settings of its own.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DraftPlainQuestion {
    /// Stays the same across versions. Omit it for a new question.
    id: Option<String>,
    #[serde(rename = "type")]
    kind: PlainType,
    /// What is asked: at most 500 characters when it is published.
    title: String,
    /// A line below it: at most 2000 characters when it is published.
    #[serde(default)]
    hint: String,
    /// Whether a response needs an answer to this question to be finished. Always false for a statement.
    #[serde(default)]
    required: bool,
}

fn five() -> u8 {
    5
}

fn stars<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    super::request::whole(deserializer)?.ok_or_else(|| D::Error::custom("this must be a whole number of 0 or more"))
}

/// Deserializes one kind of question. For an error inside a list, the message includes the path, which is otherwise lost here.
fn read<'de, T: serde::de::DeserializeOwned, D: Deserializer<'de>>(value: Value) -> Result<T, D::Error> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let (path, text) = (error.path().to_string(), error.inner().to_string());
        D::Error::custom(if path.contains('[') { format!("{path}: {text}") } else { text })
    })
}

impl<'de> Deserialize<'de> for DraftQuestion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = serde_json::Map::deserialize(deserializer)?;
        let word = match fields.get("type") {
            None => return Err(D::Error::missing_field("type")),
            Some(Value::String(word)) => word.clone(),
            Some(_) => return Err(D::Error::custom("the type must be a string")),
        };
        let value = Value::Object(fields);
        Ok(match word.as_str() {
            "nps" | "csat" | "ces" => Self::Scale(read::<_, D>(value)?),
            "rating" => Self::Rating(read::<_, D>(value)?),
            "single_choice" | "multiple_choice" => Self::Choice(read::<_, D>(value)?),
            "short_text" | "long_text" | "email" | "statement" => Self::Plain(read::<_, D>(value)?),
            _ => return Err(D::Error::custom("there is no such type of question")),
        })
    }
}

impl From<Question> for DraftQuestion {
    fn from(question: Question) -> Self {
        let Question { id, title, hint, required, kind } = question;
        let id = Some(id);
        let scale = |kind, low, high, (id, title, hint)| Self::Scale(DraftScaleQuestion { id, kind, title, hint, required, low, high });
        let chosen = |kind, choices: Vec<surveys::Choice>, other, (id, title, hint)| {
            let choices = choices.into_iter().map(|choice| DraftChoice { id: Some(choice.id), label: choice.label }).collect();
            Self::Choice(DraftChoiceQuestion { id, kind, title, hint, required, choices, other })
        };
        let plain = |kind, (id, title, hint)| Self::Plain(DraftPlainQuestion { id, kind, title, hint, required });
        let words = (id, title, hint);
        match kind {
            QuestionKind::Nps { low, high } => scale(ScaleType::Nps, low, high, words),
            QuestionKind::Csat { low, high } => scale(ScaleType::Csat, low, high, words),
            QuestionKind::Ces { low, high } => scale(ScaleType::Ces, low, high, words),
            QuestionKind::Rating { max } => {
                let (id, title, hint) = words;
                Self::Rating(DraftRatingQuestion { id, kind: RatingType::Rating, title, hint, required, max })
            }
            QuestionKind::SingleChoice { choices, other } => chosen(ChoiceType::SingleChoice, choices, other, words),
            QuestionKind::MultipleChoice { choices, other } => chosen(ChoiceType::MultipleChoice, choices, other, words),
            QuestionKind::ShortText => plain(PlainType::ShortText, words),
            QuestionKind::LongText => plain(PlainType::LongText, words),
            QuestionKind::Email => plain(PlainType::Email, words),
            QuestionKind::Statement => plain(PlainType::Statement, words),
        }
    }
}

impl From<DraftQuestion> for Question {
    fn from(question: DraftQuestion) -> Self {
        let made = |id: Option<String>, title, hint, required, kind| Self { id: id.unwrap_or_default(), title, hint, required, kind };
        match question {
            DraftQuestion::Scale(DraftScaleQuestion { id, kind, title, hint, required, low, high }) => {
                let kind = match kind {
                    ScaleType::Nps => QuestionKind::Nps { low, high },
                    ScaleType::Csat => QuestionKind::Csat { low, high },
                    ScaleType::Ces => QuestionKind::Ces { low, high },
                };
                made(id, title, hint, required, kind)
            }
            DraftQuestion::Rating(DraftRatingQuestion { id, kind: RatingType::Rating, title, hint, required, max }) => {
                made(id, title, hint, required, QuestionKind::Rating { max })
            }
            DraftQuestion::Choice(DraftChoiceQuestion { id, kind, title, hint, required, choices, other }) => {
                let choices =
                    choices.into_iter().map(|choice| surveys::Choice { id: choice.id.unwrap_or_default(), label: choice.label }).collect();
                let kind = match kind {
                    ChoiceType::SingleChoice => QuestionKind::SingleChoice { choices, other },
                    ChoiceType::MultipleChoice => QuestionKind::MultipleChoice { choices, other },
                };
                made(id, title, hint, required, kind)
            }
            DraftQuestion::Plain(DraftPlainQuestion { id, kind, title, hint, required }) => {
                let kind = match kind {
                    PlainType::ShortText => QuestionKind::ShortText,
                    PlainType::LongText => QuestionKind::LongText,
                    PlainType::Email => QuestionKind::Email,
                    PlainType::Statement => QuestionKind::Statement,
                };
                made(id, title, hint, required, kind)
            }
        }
    }
}

/// What makes the widget show a survey.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "on", rename_all = "snake_case", deny_unknown_fields)]
pub enum DraftLaunch {
    /// A button at the edge of the page.
    Button {
        /// Its words: 1 to 40 characters when it is published.
        label: String,
    },
    /// Automatically, after some time on the page.
    Delay {
        /// Seconds: at most 3600 when it is published.
        #[serde(deserialize_with = "seconds")]
        #[schema(value_type = i64, minimum = 0, maximum = 4294967295_u32)]
        seconds: u32,
    },
    /// When the site calls `earshot.track(name)`.
    Event {
        /// The event’s name: 1 to 100 characters when it is published.
        name: String,
    },
    /// Only when the site calls `earshot.open(id)`, embeds it, or links to it.
    Code {},
}

/// Deserializes a whole number, which may be written `3.0`: the same to JSON.
fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let number = whole(f64::deserialize(deserializer)?).and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| D::Error::custom("this must be a whole number of 0 or more"))
}

/// The number if it is whole.
pub fn whole(number: f64) -> Option<i64> {
    // Through text, because a cast would not report a loss.
    if number.fract() == 0.0 { format!("{number:.0}").parse().ok() } else { None }
}

impl From<surveys::LaunchTrigger> for DraftLaunch {
    fn from(launch: surveys::LaunchTrigger) -> Self {
        match launch {
            surveys::LaunchTrigger::Button { label } => Self::Button { label },
            surveys::LaunchTrigger::Delay { seconds } => Self::Delay { seconds },
            surveys::LaunchTrigger::Event { name } => Self::Event { name },
            surveys::LaunchTrigger::Code => Self::Code {},
        }
    }
}

impl From<DraftLaunch> for surveys::LaunchTrigger {
    fn from(launch: DraftLaunch) -> Self {
        match launch {
            DraftLaunch::Button { label } => Self::Button { label },
            DraftLaunch::Delay { seconds } => Self::Delay { seconds },
            DraftLaunch::Event { name } => Self::Event { name: name.trim().to_owned() },
            DraftLaunch::Code {} => Self::Code,
        }
    }
}

/// The JSON pointer of an error that prevents publication; `field` is the editor's name of it, like `q3-title`.
pub fn place(field: &str, body: &surveys::SurveyBody) -> String {
    match field {
        "add-question" => return "/questions".into(),
        "launch-label" => return "/launch/label".into(),
        "launch-seconds" => return "/launch/seconds".into(),
        "launch-event" => return "/launch/name".into(),
        _ => {}
    }
    let Some((id, part)) = field.split_once('-') else { return format!("/{field}") };
    let Some(at) = body.questions.iter().position(|q| q.id == id) else { return format!("/{field}") };
    let choices = body.questions.get(at).and_then(|q| q.kind.choices()).map_or(&[][..], |(choices, _)| choices);
    match choices.iter().position(|choice| choice.id == part) {
        Some(choice) => format!("/questions/{at}/choices/{choice}/label"),
        None => format!("/questions/{at}/{part}"),
    }
}

#[cfg(test)]
mod tests {
    use domain::surveys::templates;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_draft_that_was_read_can_be_sent_back() {
        for template in templates::TEMPLATES {
            let body = (template.body)();
            for question in body.questions {
                let sent = serde_json::to_value(DraftQuestion::from(question.clone())).unwrap();
                let read: DraftQuestion = serde_json::from_value(sent.clone()).unwrap();
                assert_eq!(Question::from(read), question, "{sent}");
            }
            let sent = serde_json::to_value(DraftLaunch::from(body.launch.clone())).unwrap();
            let read: DraftLaunch = serde_json::from_value(sent).unwrap();
            assert_eq!(surveys::LaunchTrigger::from(read), body.launch);
        }
    }

    #[test]
    fn a_setting_of_another_kind_is_refused() {
        for wrong in [
            json!({ "type": "nps", "title": "A", "max": 5 }),
            json!({ "type": "statement", "title": "A", "choices": [] }),
            json!({ "type": "essay", "title": "A" }),
            json!({ "type": 3, "title": "A" }),
            json!({ "title": "A" }),
            json!({ "type": "rating", "title": "A", "max": 2.5 }),
            json!({ "type": "single_choice", "title": "A", "choices": [{ "label": "x", "value": 1 }] }),
        ] {
            assert!(serde_json::from_value::<DraftQuestion>(wrong.clone()).is_err(), "{wrong}");
        }
        for wrong in
            [json!({ "on": "code", "label": "x" }), json!({ "on": "delay" }), json!({ "on": "button", "label": "x", "seconds": 1 })]
        {
            assert!(serde_json::from_value::<DraftLaunch>(wrong.clone()).is_err(), "{wrong}");
        }
        assert!(serde_json::from_value::<DraftLaunch>(json!({ "on": "delay", "seconds": 3.0 })).is_ok());
        assert_eq!((whole(3.0), whole(-3.0), whole(3.5), whole(f64::INFINITY), whole(1e300)), (Some(3), Some(-3), None, None, None));
    }

    #[test]
    fn what_stops_publication_is_found_in_the_draft() {
        let body = (templates::find("bug").unwrap().body)();
        let at = body.questions.iter().position(|q| q.kind.choices().is_some()).unwrap();
        let question = &body.questions[at];
        let choice = &question.kind.choices().unwrap().0[1].id;
        assert_eq!(place(&format!("{}-title", question.id), &body), format!("/questions/{at}/title"));
        assert_eq!(place(&format!("{}-{choice}", question.id), &body), format!("/questions/{at}/choices/1/label"));
        assert_eq!(place(&format!("{}-choices", question.id), &body), format!("/questions/{at}/choices"));
        assert_eq!((place("title", &body), place("add-question", &body)), ("/title".into(), "/questions".into()));
        assert_eq!(place("launch-event", &body), "/launch/name");
    }
}
