//! The tantivy index that follows the change sequence. tantivy's types stay in here.
//!
//! The index is a cache of the database: it may be deleted at any time and builds itself again while the program serves. It
//! knows nothing of SQL: whoever opens it gives it a [`Source`]. Each commit of the index carries the place in the change
//! sequence that it holds, so a crash between the two repeats work and never skips any.

mod highlight;
pub mod text;

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use domain::{
    Clock,
    accounts::Scope,
    feedback::Feedback,
    ids::{FeedbackId, ProjectId, StaffId, SurveyId},
    triage::{Field, TriageQuery},
};
use tokio::sync::{broadcast, watch};

use crate::error::Result;
pub use highlight::{Snippet, highlight, snippet};

/// A place in the change sequence. On PostgreSQL changes are ordered by transaction first, for a sequence number alone can become
/// visible after a higher one; on SQLite `tx` is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The writing transaction.
    pub tx: i64,
    /// The sequence number.
    pub seq: i64,
}

/// One entry of the change sequence.
#[derive(Debug, Clone, Copy)]
pub struct Change {
    /// Where.
    pub at: Position,
    /// Whose.
    pub project: ProjectId,
    /// What changed.
    pub feedback: FeedbackId,
}

/// What the index holds about one record.
#[derive(Debug, Clone)]
pub struct Document {
    /// The record.
    pub feedback: Feedback,
    /// Linked to the backlog.
    pub linked: bool,
    /// Has a comment of the team.
    pub commented: bool,
    /// Name and e-mail address of the contact, to be found by.
    pub contact: String,
}

/// Where the index gets its documents from.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// Changes after a place, in order, leaving out what may still be overtaken by a running transaction.
    async fn changes(&self, after: Position, limit: usize) -> Result<Vec<Change>>;
    /// The last place anybody has committed.
    async fn head(&self) -> Result<Position>;
    /// The last place before which nothing can appear any more.
    async fn settled(&self) -> Result<Position>;
    /// The records with these ids as they are now; those that are gone are left out.
    async fn documents(&self, ids: &[FeedbackId]) -> Result<Vec<Document>>;
    /// Records in the order of their ids, after one.
    async fn documents_after(&self, after: Option<FeedbackId>, limit: usize) -> Result<Vec<Document>>;
    /// How many records there are.
    async fn count(&self) -> Result<usize>;
    /// The member with an e-mail address.
    async fn member(&self, project: ProjectId, email: &str) -> Result<Option<StaffId>>;
    /// The project's surveys with a name.
    async fn surveys(&self, project: ProjectId, name: &str) -> Result<Vec<SurveyId>>;
    /// Wakes when this process committed changes.
    fn wake(&self) -> watch::Receiver<u64>;
}

/// In which order results come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// Best first; newest first when no words are asked for.
    #[default]
    Relevance,
    /// Newest first.
    Newest,
    /// Oldest first.
    Oldest,
}

impl Sort {
    /// All of them, in the order they are shown.
    pub const ALL: [Self; 3] = [Self::Relevance, Self::Newest, Self::Oldest];

    /// The word in URLs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Relevance => "relevance",
            Self::Newest => "newest",
            Self::Oldest => "oldest",
        }
    }

    /// Reads the word in URLs.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.as_str() == text)
    }
}

/// One page of results, asked for.
#[derive(Debug, Clone)]
pub struct Ask {
    /// What for.
    pub query: TriageQuery,
    /// Who `assignee:me` is.
    pub me: Option<StaffId>,
    /// In which order.
    pub sort: Sort,
    /// Where to go on: [`Found::next`] or [`Found::prev`] of the page before.
    pub cursor: Option<String>,
    /// How many, at most [`MAX_LIMIT`].
    pub limit: usize,
}

/// Longest page.
pub const MAX_LIMIT: usize = 200;

/// The values of one field among the results, most frequent first. Where the query itself asks about the field, the counts are
/// those without that part of it, so that a person can switch. The values are those that the query language writes; those of
/// `assignee` and `survey` are ids (or `none`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facet {
    /// Which field.
    pub field: Field,
    /// Each value with how many results have it.
    pub values: Vec<(String, usize)>,
}

/// The fields that are counted, in the order of [`Found::facets`].
pub const FACETS: [Field; 7] = [Field::Status, Field::Kind, Field::Tag, Field::Assignee, Field::Survey, Field::Lang, Field::Release];

/// One page of results.
#[derive(Debug, Clone)]
pub struct Found {
    /// In order.
    pub ids: Vec<FeedbackId>,
    /// How many there are on all pages.
    pub total: usize,
    /// One for each of [`FACETS`].
    pub facets: Vec<Facet>,
    /// The cursor of the page after, if there is one.
    pub next: Option<String>,
    /// The cursor of the page before, if there is one.
    pub prev: Option<String>,
    /// How long it took.
    pub took: Duration,
}

/// Records of one project that just became searchable.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// Whose.
    pub project: ProjectId,
    /// Which.
    pub feedback: Vec<FeedbackId>,
    /// Up to where in the change sequence.
    pub at: Position,
}

/// How the index is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Not opened: a command-line tool, or before the start.
    Off,
    /// Being built from the database: so many of so many records done.
    Building {
        /// Records indexed.
        done: usize,
        /// Records there are.
        total: usize,
    },
    /// Answers.
    Ready,
}

/// The search. Cheap to clone.
#[derive(Clone)]
pub struct Search {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    instance: String,
    source: Arc<dyn Source>,
    clock: Arc<dyn Clock>,
    status: RwLock<Status>,
    arrived: broadcast::Sender<Arrived>,
    reached: watch::Sender<Position>,
}

impl Search {
    /// The search over an index in `dir` for the database called `instance`. Touches nothing before [`Search::start`].
    #[must_use]
    pub fn new(dir: PathBuf, instance: String, source: Arc<dyn Source>, clock: Arc<dyn Clock>) -> Self {
        let (arrived, _) = broadcast::channel(256);
        let (reached, _) = watch::channel(Position::default());
        Self { inner: Arc::new(Inner { dir, instance, source, clock, status: RwLock::new(Status::Off), arrived, reached }) }
    }

    /// How the index is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        *self.inner.status.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What becomes searchable from now on, of all projects.
    #[must_use]
    pub fn arrivals(&self) -> broadcast::Receiver<Arrived> {
        self.inner.arrived.subscribe()
    }

    /// One page of the scope's project.
    ///
    /// # Errors
    /// [`domain::Error::SearchUnavailable`] while there is no index, and the caller lists from the database;
    /// [`domain::Error::Invalid`] for a cursor that is not of this search.
    pub async fn search(&self, _scope: &Scope, _ask: Ask) -> Result<Found> {
        Err(domain::Error::SearchUnavailable.into())
    }

    /// Waits until everything committed before this call can be found, but no longer than `timeout`. Whether it can be.
    pub async fn caught_up(&self, timeout: Duration) -> bool {
        if self.status() != Status::Ready {
            return false;
        }
        let Ok(head) = self.inner.source.head().await else { return false };
        self.wait_for(head, timeout).await
    }

    /// Waits until the index has reached a place in the change sequence, but no longer than `timeout`. Whether it has.
    pub async fn wait_for(&self, place: Position, timeout: Duration) -> bool {
        let mut reached = self.inner.reached.subscribe();
        tokio::time::timeout(timeout, reached.wait_for(|at| *at >= place)).await.is_ok_and(|r| r.is_ok())
    }
}
