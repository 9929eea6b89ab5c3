//! Surveys: questions, drafts, versions, answers and what they add up to.
//!
//! See CONTRIBUTING.md for what a new question type takes.

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
    /// Whether people can answer.
    SurveyStatus {
        /// Never published.
        Draft = "draft" / "Draft",
        /// Takes answers.
        Live = "live" / "Live",
        /// Takes no new answers for now.
        Paused = "paused" / "Paused",
        /// Takes no more answers.
        Closed = "closed" / "Closed",
    }
}

/// What makes the widget show a survey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "on", rename_all = "snake_case")]
pub enum LaunchTrigger {
    /// A button at the edge of the page.
    Button {
        /// Its words.
        label: String,
    },
    /// By itself after this many seconds on the page.
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

/// All of a survey that people see: what a draft holds, and what a version freezes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SurveyBody {
    /// The heading respondents see.
    pub title: String,
    /// The introduction before the questions; may be empty.
    pub intro: String,
    /// In the order they are asked.
    pub questions: Vec<Question>,
    /// The thank-you message.
    pub thanks: String,
    /// BCP 47 language of the texts.
    pub language: String,
    /// What makes the widget show it.
    pub launch: LaunchTrigger,
}

/// Most questions in one survey.
pub const MAX_QUESTIONS: usize = 50;
