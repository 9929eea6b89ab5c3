//! Surveys: questions, drafts, versions, answers and statistics.
//!
//! See CONTRIBUTING.md for how to add a question type.

#![deny(clippy::wildcard_enum_match_arm, clippy::match_wildcard_for_single_variants)]

pub mod answer;
pub mod draft;
pub mod question;
pub mod stats;
pub mod templates;

use serde::{Deserialize, Serialize};

use crate::words::words;
pub use answer::Answer;
pub use question::{AnswerShape, Choice, Question, QuestionKind, QuestionType};

words! {
    /// The publication status, which decides whether people can answer.
    SurveyStatus {
        /// Never published.
        Draft = "draft" / "Draft",
        /// Accepts answers.
        Live = "live" / "Live",
        /// Accepts no new answers for now.
        Paused = "paused" / "Paused",
        /// Accepts no more answers.
        Closed = "closed" / "Closed",
    }
}

/// The trigger that makes the widget show a survey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "on", rename_all = "snake_case")]
pub enum LaunchTrigger {
    /// A button at the edge of the page.
    Button {
        /// Its label.
        label: String,
    },
    /// Automatically, after this many seconds on the page.
    Delay {
        /// Seconds.
        seconds: u32,
    },
    /// When the site calls `earshot.track(name)`.
    Event {
        /// The event's name.
        name: String,
    },
    /// Only when the site calls `earshot.open(id)`, embeds it, or links to it.
    Code,
}

/// The visible content of a survey: a draft holds it, and a version freezes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SurveyBody {
    /// The heading shown to respondents.
    pub title: String,
    /// The introduction before the questions; may be empty.
    pub intro: String,
    /// In the order they are asked.
    pub questions: Vec<Question>,
    /// The thank-you message.
    pub thanks: String,
    /// BCP 47 language of the texts.
    pub language: String,
    /// The trigger that makes the widget show it.
    pub launch: LaunchTrigger,
}

/// Most questions in one survey.
pub const MAX_QUESTIONS: usize = 50;
