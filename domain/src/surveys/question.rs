//! Question types. Everything that the program must know of a type is in this file; the other layers match on the variant.

use serde::{Deserialize, Serialize};

use crate::FieldErrors;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Stays the same over versions, so that answers to all versions can be added up: `q1`, `q2`, …
    pub id: String,
    /// What is asked.
    pub title: String,
    /// A line below it; may be empty.
    pub hint: String,
    /// Whether an answer is needed to finish.
    pub required: bool,
    /// The type, with its own settings.
    #[serde(flatten)]
    pub kind: QuestionKind,
}

/// One choice of a choice question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Stays the same when the label changes: `c1`, `c2`, …
    pub id: String,
    /// What respondents see.
    pub label: String,
}

/// The type of a question with its settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum QuestionKind {
    /// Net Promoter Score: 0 to 10 (Reichheld 2003).
    Nps {
        /// Words at 0.
        low: String,
        /// Words at 10.
        high: String,
    },
    /// Customer satisfaction: 1 to 5; 4 and 5 count as satisfied.
    Csat {
        /// Words at 1.
        low: String,
        /// Words at 5.
        high: String,
    },
    /// Customer effort score: agreement with "made it easy", 1 to 7 (CES 2.0).
    Ces {
        /// Words at 1.
        low: String,
        /// Words at 7.
        high: String,
    },
    /// Stars, 1 to `max`.
    Rating {
        /// 3 to 10.
        max: u8,
    },
    /// One of several.
    SingleChoice {
        /// At least two.
        choices: Vec<Choice>,
        /// Whether "Other" with a text field is offered.
        other: bool,
    },
    /// Any of several.
    MultipleChoice {
        /// At least two.
        choices: Vec<Choice>,
        /// Whether "Other" with a text field is offered.
        other: bool,
    },
    /// One line.
    ShortText,
    /// Several lines.
    LongText,
    /// An e-mail address, which also identifies the contact.
    Email,
    /// Text to read; takes no answer.
    Statement,
}

/// The words of the types, in the order the editor offers them: stored word, label, what it is for.
pub const KINDS: &[(&str, &str, &str)] = &[
    ("nps", "Net Promoter Score", "Would they recommend you? 0 to 10."),
    ("csat", "Satisfaction (CSAT)", "How satisfied are they? 1 to 5."),
    ("ces", "Effort (CES)", "Was it easy? 1 to 7."),
    ("rating", "Rating", "Stars."),
    ("single_choice", "Single choice", "One of several answers."),
    ("multiple_choice", "Multiple choice", "Any of several answers."),
    ("short_text", "Short text", "One line."),
    ("long_text", "Long text", "Several lines, in their own words."),
    ("email", "E-mail address", "To be able to answer them."),
    ("statement", "Statement", "Text to read; no answer."),
];

impl QuestionKind {
    /// A new question's settings for the stored word of a type.
    #[must_use]
    pub fn new(word: &str) -> Option<Self> {
        let choices =
            || vec![Choice { id: "c1".into(), label: "First choice".into() }, Choice { id: "c2".into(), label: "Second choice".into() }];
        Some(match word {
            "nps" => Self::Nps { low: "Not at all likely".into(), high: "Extremely likely".into() },
            "csat" => Self::Csat { low: "Very dissatisfied".into(), high: "Very satisfied".into() },
            "ces" => Self::Ces { low: "Strongly disagree".into(), high: "Strongly agree".into() },
            "rating" => Self::Rating { max: 5 },
            "single_choice" => Self::SingleChoice { choices: choices(), other: false },
            "multiple_choice" => Self::MultipleChoice { choices: choices(), other: false },
            "short_text" => Self::ShortText,
            "long_text" => Self::LongText,
            "email" => Self::Email,
            "statement" => Self::Statement,
            _ => return None,
        })
    }

    /// The stored word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Nps { .. } => "nps",
            Self::Csat { .. } => "csat",
            Self::Ces { .. } => "ces",
            Self::Rating { .. } => "rating",
            Self::SingleChoice { .. } => "single_choice",
            Self::MultipleChoice { .. } => "multiple_choice",
            Self::ShortText => "short_text",
            Self::LongText => "long_text",
            Self::Email => "email",
            Self::Statement => "statement",
        }
    }

    /// Lowest and highest number of a question that is answered with one.
    #[must_use]
    pub fn scale(&self) -> Option<(u8, u8)> {
        match self {
            Self::Nps { .. } => Some((0, 10)),
            Self::Csat { .. } => Some((1, 5)),
            Self::Ces { .. } => Some((1, 7)),
            Self::Rating { max } => Some((1, *max)),
            _ => None,
        }
    }

    /// The choices and whether "Other" is offered, of a question that is answered by choosing.
    #[must_use]
    pub fn choices(&self) -> Option<(&[Choice], bool)> {
        match self {
            Self::SingleChoice { choices, other } | Self::MultipleChoice { choices, other } => Some((choices, *other)),
            _ => None,
        }
    }

    /// Most characters of a text answer.
    #[must_use]
    pub fn max_chars(&self) -> Option<usize> {
        match self {
            Self::ShortText => Some(500),
            Self::LongText => Some(MAX_ANSWER),
            Self::Email => Some(254),
            _ => None,
        }
    }

    /// Whether it takes an answer at all.
    #[must_use]
    pub fn takes_answer(&self) -> bool {
        !matches!(self, Self::Statement)
    }

    /// The choices, to change them.
    pub fn choices_mut(&mut self) -> Option<&mut Vec<Choice>> {
        match self {
            Self::SingleChoice { choices, .. } | Self::MultipleChoice { choices, .. } => Some(choices),
            _ => None,
        }
    }

    /// The words at the ends of the scale.
    #[must_use]
    pub fn ends(&self) -> Option<(&str, &str)> {
        match self {
            Self::Nps { low, high } | Self::Csat { low, high } | Self::Ces { low, high } => Some((low, high)),
            _ => None,
        }
    }

    /// The types that a question may be turned into without making answers to earlier versions meaningless; itself among them.
    #[must_use]
    pub fn relatives(&self) -> &'static [&'static str] {
        match self {
            Self::SingleChoice { .. } | Self::MultipleChoice { .. } => &["single_choice", "multiple_choice"],
            Self::ShortText | Self::LongText => &["short_text", "long_text"],
            _ => &[],
        }
    }

    /// The settings of a type as the editor's form sends them; `field` gives the value of a setting by its name, or nothing. What is not sent
    /// is as in a new question.
    #[must_use]
    pub fn read(word: &str, field: &dyn Fn(&str) -> Option<String>, listed: Vec<Choice>) -> Option<Self> {
        let mut kind = Self::new(word)?;
        match &mut kind {
            Self::Nps { low, high } | Self::Csat { low, high } | Self::Ces { low, high } => {
                *low = field("low").unwrap_or_default();
                *high = field("high").unwrap_or_default();
            }
            Self::Rating { max } => *max = field("max").and_then(|n| n.trim().parse().ok()).unwrap_or(*max),
            Self::SingleChoice { choices, other } | Self::MultipleChoice { choices, other } => {
                *choices = listed;
                *other = field("other").is_some();
            }
            Self::ShortText | Self::LongText | Self::Email | Self::Statement => {}
        }
        Some(kind)
    }

    /// What stops a question with these settings from being published; `id` is the question's, which names its fields.
    pub fn check(&self, id: &str, errors: &mut FieldErrors) {
        match self {
            Self::Nps { low, high } | Self::Csat { low, high } | Self::Ces { low, high } => {
                limit(errors, &format!("{id}-low"), low, MAX_END);
                limit(errors, &format!("{id}-high"), high, MAX_END);
            }
            Self::Rating { max } => {
                if !(3..=10).contains(max) {
                    errors.add(&format!("{id}-max"), "range", "Choose 3 to 10 stars.");
                }
            }
            Self::SingleChoice { choices, .. } | Self::MultipleChoice { choices, .. } => check_choices(choices, id, errors),
            Self::ShortText | Self::LongText | Self::Email | Self::Statement => {}
        }
    }
}

/// Most characters of any answer.
pub const MAX_ANSWER: usize = 10_000;
/// Most characters of the words at the end of a scale.
pub const MAX_END: usize = 80;
/// Most characters of a choice.
pub const MAX_LABEL: usize = 200;
/// Most choices of one question.
pub const MAX_CHOICES: usize = 50;

/// Refuses a text of more than `max` characters.
pub(super) fn limit(errors: &mut FieldErrors, field: &str, text: &str, max: usize) {
    let count = text.chars().count();
    if count > max {
        errors.add(field, "too_long", format!("Use {max} characters at most; this has {count}."));
    }
}

fn check_choices(choices: &[Choice], id: &str, errors: &mut FieldErrors) {
    let all = format!("{id}-choices");
    if choices.len() < 2 {
        errors.add(&all, "too_few", "Give at least two choices.");
    }
    if choices.len() > MAX_CHOICES {
        errors.add(&all, "too_many", format!("Give {MAX_CHOICES} choices at most."));
    }
    for (at, choice) in choices.iter().enumerate() {
        let field = format!("{id}-{}", choice.id);
        let label = choice.label.trim();
        if label.is_empty() {
            errors.add(&field, "required", format!("Write choice {}, or delete it.", at + 1));
        } else if choices[..at].iter().any(|c| c.label.trim().eq_ignore_ascii_case(label)) {
            errors.add(&field, "duplicate", "This choice is there already.");
        }
        limit(errors, &field, label, MAX_LABEL);
    }
}
