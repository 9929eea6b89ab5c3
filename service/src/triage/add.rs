//! Feedback added by programs.

use domain::{
    DomainError as Refusal, FieldErrors, Timestamp,
    accounts::{Role, Scope},
    feedback::{self, FeedbackKind, FeedbackStatus, NewFeedback},
    history::HistoryChange,
    ids::FeedbackId,
    imports::MAX_TEXT,
    responses::ClaimedContact,
    text::{limit, multiline},
};
use search::language;
use store::{Fingerprint, IdempotencyScope, IdempotentWrite};

use crate::{error::Result, state::App};

/// Maximum tags of an item at creation.
pub const MAX_TAGS: usize = 20;

/// A new piece of feedback.
#[derive(Debug, Clone, Default)]
pub struct FeedbackInput {
    /// The text.
    pub text: String,
    /// The score and the top of its scale.
    pub score: Option<(f64, f64)>,
    /// The author.
    pub person: Option<ClaimedContact>,
    /// The page it was written on.
    pub page_url: Option<String>,
    /// The release it is about.
    pub release: Option<String>,
    /// The environment.
    pub environment: Option<String>,
    /// BCP 47 code; detected from the text when omitted.
    pub language: Option<String>,
    /// The tags, as typed.
    pub tags: Vec<String>,
    /// When it was written; the current time when omitted.
    pub created_at: Option<Timestamp>,
    /// The calling program's id for it: one record for each in a project, imported ones included.
    pub external_id: Option<String>,
}

impl FeedbackInput {
    /// Returns the fingerprint of all input, with text and tags as stored.
    fn fingerprint(&self, text: &str, tags: &[String]) -> Fingerprint {
        let person = self.person.as_ref();
        let score = self.score.map(|(value, max)| format!("{value} of {max}"));
        let created_at = self.created_at.map(Timestamp::rfc3339);
        let optional = [
            score.as_deref(),
            person.and_then(|p| p.external_id.as_deref()),
            person.and_then(|p| p.email.as_deref()),
            person.and_then(|p| p.name.as_deref()),
            person.and_then(|p| p.attributes.as_deref()),
            self.page_url.as_deref(),
            self.release.as_deref(),
            self.environment.as_deref(),
            self.language.as_deref(),
            created_at.as_deref(),
            self.external_id.as_deref(),
        ];
        let optional = optional.into_iter().map(Option::unwrap_or_default);
        Fingerprint::of(std::iter::once(text).chain(optional).chain(tags.iter().map(String::as_str)))
    }
}

/// Parses tags as typed; invalid ones are reported at `tags/{n}`.
pub fn tags(typed: &[String]) -> Result<Vec<String>, FieldErrors> {
    let mut errors = FieldErrors::default();
    let mut tags = Vec::with_capacity(typed.len());
    for (at, text) in typed.iter().enumerate() {
        // Input from programs is taken literally: a tag that is too long is not shortened.
        let is_plain = text.chars().count() <= feedback::MAX_TAG && !text.chars().any(char::is_control);
        match feedback::normalize_tag(text).filter(|_| is_plain) {
            Some(tag) => tags.push(tag),
            None => errors.add(&format!("tags/{at}"), "tag", feedback::tag_rule()),
        }
    }
    if typed.len() > MAX_TAGS {
        errors.add("tags", "too_many", format!("Use at most {MAX_TAGS} tags."));
    }
    tags.sort();
    tags.dedup();
    if errors.is_empty() { Ok(tags) } else { Err(errors) }
}

/// Returns the source key of a record with an external id; imports use the same key, so that a record added one way is not added again
/// the other way.
#[must_use]
pub fn source_key(external_id: &str) -> String {
    format!("id:{external_id}")
}

/// Adds feedback, once for each `key`.
///
/// # Errors
/// A role too low; a message for each invalid field.
pub async fn add(app: &App, scope: &Scope, key: &str, new: FeedbackInput) -> Result<FeedbackId> {
    scope.require(Role::Triager)?;
    let mut errors = FieldErrors::default();
    let text = multiline(&new.text);
    if text.is_empty() && new.score.is_none() {
        errors.add("text", "required", "Provide a text or a score.");
    }
    limit(&mut errors, "text", &text, MAX_TEXT);
    if new.score.is_some_and(|(value, max)| !(0.0..=max).contains(&value)) {
        errors.add("score/value", "range", "The score must be between 0 and the scale maximum.");
    }
    if new.created_at.is_some_and(|at| at > app.now().plus_days(1)) {
        errors.add("created_at", "future", "This is in the future. Provide the time at which the person said it, or omit it.");
    }
    let tags = match tags(&new.tags) {
        Ok(tags) => tags,
        Err(more) => {
            errors.0.extend(more.0);
            Vec::new()
        }
    };
    errors.into_result(())?;
    let content = new.fingerprint(&text, &tags);
    let project = app.store.project_by_id(scope.project()).await?.ok_or(Refusal::NotFound)?;
    let context = app.context(scope);
    let now = context.now;
    let mut feedback = NewFeedback {
        kind: FeedbackKind::Api,
        language: new.language.unwrap_or_else(|| language::detect(&text, &project.language)),
        text,
        score: new.score.map(|(value, _)| value),
        score_max: new.score.map(|(_, max)| max),
        contact: None,
        survey: None,
        response: None,
        page_url: new.page_url.map(|address| project.sanitize_page_url(&address)),
        release: new.release,
        environment: new.environment,
        status: FeedbackStatus::New,
        tags,
        spam_reasons: Vec::new(),
        created_at: new.created_at.map_or(now, |at| at.min(now)),
    };
    let person = new.person;
    let source_key = new.external_id.as_deref().map(source_key);
    let once = IdempotentWrite::program(&IdempotencyScope::Feedback(project.id), key, content);
    app.store
        .act_once(context, once, move |act| {
            Box::pin(async move {
                if let Some(person) = person {
                    feedback.contact = Some(act.resolve_contact(&person).await?);
                }
                let feedback = act.add_feedback(feedback, source_key.as_deref()).await?.ok_or_else(|| {
                    let text = "Feedback with this external_id already exists. Change it, or use another ID.";
                    Refusal::field("external_id", "taken", text)
                })?;
                act.record(feedback.id, &HistoryChange::Created).await?;
                Ok(feedback.id)
            })
        })
        .await
}
