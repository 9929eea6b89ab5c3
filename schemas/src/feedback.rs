//! Feedback, and the person who gave it.

use std::collections::BTreeMap;

use domain::feedback;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::LinkedItem;

/// An item of feedback.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Feedback {
    id: Uuid,
    /// Its source: `survey_response`, `ticket`, `idea`, `usability`, `api` or `import`.
    #[schema(example = "api")]
    kind: &'static str,
    /// The text; empty if there is only a score.
    text: String,
    /// The score, if one was given.
    score: Option<Score>,
    /// `new`, `triaged`, `linked`, `resolved` or `spam`.
    #[schema(example = "new")]
    status: &'static str,
    /// The assignee.
    assignee_id: Option<Uuid>,
    tags: Vec<String>,
    /// The person who gave it; null if nothing is known of them.
    contact_id: Option<Uuid>,
    survey_id: Option<Uuid>,
    response_id: Option<Uuid>,
    page_url: Option<String>,
    release: Option<String>,
    environment: Option<String>,
    /// BCP 47.
    #[schema(example = "en")]
    language: String,
    /// Why it is suspected to be spam.
    spam_reasons: Vec<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    /// Increases with each change.
    version: i64,
}

impl From<feedback::Feedback> for Feedback {
    fn from(item: feedback::Feedback) -> Self {
        Self {
            id: item.id.0,
            kind: item.kind.as_str(),
            text: item.text,
            score: item.score.zip(item.score_max).map(|(value, max)| Score { value, max }),
            status: item.status.as_str(),
            assignee_id: item.assignee.map(|staff| staff.0),
            tags: item.tags,
            contact_id: item.contact.map(|contact| contact.0),
            survey_id: item.survey.map(|survey| survey.0),
            response_id: item.response.map(|response| response.0),
            page_url: item.page_url,
            release: item.release,
            environment: item.environment,
            language: item.language,
            spam_reasons: item.spam_reasons,
            created_at: item.created_at.rfc3339(),
            updated_at: item.updated_at.rfc3339(),
            version: item.version,
        }
    }
}

/// An item of feedback with its contact.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FeedbackWithContact {
    #[serde(flatten)]
    feedback: Feedback,
    /// Your own ID for it, if it was added or imported with one.
    external_id: Option<String>,
    /// The person who gave it, if known.
    contact: Option<Contact>,
}

impl FeedbackWithContact {
    /// Returns an item with the person who gave it.
    #[must_use]
    pub fn new(feedback: feedback::Feedback, external_id: Option<String>, contact: Option<Contact>) -> Self {
        Self { feedback: feedback.into(), external_id, contact }
    }
}

/// An item of feedback with its contact and links.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FeedbackDetail {
    #[serde(flatten)]
    feedback: FeedbackWithContact,
    /// The linked backlog items.
    links: Vec<LinkedItem>,
}

impl FeedbackDetail {
    /// Returns an item with what belongs to it; the links oldest first.
    #[must_use]
    pub fn new(feedback: FeedbackWithContact, links: Vec<LinkedItem>) -> Self {
        Self { feedback, links }
    }

    /// Returns the version of the feedback.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.feedback.feedback.version
    }
}

/// A score on its scale.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct Score {
    /// From 0 to `max`.
    #[schema(minimum = 0, maximum = 100, example = 9)]
    value: f64,
    /// The maximum of the scale: 10 for NPS, 5 for satisfaction.
    #[schema(minimum = 1, maximum = 100, example = 10)]
    max: f64,
}

/// The person who gave the feedback.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Contact {
    /// Your own ID for the person.
    pub id: Option<String>,
    /// Their e-mail address.
    pub email: Option<String>,
    /// Their name.
    pub name: Option<String>,
    /// Additional properties.
    #[schema(value_type = Attributes)]
    pub attributes: BTreeMap<String, Value>,
    /// Which of these are verified by a signed claim or by your team: any of `id`, `email`, `name`, `attributes`.
    pub verified: Vec<&'static str>,
    /// Trust level of the identity claim of this feedback: `verified` (signed by your server), `team` (API or import), `unsigned`, or `expired`
    /// or `wrong` for an invalid signature.
    #[schema(example = "verified")]
    pub identity: &'static str,
    /// Details of an unverified claim that differ. They are stored with this feedback and do not change the contact.
    #[schema(value_type = Option<ClaimedContactSchema>)]
    pub claimed: Option<BTreeMap<String, Value>>,
}

/// Additional properties of a person.
#[derive(ToSchema)]
#[expect(dead_code, reason = "a name in the document")]
struct Attributes(BTreeMap<String, Attribute>);

/// The value of an additional property.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "a name in the document")]
enum Attribute {
    Text(String),
    Number(f64),
    Boolean(bool),
}

/// What an unverified claim says of a person.
#[derive(ToSchema)]
#[schema(as = ClaimedContact)]
#[expect(dead_code, reason = "a name in the document")]
struct ClaimedContactSchema {
    #[schema(nullable = false)]
    id: Option<String>,
    #[schema(nullable = false)]
    email: Option<String>,
    #[schema(nullable = false)]
    name: Option<String>,
    #[schema(nullable = false)]
    attributes: Option<Attributes>,
}
