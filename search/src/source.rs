//! The source of the index: the database's change sequence, and the documents behind it.

use async_trait::async_trait;
use domain::{
    feedback::Feedback,
    ids::{FeedbackId, ProjectId, StaffId, SurveyId},
    tickets::Priority,
};
use tokio::sync::watch;

use crate::Result;

/// A place in the change sequence. On PostgreSQL changes are ordered by transaction first, for a sequence number alone can become
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
    /// Where.
    pub at: ChangePosition,
    /// Whose.
    pub project: ProjectId,
    /// What changed.
    pub feedback: FeedbackId,
    /// Whether it is new with this.
    pub made: bool,
}

/// What the index holds about one record.
#[derive(Debug, Clone)]
pub struct IndexDocument {
    /// The record.
    pub feedback: Feedback,
    /// Linked to the backlog.
    pub linked: bool,
    /// Has a comment of the team.
    pub commented: bool,
    /// Name and e-mail address of the contact, to be found by.
    pub contact: String,
    /// Whether anything is known of the contact: an anonymous one counts as none.
    pub known: bool,
    /// Of a ticket: its number, to be found by, and how urgent it is.
    pub ticket: Option<(i64, Priority)>,
}

/// Where the index gets its documents from.
#[async_trait]
pub trait DocumentSource: Send + Sync + 'static {
    /// Changes after a place, in order, leaving out what may still be overtaken by a running transaction.
    async fn changes(&self, after: ChangePosition, limit: usize) -> Result<Vec<IndexChange>>;
    /// Makes sure that the change sequence is in order, at the start; it may not be after the database was moved.
    async fn mend(&self) -> Result<()>;
    /// The last place anyone has committed.
    async fn head(&self) -> Result<ChangePosition>;
    /// The place before which changes were removed; who has not come so far must start over.
    async fn beginning(&self) -> Result<ChangePosition>;
    /// Which record the change at a place is about; `None` when there is none there, or no more.
    async fn change_at(&self, at: ChangePosition) -> Result<Option<FeedbackId>>;
    /// The last place before which nothing can appear any more.
    async fn settled(&self) -> Result<ChangePosition>;
    /// The records that changes in a row are about, as they were after the last of them or later; those that are gone are left out.
    async fn documents(&self, changes: &[IndexChange]) -> Result<Vec<IndexDocument>>;
    /// Records in the order of their ids, after one.
    async fn documents_after(&self, after: Option<FeedbackId>, limit: usize) -> Result<Vec<IndexDocument>>;
    /// How many records there are.
    async fn count(&self) -> Result<usize>;
    /// The member with an e-mail address.
    async fn member(&self, project: ProjectId, email: &str) -> Result<Option<StaffId>>;
    /// The project's surveys with a name.
    async fn surveys(&self, project: ProjectId, name: &str) -> Result<Vec<SurveyId>>;
    /// Wakes when this process committed changes.
    fn wake(&self) -> watch::Receiver<u64>;
}
