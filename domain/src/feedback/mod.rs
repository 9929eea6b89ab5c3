//! Feedback: the triageable record that a response, a ticket, an idea, a usability test or an API call produces.

mod change;

use serde::{Deserialize, Serialize};

pub use change::FeedbackChange;

use crate::{
    Timestamp,
    ids::{ContactId, FeedbackId, ProjectId, ResponseId, StaffId, SurveyId},
    words::words,
};

words! {
    /// What produced the feedback.
    FeedbackKind {
        /// Answers to a survey.
        SurveyResponse = "survey_response" / "Survey",
        /// A support conversation.
        Ticket = "ticket" / "Ticket",
        /// A public wish.
        Idea = "idea" / "Idea",
        /// A usability test.
        Usability = "usability" / "Usability",
        /// The API.
        Api = "api" / "API",
        /// A file that was imported.
        Import = "import" / "Import",
    }
}

words! {
    /// How far triage has come.
    FeedbackStatus {
        /// Nobody has looked yet.
        New = "new" / "New",
        /// Looked at, nothing linked.
        Triaged = "triaged" / "Triaged",
        /// Linked to at least one backlog item.
        Linked = "linked" / "Linked",
        /// Done with.
        Resolved = "resolved" / "Resolved",
        /// Suspected or confirmed spam; kept, out of the way.
        Spam = "spam" / "Spam",
    }
}

/// One record of the inbox, as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Feedback {
    /// Identity.
    pub id: FeedbackId,
    /// Whose.
    pub project: ProjectId,
    /// What produced it.
    pub kind: FeedbackKind,
    /// What was said: the free texts, joined by blank lines; empty where there is only a score.
    pub text: String,
    /// The score, when one was given, on the question's own scale.
    pub score: Option<f64>,
    /// The top of that scale (10 for NPS, 5 for CSAT, …).
    pub score_max: Option<f64>,
    /// Who said it.
    pub contact: Option<ContactId>,
    /// The survey answered.
    pub survey: Option<SurveyId>,
    /// The response answered with.
    pub response: Option<ResponseId>,
    /// The page it was said on.
    pub page_url: Option<String>,
    /// The release it was said about.
    pub release: Option<String>,
    /// The environment it was said in.
    pub environment: Option<String>,
    /// BCP 47 primary language, detected or given.
    pub language: String,
    /// How far triage has come.
    pub status: FeedbackStatus,
    /// Who takes care of it.
    pub assignee: Option<StaffId>,
    /// Tags, sorted.
    pub tags: Vec<String>,
    /// Why it was suspected to be spam; kept when a person says that it is not.
    pub spam_reasons: Vec<String>,
    /// When it was said.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Grows with each change; a write names the version it was made from.
    pub version: i64,
}

/// Longest tag, in characters.
pub const MAX_TAG: usize = 60;

/// Normal form of a tag: trimmed, lower case, inner white space as single hyphens; `None` if empty or too long.
#[must_use]
pub fn normalize_tag(text: &str) -> Option<String> {
    let tag = text.split_whitespace().collect::<Vec<_>>().join("-").to_lowercase();
    let fits = !tag.is_empty() && tag.chars().count() <= MAX_TAG && tag.chars().all(|c| !c.is_control() && !matches!(c, '"' | ',' | ':'));
    fits.then_some(tag)
}
