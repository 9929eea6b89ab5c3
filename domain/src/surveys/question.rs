//! Question types: [`QuestionType`] names them, [`QuestionKind`] holds their settings, and [`AnswerShape`] describes an answer. No `match`
//! on any of them has a wildcard, so the compiler finds every place that a new type affects.

use serde::{Deserialize, Serialize};

use crate::{
    FieldErrors,
    email::MAX_EMAIL,
    text::{is_blank, limit},
    words::words,
};

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Stays the same across versions, so that answers to all versions can be added up: `q1`, `q2`, …
    pub id: String,
    /// The question text.
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
    /// The label shown to respondents.
    pub label: String,
}

/// The type of a question with its settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum QuestionKind {
    /// Net Promoter Score: 0 to 10 (Reichheld 2003).
    Nps {
        /// Label of 0.
        low: String,
        /// Label of 10.
        high: String,
    },
    /// Customer satisfaction: 1 to 5; 4 and 5 count as satisfied.
    Csat {
        /// Label of 1.
        low: String,
        /// Label of 5.
        high: String,
    },
    /// Customer effort score: agreement with "made it easy", 1 to 7 (CES 2.0).
    Ces {
        /// Label of 1.
        low: String,
        /// Label of 7.
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
    /// Text to read; has no answer.
    Statement,
}

words! {
    /// The type of a question, in the order in which the editor offers them.
    QuestionType {
        /// Net Promoter Score.
        Nps = "nps" / "Net Promoter Score",
        /// Customer satisfaction.
        Csat = "csat" / "Satisfaction (CSAT)",
        /// Customer effort score.
        Ces = "ces" / "Effort (CES)",
        /// Stars.
        Rating = "rating" / "Rating",
        /// One of several choices.
        SingleChoice = "single_choice" / "Single choice",
        /// Any of several choices.
        MultipleChoice = "multiple_choice" / "Multiple choice",
        /// One line of text.
        ShortText = "short_text" / "Short text",
        /// Several lines of text.
        LongText = "long_text" / "Long text",
        /// An e-mail address.
        Email = "email" / "E-mail address",
        /// Text without an answer.
        Statement = "statement" / "Statement",
    }
}

impl QuestionType {
    /// The purpose of the type, for the editor's menu.
    #[must_use]
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Nps => "Would they recommend you? 0 to 10.",
            Self::Csat => "How satisfied are they? 1 to 5.",
            Self::Ces => "Was it easy? 1 to 7.",
            Self::Rating => "Stars.",
            Self::SingleChoice => "One of several answers.",
            Self::MultipleChoice => "One or more of several answers.",
            Self::ShortText => "One line.",
            Self::LongText => "Several lines, in their own words.",
            Self::Email => "So that you can reply.",
            Self::Statement => "Text only, no answer.",
        }
    }

    /// The types that a published question may change to, because answers keep their meaning; empty if there are none.
    #[must_use]
    pub fn interchangeable(self) -> &'static [Self] {
        match self {
            Self::SingleChoice | Self::MultipleChoice => &[Self::SingleChoice, Self::MultipleChoice],
            Self::ShortText | Self::LongText => &[Self::ShortText, Self::LongText],
            Self::Nps | Self::Csat | Self::Ces | Self::Rating | Self::Email | Self::Statement => &[],
        }
    }
}

/// The shape of an answer to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerShape<'a> {
    /// A whole number.
    Scale {
        /// The lowest.
        low: u8,
        /// The highest.
        high: u8,
    },
    /// One or more of the choices.
    Choice {
        /// The choices.
        choices: &'a [Choice],
        /// Whether "Other" with a text is offered too.
        other: bool,
        /// Whether an answer may have more than one.
        multiple: bool,
    },
    /// Text.
    Text {
        /// Most characters.
        max_chars: usize,
    },
    /// An e-mail address of at most [`MAX_EMAIL`] characters.
    Email,
    /// No answer.
    None,
}

impl QuestionKind {
    /// The settings of a new question.
    #[must_use]
    pub fn new(question_type: QuestionType) -> Self {
        let choices =
            || vec![Choice { id: "c1".into(), label: "First choice".into() }, Choice { id: "c2".into(), label: "Second choice".into() }];
        match question_type {
            QuestionType::Nps => Self::Nps { low: "Not at all likely".into(), high: "Extremely likely".into() },
            QuestionType::Csat => Self::Csat { low: "Very dissatisfied".into(), high: "Very satisfied".into() },
            QuestionType::Ces => Self::Ces { low: "Strongly disagree".into(), high: "Strongly agree".into() },
            QuestionType::Rating => Self::Rating { max: 5 },
            QuestionType::SingleChoice => Self::SingleChoice { choices: choices(), other: false },
            QuestionType::MultipleChoice => Self::MultipleChoice { choices: choices(), other: false },
            QuestionType::ShortText => Self::ShortText,
            QuestionType::LongText => Self::LongText,
            QuestionType::Email => Self::Email,
            QuestionType::Statement => Self::Statement,
        }
    }

    /// The type without its settings.
    #[must_use]
    pub fn question_type(&self) -> QuestionType {
        match self {
            Self::Nps { .. } => QuestionType::Nps,
            Self::Csat { .. } => QuestionType::Csat,
            Self::Ces { .. } => QuestionType::Ces,
            Self::Rating { .. } => QuestionType::Rating,
            Self::SingleChoice { .. } => QuestionType::SingleChoice,
            Self::MultipleChoice { .. } => QuestionType::MultipleChoice,
            Self::ShortText => QuestionType::ShortText,
            Self::LongText => QuestionType::LongText,
            Self::Email => QuestionType::Email,
            Self::Statement => QuestionType::Statement,
        }
    }

    /// The shape of an answer.
    #[must_use]
    pub fn answer_shape(&self) -> AnswerShape<'_> {
        match self {
            Self::Nps { .. } => AnswerShape::Scale { low: 0, high: 10 },
            Self::Csat { .. } => AnswerShape::Scale { low: 1, high: 5 },
            Self::Ces { .. } => AnswerShape::Scale { low: 1, high: 7 },
            Self::Rating { max } => AnswerShape::Scale { low: 1, high: *max },
            Self::SingleChoice { choices, other } => AnswerShape::Choice { choices, other: *other, multiple: false },
            Self::MultipleChoice { choices, other } => AnswerShape::Choice { choices, other: *other, multiple: true },
            Self::ShortText => AnswerShape::Text { max_chars: 500 },
            Self::LongText => AnswerShape::Text { max_chars: MAX_ANSWER },
            Self::Email => AnswerShape::Email,
            Self::Statement => AnswerShape::None,
        }
    }

    /// Lowest and highest number of a question that is answered with a number.
    #[must_use]
    pub fn scale(&self) -> Option<(u8, u8)> {
        match self.answer_shape() {
            AnswerShape::Scale { low, high } => Some((low, high)),
            AnswerShape::Choice { .. } | AnswerShape::Text { .. } | AnswerShape::Email | AnswerShape::None => None,
        }
    }

    /// The choices and whether "Other" is offered, for a question that is answered by choosing.
    #[must_use]
    pub fn choices(&self) -> Option<(&[Choice], bool)> {
        match self.answer_shape() {
            AnswerShape::Choice { choices, other, .. } => Some((choices, other)),
            AnswerShape::Scale { .. } | AnswerShape::Text { .. } | AnswerShape::Email | AnswerShape::None => None,
        }
    }

    /// Most characters of a text answer.
    #[must_use]
    pub fn max_chars(&self) -> Option<usize> {
        match self.answer_shape() {
            AnswerShape::Text { max_chars } => Some(max_chars),
            AnswerShape::Email => Some(MAX_EMAIL),
            AnswerShape::Scale { .. } | AnswerShape::Choice { .. } | AnswerShape::None => None,
        }
    }

    /// Returns whether it has an answer at all.
    #[must_use]
    pub fn takes_answer(&self) -> bool {
        self.answer_shape() != AnswerShape::None
    }

    /// The choices, mutable.
    pub fn choices_mut(&mut self) -> Option<&mut Vec<Choice>> {
        match self {
            Self::SingleChoice { choices, .. } | Self::MultipleChoice { choices, .. } => Some(choices),
            Self::Nps { .. }
            | Self::Csat { .. }
            | Self::Ces { .. }
            | Self::Rating { .. }
            | Self::ShortText
            | Self::LongText
            | Self::Email
            | Self::Statement => None,
        }
    }

    /// The labels at the ends of the scale.
    #[must_use]
    pub fn scale_labels(&self) -> Option<(&str, &str)> {
        match self {
            Self::Nps { low, high } | Self::Csat { low, high } | Self::Ces { low, high } => Some((low, high)),
            Self::Rating { .. }
            | Self::SingleChoice { .. }
            | Self::MultipleChoice { .. }
            | Self::ShortText
            | Self::LongText
            | Self::Email
            | Self::Statement => None,
        }
    }

    /// Reads the settings of a type from the editor's form; `field` returns the value of a setting by its name, or nothing. Missing
    /// settings default to those of a new question.
    #[must_use]
    pub fn read(question_type: QuestionType, field: &dyn Fn(&str) -> Option<String>, listed: Vec<Choice>) -> Self {
        let mut kind = Self::new(question_type);
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
        kind
    }

    /// Checks for problems that prevent publication; `id` is the question's, which names its form fields.
    pub fn check(&self, id: &str, errors: &mut FieldErrors) {
        match self {
            Self::Nps { low, high } | Self::Csat { low, high } | Self::Ces { low, high } => {
                limit(errors, &format!("{id}-low"), low, MAX_SCALE_LABEL);
                limit(errors, &format!("{id}-high"), high, MAX_SCALE_LABEL);
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
/// Most characters of a label at the end of a scale.
pub const MAX_SCALE_LABEL: usize = 80;
/// Most characters of a choice.
pub const MAX_LABEL: usize = 200;
/// Most choices of one question.
pub const MAX_CHOICES: usize = 50;

fn check_choices(choices: &[Choice], id: &str, errors: &mut FieldErrors) {
    let all = format!("{id}-choices");
    if choices.len() < 2 {
        errors.add(&all, "too_few", "Add at least two choices.");
    }
    if choices.len() > MAX_CHOICES {
        errors.add(&all, "too_many", format!("Use at most {MAX_CHOICES} choices."));
    }
    for (at, choice) in choices.iter().enumerate() {
        let field = format!("{id}-{}", choice.id);
        let label = choice.label.trim();
        if is_blank(label) {
            errors.add(&field, "required", format!("Enter choice {} or delete it.", at + 1));
        } else if choices[..at].iter().any(|c| c.label.trim().eq_ignore_ascii_case(label)) {
            errors.add(&field, "duplicate", "This choice already exists.");
        }
        limit(errors, &field, label, MAX_LABEL);
    }
}
