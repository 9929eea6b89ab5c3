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
    /// The source of the feedback.
    FeedbackKind {
        /// Answers to a survey.
        SurveyResponse = "survey_response" / "Survey",
        /// A support conversation.
        Ticket = "ticket" / "Ticket",
        /// A public feature request.
        Idea = "idea" / "Idea",
        /// A usability test.
        Usability = "usability" / "Usability",
        /// The API.
        Api = "api" / "API",
        /// An imported file.
        Import = "import" / "Import",
    }
}

words! {
    /// The triage status.
    FeedbackStatus {
        /// Not looked at yet.
        New = "new" / "New",
        /// Looked at, nothing linked.
        Triaged = "triaged" / "Triaged",
        /// Linked to at least one backlog item.
        Linked = "linked" / "Linked",
        /// Done with.
        Resolved = "resolved" / "Resolved",
        /// Suspected or confirmed spam; stored, but hidden by default.
        Spam = "spam" / "Spam",
    }
}

/// One record of the inbox, as stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Feedback {
    /// Identity.
    pub id: FeedbackId,
    /// The project it belongs to.
    pub project: ProjectId,
    /// Its source.
    pub kind: FeedbackKind,
    /// The free texts, joined by blank lines; empty if there is only a score.
    pub text: String,
    /// The score, if one was given, on the question's own scale.
    pub score: Option<f64>,
    /// The maximum of that scale (10 for NPS, 5 for CSAT, …).
    pub score_max: Option<f64>,
    /// The person who gave it.
    pub contact: Option<ContactId>,
    /// The survey it answers.
    pub survey: Option<SurveyId>,
    /// The response it belongs to.
    pub response: Option<ResponseId>,
    /// The page it was given on.
    pub page_url: Option<String>,
    /// The release it is about.
    pub release: Option<String>,
    /// The environment it was given in.
    pub environment: Option<String>,
    /// BCP 47 primary language, detected or given.
    pub language: String,
    /// The triage status.
    pub status: FeedbackStatus,
    /// The person it is assigned to.
    pub assignee: Option<StaffId>,
    /// Tags, sorted.
    pub tags: Vec<String>,
    /// Reasons why it was suspected to be spam; retained after a person marks it as not spam.
    pub spam_reasons: Vec<String>,
    /// Submission time.
    pub created_at: Timestamp,
    /// Time of the last change.
    pub updated_at: Timestamp,
    /// Incremented by each change; a write names the version it is based on.
    pub version: i64,
}

/// A record before it is stored: what its source knows.
#[derive(Debug, Clone, PartialEq)]
pub struct NewFeedback {
    /// Its source.
    pub kind: FeedbackKind,
    /// See [`Feedback::text`].
    pub text: String,
    /// See [`Feedback::score`].
    pub score: Option<f64>,
    /// See [`Feedback::score_max`].
    pub score_max: Option<f64>,
    /// The person who gave it.
    pub contact: Option<ContactId>,
    /// The survey it answers.
    pub survey: Option<SurveyId>,
    /// The response it belongs to.
    pub response: Option<ResponseId>,
    /// The page it was given on.
    pub page_url: Option<String>,
    /// The release it is about.
    pub release: Option<String>,
    /// The environment it was given in.
    pub environment: Option<String>,
    /// See [`Feedback::language`].
    pub language: String,
    /// The triage status.
    pub status: FeedbackStatus,
    /// Tags, sorted.
    pub tags: Vec<String>,
    /// Reasons why it is suspected to be spam.
    pub spam_reasons: Vec<String>,
    /// When it was given.
    pub created_at: Timestamp,
}

impl NewFeedback {
    /// The record that this becomes at `now`.
    #[must_use]
    pub fn stored(self, id: FeedbackId, project: ProjectId, now: Timestamp) -> Feedback {
        Feedback {
            id,
            project,
            kind: self.kind,
            text: self.text,
            score: self.score,
            score_max: self.score_max,
            contact: self.contact,
            survey: self.survey,
            response: self.response,
            page_url: self.page_url,
            release: self.release,
            environment: self.environment,
            language: self.language,
            status: self.status,
            assignee: None,
            tags: self.tags,
            spam_reasons: self.spam_reasons,
            created_at: self.created_at,
            updated_at: now,
            version: 1,
        }
    }
}

/// Maximum comment length, in characters.
pub const MAX_COMMENT: usize = 10_000;
/// Longest tag, in characters.
pub const MAX_TAG: usize = 60;

/// Normal form of a tag: trimmed, lower case, inner white space replaced by single hyphens; `None` if empty or too long.
#[must_use]
pub fn normalize_tag(text: &str) -> Option<String> {
    let tag = text.split_whitespace().collect::<Vec<_>>().join("-").to_lowercase();
    let fits = !tag.is_empty() && tag.chars().count() <= MAX_TAG && tag.chars().all(|c| !c.is_control() && !matches!(c, '"' | ',' | ':'));
    fits.then_some(tag)
}

/// The rules for tags, as an error message.
#[must_use]
pub fn tag_rule() -> String {
    format!("Tags can be up to {MAX_TAG} characters, without commas, colons or quotation marks.")
}
