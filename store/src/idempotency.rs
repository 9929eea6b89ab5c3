//! Idempotent writes: a key, and the fingerprint of its content.
//!
//! A key alone does not identify its content: a form reopened with the browser's Back button carries the key of its earlier submission, and
//! a stranger may know a key. So each key is stored with a fingerprint of its content. The same key with the same content is a retry and
//! gets the first outcome; for other content see `KeyReusePolicy`.

use std::fmt;

use domain::{
    DomainError as Refusal, Timestamp,
    ids::{ActorId, ApiKeyId, ProjectId, StaffId, SurveyId, TicketId},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Tx;
use crate::{
    error::Result,
    hash::{encode_hash, hash_token},
};

/// SHA-256 of a submission, URL-safe. It covers what a person or program submits, files included; never the server's time or ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Returns the fingerprint of content in parts, in order. It includes each part's length, so that no two lists of parts give the same
    /// text.
    pub fn of<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            let part = part.as_ref();
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        Self(encode_hash(&hash.finalize()))
    }

    /// Returns the fingerprint combined with the submitting page, whose name is known only to the person who opened it.
    #[must_use]
    pub fn from_page(self, page: &str) -> Self {
        Self(format!("{}.{}", self.0, hash_token(page).get(..22).unwrap_or_default()))
    }

    /// The stored form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether a stored fingerprint is of the same content. Keys stored before fingerprints were introduced match any content.
    pub(super) fn matches(&self, stored: &str) -> bool {
        stored.is_empty() || stored == self.0
    }

    /// Returns whether both were submitted from the same page.
    pub(super) fn shares_page(&self, stored: &str) -> bool {
        let page = |text: &str| text.split_once('.').map(|(_, page)| page.to_owned());
        page(&self.0).is_some_and(|own| page(stored) == Some(own))
    }

    /// Returns the key for writing this content when `key` already belongs to other content.
    #[must_use]
    pub fn derived_key(&self, key: &str) -> String {
        hash_token(&format!("{key}\n{}", self.0))
    }
}

/// Handling of a used key with other content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyReusePolicy {
    /// A separate act, written under its own key: a person went back and submitted a form again.
    NewAct,
    /// An error of the client program.
    Refuse,
}

/// The namespace of a key: whose action it is, and of which kind. All outcomes in one scope have the same type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdempotencyScope {
    /// Write requests with an API key.
    ApiRequest(ApiKeyId),
    /// Imports that an API key starts.
    ApiImport(ApiKeyId),
    /// API keys that a person creates.
    ApiKeyOfPerson(StaffId),
    /// API keys that the command line creates in a project.
    ApiKeyOfProject(ProjectId),
    /// Backlog items of a project.
    BacklogItem(ProjectId),
    /// Backlog items created from feedback.
    BacklogItemFrom(ProjectId),
    /// Canned replies of a project.
    CannedReply(ProjectId),
    /// Comments of an actor.
    Comment(ActorId),
    /// Feedback that programs add to a project.
    Feedback(ProjectId),
    /// Secrets of a project for signing identities.
    IdentitySecret(ProjectId),
    /// Imports of a project.
    Import(ProjectId),
    /// Invitations by an actor.
    Invitation(ActorId),
    /// Projects that a person creates.
    Project(StaffId),
    /// Responses to a survey.
    Response(SurveyId),
    /// Surveys of a project.
    Survey(ProjectId),
    /// Edits of a survey's draft.
    SurveyEdit(SurveyId),
    /// Tickets of a project.
    Ticket(ProjectId),
    /// A requester's messages in a ticket.
    TicketAnswer(TicketId),
    /// New links to a ticket.
    TicketLink(TicketId),
    /// Internal notes on a ticket.
    TicketNote(TicketId),
    /// The team's replies in a ticket.
    TicketReply(TicketId),
    /// Webhooks of a project.
    Webhook(ProjectId),
    /// Repeated deliveries of a project's webhooks.
    WebhookRetry(ProjectId),
    /// New secrets of a project's webhooks.
    WebhookRotation(ProjectId),
    /// Test events of a project's webhooks.
    WebhookTest(ProjectId),
    /// Password resets of the address with this hash.
    PasswordReset(String),
    /// Publications of a survey's draft at this revision.
    SurveyPublication(SurveyId, i64),
}

/// The stored form. Keys outlive an update of the program, so it never changes.
impl fmt::Display for IdempotencyScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiRequest(id) => write!(f, "api:{id}"),
            Self::ApiImport(id) => write!(f, "api-import:{id}"),
            Self::ApiKeyOfPerson(id) => write!(f, "key:{id}"),
            Self::ApiKeyOfProject(id) => write!(f, "key:{id}"),
            Self::BacklogItem(id) => write!(f, "backlog:{id}"),
            Self::BacklogItemFrom(id) => write!(f, "backlog-from:{id}"),
            Self::CannedReply(id) => write!(f, "reply:{id}"),
            Self::Comment(id) => write!(f, "comment:{id}"),
            Self::Feedback(id) => write!(f, "feedback:{id}"),
            Self::IdentitySecret(id) => write!(f, "identity:{id}"),
            Self::Import(id) => write!(f, "imports:{id}"),
            Self::Invitation(id) => write!(f, "invite:{id}"),
            Self::Project(id) => write!(f, "project:{id}"),
            Self::Response(id) => write!(f, "respond {id}"),
            Self::Survey(id) => write!(f, "survey-create:{id}"),
            Self::SurveyEdit(id) => write!(f, "survey-edit:{id}"),
            Self::Ticket(id) => write!(f, "ticket:{id}"),
            Self::TicketAnswer(id) => write!(f, "ticket-answer:{id}"),
            Self::TicketLink(id) => write!(f, "ticket-link:{id}"),
            Self::TicketNote(id) => write!(f, "ticket-note:{id}"),
            Self::TicketReply(id) => write!(f, "ticket-reply:{id}"),
            Self::Webhook(id) => write!(f, "webhook:{id}"),
            Self::WebhookRetry(id) => write!(f, "webhook-again:{id}"),
            Self::WebhookRotation(id) => write!(f, "webhook-rotate:{id}"),
            Self::WebhookTest(id) => write!(f, "webhook-test:{id}"),
            Self::PasswordReset(hash) => f.write_str(hash),
            Self::SurveyPublication(id, revision) => write!(f, "survey-publish:{id}:{revision}"),
        }
    }
}

/// A key in its scope.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScopedKey {
    /// The stored form of its [`IdempotencyScope`].
    pub(super) scope: String,
    /// The key.
    pub key: String,
}

impl ScopedKey {
    /// Creates the key of an act in a scope.
    pub fn new(scope: &IdempotencyScope, key: impl Into<String>) -> Self {
        Self { scope: scope.to_string(), key: key.into() }
    }
}

/// An act written at most once: its key and the fingerprint of its content.
#[derive(Debug, Clone)]
pub struct IdempotentWrite {
    pub(super) place: ScopedKey,
    pub(super) fingerprint: Fingerprint,
    reuse: KeyReusePolicy,
}

impl IdempotentWrite {
    /// Creates an act from a person's form. The same key with other content is a separate act, and retries of it are recognized too.
    pub fn form(scope: &IdempotencyScope, key: impl Into<String>, fingerprint: Fingerprint) -> Self {
        Self { place: ScopedKey::new(scope, key), fingerprint, reuse: KeyReusePolicy::NewAct }
    }

    /// Creates an act of a program. The same key with other content is refused with [`Refusal::KeyReused`].
    pub fn program(scope: &IdempotencyScope, key: impl Into<String>, fingerprint: Fingerprint) -> Self {
        Self { place: ScopedKey::new(scope, key), fingerprint, reuse: KeyReusePolicy::Refuse }
    }
}

/// The outcome of an act written at most once, and whether this call wrote it: some things, such as a secret, are shown only then. Stored as
/// the value alone, so that a retry reads `is_first: false`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FirstOutcome<T> {
    /// The outcome.
    pub value: T,
    /// Whether this call wrote it.
    #[serde(skip)]
    pub is_first: bool,
}

impl<T> FirstOutcome<T> {
    /// Creates the outcome inside the transaction that writes it.
    #[must_use]
    pub fn of(value: T) -> Self {
        Self { value, is_first: true }
    }
}

impl Tx<'_> {
    /// Claims the key of an act for this transaction, or returns its stored outcome. A concurrent duplicate waits for this transaction
    /// instead of repeating the work. If the key of a person's form belongs to other content, claims a derived key and stores it in `once`.
    ///
    /// # Errors
    /// [`Refusal::KeyReused`] if a program's key belongs to other content; also when the database fails.
    pub(super) async fn claim(&mut self, once: &mut IdempotentWrite, now: Timestamp) -> Result<Option<String>> {
        loop {
            let claimed = sqlx::query(
                "INSERT INTO idempotency (scope, key, outcome, created_at, fingerprint) VALUES ($1, $2, '', $3, $4) ON CONFLICT DO NOTHING",
            )
            .bind(once.place.scope.clone())
            .bind(once.place.key.clone())
            .bind(now.0)
            .bind(once.fingerprint.0.clone())
            .execute(self.conn())
            .await?
            .rows_affected();
            if claimed > 0 {
                return Ok(None);
            }
            let row: Option<(String, String)> =
                sqlx::query_as("SELECT outcome, fingerprint FROM idempotency WHERE scope = $1 AND key = $2")
                    .bind(once.place.scope.clone())
                    .bind(once.place.key.clone())
                    .fetch_optional(self.conn())
                    .await?;
            // The key was purged in between and is free again.
            let Some((outcome, stored)) = row else { continue };
            if once.fingerprint.matches(&stored) {
                return Ok(Some(outcome));
            }
            if once.reuse == KeyReusePolicy::Refuse {
                return Err(Refusal::KeyReused.into());
            }
            once.place.key = once.fingerprint.derived_key(&once.place.key);
            once.reuse = KeyReusePolicy::Refuse;
        }
    }

    /// Replaces the outcome stored by [`super::Store::write_idempotent`].
    ///
    /// # Errors
    /// When the database fails.
    pub async fn replace_outcome(&mut self, place: &ScopedKey, outcome: &str) -> Result<()> {
        sqlx::query("UPDATE idempotency SET outcome = $3 WHERE scope = $1 AND key = $2")
            .bind(place.scope.clone())
            .bind(place.key.clone())
            .bind(outcome.to_owned())
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Frees a key, so that a retry can do its work.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_key(&mut self, place: &ScopedKey) -> Result<()> {
        sqlx::query("DELETE FROM idempotency WHERE scope = $1 AND key = $2")
            .bind(place.scope.clone())
            .bind(place.key.clone())
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Frees the keys in a scope with this outcome, as JSON, whose act was taken back.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_outcome(&mut self, scope: &IdempotencyScope, outcome: &str) -> Result<()> {
        sqlx::query("DELETE FROM idempotency WHERE scope = $1 AND outcome = $2")
            .bind(scope.to_string())
            .bind(outcome.to_owned())
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Replaces the fingerprint of a key, after its record was changed to other content.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn replace_fingerprint(&mut self, place: &ScopedKey, fingerprint: &Fingerprint) -> Result<()> {
        sqlx::query("UPDATE idempotency SET fingerprint = $3 WHERE scope = $1 AND key = $2")
            .bind(place.scope.clone())
            .bind(place.key.clone())
            .bind(fingerprint.0.clone())
            .execute(self.conn())
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_call_knows_that_it_was_first() {
        let first = FirstOutcome::of(("id".to_owned(), true));
        let stored = serde_json::to_string(&first).unwrap();
        assert_eq!(stored, r#"["id",true]"#);
        let again: FirstOutcome<(String, bool)> = serde_json::from_str(&stored).unwrap();
        assert_eq!((first.is_first, again.is_first, again.value), (true, false, first.value));
    }

    #[test]
    fn stored_scopes_keep_their_form() {
        let id = uuid::Uuid::from_u128(7);
        for (scope, stored) in [
            (IdempotencyScope::ApiRequest(ApiKeyId(id)), format!("api:{id}")),
            (IdempotencyScope::ApiImport(ApiKeyId(id)), format!("api-import:{id}")),
            (IdempotencyScope::ApiKeyOfPerson(StaffId(id)), format!("key:{id}")),
            (IdempotencyScope::ApiKeyOfProject(ProjectId(id)), format!("key:{id}")),
            (IdempotencyScope::BacklogItem(ProjectId(id)), format!("backlog:{id}")),
            (IdempotencyScope::BacklogItemFrom(ProjectId(id)), format!("backlog-from:{id}")),
            (IdempotencyScope::CannedReply(ProjectId(id)), format!("reply:{id}")),
            (IdempotencyScope::Comment(ActorId(id)), format!("comment:{id}")),
            (IdempotencyScope::Feedback(ProjectId(id)), format!("feedback:{id}")),
            (IdempotencyScope::IdentitySecret(ProjectId(id)), format!("identity:{id}")),
            (IdempotencyScope::Import(ProjectId(id)), format!("imports:{id}")),
            (IdempotencyScope::Invitation(ActorId(id)), format!("invite:{id}")),
            (IdempotencyScope::Project(StaffId(id)), format!("project:{id}")),
            (IdempotencyScope::Response(SurveyId(id)), format!("respond {id}")),
            (IdempotencyScope::Survey(ProjectId(id)), format!("survey-create:{id}")),
            (IdempotencyScope::SurveyEdit(SurveyId(id)), format!("survey-edit:{id}")),
            (IdempotencyScope::Ticket(ProjectId(id)), format!("ticket:{id}")),
            (IdempotencyScope::TicketAnswer(TicketId(id)), format!("ticket-answer:{id}")),
            (IdempotencyScope::TicketLink(TicketId(id)), format!("ticket-link:{id}")),
            (IdempotencyScope::TicketNote(TicketId(id)), format!("ticket-note:{id}")),
            (IdempotencyScope::TicketReply(TicketId(id)), format!("ticket-reply:{id}")),
            (IdempotencyScope::Webhook(ProjectId(id)), format!("webhook:{id}")),
            (IdempotencyScope::WebhookRetry(ProjectId(id)), format!("webhook-again:{id}")),
            (IdempotencyScope::WebhookRotation(ProjectId(id)), format!("webhook-rotate:{id}")),
            (IdempotencyScope::WebhookTest(ProjectId(id)), format!("webhook-test:{id}")),
            (IdempotencyScope::PasswordReset("hash".into()), "hash".to_owned()),
            (IdempotencyScope::SurveyPublication(SurveyId(id), 3), format!("survey-publish:{id}:3")),
        ] {
            assert_eq!(scope.to_string(), stored);
        }
    }

    #[test]
    fn parts_are_not_joined() {
        assert_ne!(Fingerprint::of(["ab", "c"]), Fingerprint::of(["a", "bc"]));
        assert_ne!(Fingerprint::of(["a", ""]), Fingerprint::of(["a"]));
        assert_eq!(Fingerprint::of(["a", "b"]), Fingerprint::of([b"a".to_vec(), b"b".to_vec()]));
        assert_eq!(Fingerprint::of(["a"]).as_str().len(), 43);
    }

    #[test]
    fn old_keys_stand_for_any_content_and_pages_are_told_apart() {
        let (one, other) = (Fingerprint::of(["a"]), Fingerprint::of(["b"]));
        assert!(one.matches("") && one.matches(one.as_str()) && !one.matches(other.as_str()));
        let here = |f: &Fingerprint, page: &str| f.clone().from_page(page);
        assert!(here(&one, "p").shares_page(here(&other, "p").as_str()));
        assert!(!here(&one, "p").matches(here(&one, "q").as_str()) && !here(&one, "p").shares_page(here(&one, "q").as_str()));
        assert!(!one.shares_page(other.as_str()) && !one.shares_page("") && !here(&one, "p").shares_page(one.as_str()));
        assert_ne!(one.derived_key("key"), other.derived_key("key"));
    }
}
