//! The source of the index: the database's change sequence, and the documents it refers to.

use async_trait::async_trait;
use domain::{
    accounts::Scope,
    feedback::Feedback,
    ids::{FeedbackId, ProjectId},
    tickets::Priority,
    triage::{FeedbackFacts, ProjectNames, TriageQuery},
};
use tokio::sync::watch;

use crate::Result;

/// A position in the change sequence. On PostgreSQL changes are ordered by transaction first, because a sequence number alone can become
/// visible after a higher one; on SQLite `tx` is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangePosition {
    /// The writing transaction.
    pub tx: i64,
    /// The sequence number.
    pub seq: i64,
}

/// One entry of the change sequence.
#[derive(Debug, Clone, Copy)]
pub struct IndexChange {
    /// Its position.
    pub at: ChangePosition,
    /// The project.
    pub project: ProjectId,
    /// The record that changed.
    pub feedback: FeedbackId,
    /// Whether the change created the record.
    pub made: bool,
}

/// The indexed data of one record.
#[derive(Debug, Clone)]
pub struct IndexDocument {
    /// The record.
    pub feedback: Feedback,
    /// Whether it is linked to the backlog.
    pub linked: bool,
    /// Whether it has a team comment.
    pub commented: bool,
    /// Searchable name and e-mail address of the contact.
    pub contact: String,
    /// Whether any detail of the contact is known: an anonymous one counts as none.
    pub known: bool,
    /// For a ticket: its number, which is searchable, and its priority.
    pub ticket: Option<(i64, Priority)>,
}

impl IndexDocument {
    /// The record's facts, as the fields of a query see them.
    #[must_use]
    pub fn facts(&self) -> FeedbackFacts<'_> {
        FeedbackFacts {
            feedback: &self.feedback,
            priority: self.ticket.map(|(_, priority)| priority),
            linked: self.linked,
            commented: self.commented,
            contact_known: self.known,
        }
    }
}

/// The source of the index's documents.
#[async_trait]
pub trait DocumentSource: Send + Sync + 'static {
    /// Changes after a position, in order, without those that a running transaction may still precede.
    async fn changes(&self, after: ChangePosition, limit: usize) -> Result<Vec<IndexChange>>;
    /// Checks at start that the change sequence is in order, and repairs it; it may not be after the database was moved.
    async fn mend(&self) -> Result<()>;
    /// The latest committed position.
    async fn head(&self) -> Result<ChangePosition>;
    /// The position before which changes were removed; a reader that has not reached it must start over.
    async fn beginning(&self) -> Result<ChangePosition>;
    /// The record that the change at a position is about; `None` if there is no such change, or no longer.
    async fn change_at(&self, at: ChangePosition) -> Result<Option<FeedbackId>>;
    /// The last position before which no new change can appear.
    async fn settled(&self) -> Result<ChangePosition>;
    /// The records that consecutive changes are about, in their state after the last of them or later; deleted ones are left out.
    async fn documents(&self, changes: &[IndexChange]) -> Result<Vec<IndexDocument>>;
    /// Records in the order of their ids, after a given one.
    async fn documents_after(&self, after: Option<FeedbackId>, limit: usize) -> Result<Vec<IndexDocument>>;
    /// The number of records.
    async fn count(&self) -> Result<usize>;
    /// The names in the scope's project that a query can use for ids.
    async fn names(&self, scope: &Scope, query: &TriageQuery) -> Result<ProjectNames>;
    /// Notifies after this process has committed changes.
    fn wake(&self) -> watch::Receiver<u64>;
}
