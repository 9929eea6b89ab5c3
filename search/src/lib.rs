//! Full-text search: the tantivy index that follows the change sequence. tantivy's types do not leave this crate.
//!
//! The index is a cache of the database: it may be deleted at any time and is rebuilt while the program serves. The crate contains no SQL:
//! its caller provides a [`DocumentSource`]. Each commit of the index includes its position in the change sequence, so a crash between the
//! two repeats work and never skips any.

mod bit_set;
mod collector;
mod engine;
mod error;
mod executor;
mod follower;
mod highlight;
pub mod language;
mod postings;
mod query;
mod results;
mod segment_cache;
mod source;
pub mod tokenizer;

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use domain::{
    Clock, Timestamp,
    accounts::Scope,
    feedback::FeedbackKind,
    ids::{FeedbackId, ProjectId},
    triage::{MatchContext, QueryField},
};
use tokio::{
    sync::{Mutex, Notify, Semaphore, broadcast, watch},
    task::JoinHandle,
};

use collector::{PageRequest, parse_cursor};
use engine::IndexEngine;
pub use error::{Error, Result};
pub use highlight::{Snippet, highlight, snippet};
pub use query::{is_searchable, matches_nothing};
pub use results::{FACETS, Facet, MAX_PAGE_SIZE, SearchPage, SearchRequest, Sort};
pub use source::{ChangePosition, DocumentSource, IndexChange, IndexDocument};
use tantivy::TantivyError;

/// Records of one project that just became searchable.
#[derive(Debug, Clone)]
pub struct NewlySearchable {
    /// The project.
    pub project: ProjectId,
    /// The records.
    pub feedback: Vec<FeedbackId>,
    /// The records among them that were not searchable before.
    pub new: HashSet<FeedbackId>,
    /// Position in the change sequence up to which this applies.
    pub at: ChangePosition,
}

/// The status of the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexStatus {
    /// Not opened: a command-line tool, or before the start.
    Off,
    /// Being built from the database.
    Building {
        /// Records indexed.
        done: usize,
        /// Records in total.
        total: usize,
    },
    /// Ready to search.
    Ready,
}

/// The search service. Cheap to clone.
#[derive(Clone)]
pub struct Search {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    instance: String,
    source: Arc<dyn DocumentSource>,
    clock: Arc<dyn Clock>,
    engine: RwLock<Option<Arc<IndexEngine>>>,
    status: watch::Sender<IndexStatus>,
    arrived: broadcast::Sender<NewlySearchable>,
    reached: watch::Sender<ChangePosition>,
    /// Position in the change sequence up to which subscribers were notified, if there was anything to report.
    notified: std::sync::Mutex<ChangePosition>,
    /// Set by a search that found the index broken; the follower rebuilds it.
    broken: AtomicBool,
    nudge: Notify,
    /// Time of the last rebuild that a failed search requested.
    rebuilt: std::sync::Mutex<Option<Timestamp>>,
    /// Limits concurrent searches; each uses a processor.
    turns: Semaphore,
    follower: Mutex<Option<Follower>>,
}

struct Follower {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Inner {
    fn engine(&self) -> Option<Arc<IndexEngine>> {
        self.engine.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_engine(&self, engine: Option<Arc<IndexEngine>>, status: IndexStatus) {
        *self.engine.write().unwrap_or_else(PoisonError::into_inner) = engine;
        self.status.send_replace(status);
    }

    fn set_off(&self) {
        self.set_engine(None, IndexStatus::Off);
    }

    fn set_building(&self, done: usize, total: usize) {
        self.set_engine(None, IndexStatus::Building { done, total });
    }

    fn set_ready(&self, engine: &Arc<IndexEngine>, at: ChangePosition) {
        self.reached.send_replace(at);
        self.set_engine(Some(Arc::clone(engine)), IndexStatus::Ready);
    }
}

impl Search {
    /// Creates a search over an index in `dir` for the database called `instance`. Accesses nothing before [`Search::start`].
    #[must_use]
    pub fn new(dir: PathBuf, instance: String, source: Arc<dyn DocumentSource>, clock: Arc<dyn Clock>) -> Self {
        let turns = 2 * std::thread::available_parallelism().map_or(1, usize::from);
        let inner = Inner {
            dir,
            instance,
            source,
            clock,
            engine: RwLock::new(None),
            status: watch::channel(IndexStatus::Off).0,
            arrived: broadcast::channel(256).0,
            reached: watch::channel(ChangePosition::default()).0,
            notified: std::sync::Mutex::default(),
            broken: AtomicBool::new(false),
            nudge: Notify::new(),
            rebuilt: std::sync::Mutex::new(None),
            turns: Semaphore::new(turns),
            follower: Mutex::new(None),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Opens the index and follows the change sequence from the index's position. An index that is missing, broken, of another version or
    /// database, or ahead of the database is rebuilt in the background.
    ///
    /// # Errors
    /// Returns an error if another process uses the same directory, it cannot be written, or the database fails.
    pub async fn start(&self) -> Result<()> {
        self.begin(true).await
    }

    /// As [`Search::start`]; with `keep` false an existing index is not even opened.
    async fn begin(&self, keep: bool) -> Result<()> {
        let mut follower = self.inner.follower.lock().await;
        if follower.is_some() {
            return Ok(());
        }
        self.inner.source.mend().await?;
        let (head, beginning) = (self.inner.source.head().await?, self.inner.source.beginning().await?);
        let (dir, instance) = (self.inner.dir.clone(), self.inner.instance.clone());
        let (lock, opened) = tokio::task::spawn_blocking(move || {
            let lock = follower::IndexLock::take(&dir)?;
            let opened = if keep && dir.exists() { Some(IndexEngine::open(&dir, &instance)) } else { None };
            Ok::<_, Error>((lock, opened))
        })
        .await
        .map_err(engine::fault)??;
        // The same position, but about another record: the database was restored by hand and has been changed since.
        let is_another = match &opened {
            Some(Ok((_, at, Some(about)))) => self.inner.source.change_at(*at).await?.is_some_and(|there| there != *about),
            _ => false,
        };
        let opened = match opened {
            Some(Ok((engine, at, _))) if at <= head && at >= beginning && !is_another => Some((Arc::new(engine), at)),
            Some(Ok((_, at, _))) if at < beginning => {
                tracing::warn!("the search index fell so far behind that changes were removed; rebuilding it");
                None
            }
            Some(Ok(_)) => {
                tracing::warn!("the database is older than the search index, as after a restore; rebuilding it");
                None
            }
            Some(Err(error)) => {
                tracing::warn!(search.error = %error, "the search index cannot be used; rebuilding it");
                None
            }
            None => None,
        };
        // Changes from now on are published, even those committed before the first read from the database.
        let notified = match &opened {
            Some((_, at)) => *at,
            None => self.inner.source.settled().await?,
        };
        *self.inner.notified.lock().unwrap_or_else(PoisonError::into_inner) = notified;
        match &opened {
            Some((engine, at)) => self.inner.set_ready(engine, *at),
            None => self.inner.set_building(0, 0),
        }
        let (stop, stopped) = watch::channel(false);
        if let Some((engine, _)) = &opened {
            let (engine, stopped) = (Arc::clone(engine), stopped.clone());
            // In the background; its errors are ignored, because they recur where they matter.
            drop(tokio::task::spawn_blocking(move || engine.warm(|| *stopped.borrow())));
        }
        let task = tokio::spawn(follower::follow(Arc::clone(&self.inner), opened, stopped, lock));
        *follower = Some(Follower { stop, task });
        Ok(())
    }

    /// Stops following and closes the index; [`Search::start`] opens it again.
    pub async fn stop(&self) {
        if let Some(Follower { stop, task }) = self.inner.follower.lock().await.take() {
            stop.send_replace(true);
            if let Err(error) = task.await {
                tracing::error!(search.error = %error, "the search follower failed");
                self.inner.set_off();
            }
        }
    }

    /// Discards the index and rebuilds it; meanwhile, lists come from the database.
    pub fn rebuild(&self) {
        self.inner.set_building(0, 0);
        self.inner.broken.store(true, Ordering::SeqCst);
        self.inner.nudge.notify_one();
    }

    /// The current status of the index.
    #[must_use]
    pub fn status(&self) -> IndexStatus {
        *self.inner.status.borrow()
    }

    /// The current and future status of the index.
    #[must_use]
    pub fn watch_status(&self) -> watch::Receiver<IndexStatus> {
        self.inner.status.subscribe()
    }

    /// Waits until the index is ready, but no longer than `timeout`. Returns whether it is.
    pub async fn ready(&self, timeout: Duration) -> bool {
        let mut status = self.inner.status.subscribe();
        tokio::time::timeout(timeout, status.wait_for(|s| *s == IndexStatus::Ready)).await.is_ok_and(|r| r.is_ok())
    }

    /// Subscribes to newly searchable records of all projects.
    #[must_use]
    pub fn subscribe_new_records(&self) -> broadcast::Receiver<NewlySearchable> {
        self.inner.arrived.subscribe()
    }

    /// Returns one page of results in the scope's project.
    ///
    /// # Errors
    /// [`domain::DomainError::SearchUnavailable`] while there is no index, and the caller must list from the database;
    /// [`domain::DomainError::Invalid`] for a cursor of a different search.
    pub async fn search(&self, scope: &Scope, ask: SearchRequest) -> Result<SearchPage> {
        #[expect(clippy::disallowed_methods, reason = "how long the search took")]
        let started = Instant::now();
        let unavailable = || Error::Refused(domain::DomainError::SearchUnavailable);
        let engine = self.inner.engine().ok_or_else(unavailable)?;
        // Without words, all records are equally relevant.
        let sort = if ask.sort == Sort::Relevance && !ask.query.has_text() { Sort::Newest } else { ask.sort };
        let (place, measure) = match &ask.cursor {
            Some(text) => {
                let (place, measure) = parse_cursor(text, sort, query::looked_up(&ask.query)).ok_or_else(|| {
                    domain::DomainError::field("cursor", "invalid", "This page link is no longer valid. Start again from the first page.")
                })?;
                (Some(place), measure)
            }
            None => (None, None),
        };
        let names = self.inner.source.names(scope, &ask.query).await?;
        let (project, now) = (scope.project(), self.inner.clock.now());
        let _turn = self.inner.turns.acquire().await.map_err(|_| unavailable())?;
        let run = tokio::task::spawn_blocking(move || {
            let matching = MatchContext { now, zone: &ask.zone, me: ask.me, names: &names, is_searchable };
            let context = query::QueryContext { fields: engine.fields, matching, languages: engine.languages()? };
            // Counted only if the query is about tickets, so that other queries do not pay for it.
            let tickets =
                ask.query.has(QueryField::Kind, FeedbackKind::Ticket.as_str()) || ask.query.tests(QueryField::Priority).next().is_some();
            let count: Vec<QueryField> = FACETS.into_iter().chain(tickets.then_some(QueryField::Priority)).collect();
            let page = PageRequest { sort, place, limit: ask.limit.clamp(1, MAX_PAGE_SIZE) };
            executor::run(&engine, project, &ask.query, &context.plan(&ask.query), page, measure, &count)
        });
        let failure = match run.await {
            Ok(Ok((collector::CollectedPage { total, ids, next, prev }, facets))) => {
                return Ok(SearchPage { ids, total, facets, next, prev, took: started.elapsed() });
            }
            // The query is at fault, not the index.
            Ok(Err(error @ (TantivyError::InvalidArgument(_) | TantivyError::SchemaError(_) | TantivyError::FieldNotFound(_)))) => {
                return Err(engine::fault(error));
            }
            Ok(Err(error)) => error.to_string(),
            Err(panic) => panic.to_string(),
        };
        let again = self.may_rebuild();
        tracing::error!(search.error = %failure, search.rebuild = again, "the search index failed");
        if again {
            self.rebuild();
        }
        Err(unavailable())
    }

    /// Returns whether a failed search may trigger a rebuild: once in ten minutes, so that a query that always fails does not block
    /// searching for everyone.
    fn may_rebuild(&self) -> bool {
        let now = self.inner.clock.now();
        let mut last = self.inner.rebuilt.lock().unwrap_or_else(PoisonError::into_inner);
        let again = last.is_none_or(|at| now >= at.plus_ms(REBUILD_AFTER_MS));
        if again {
            *last = Some(now);
        }
        again
    }

    /// Waits until everything committed before this call is searchable, but no longer than `timeout`. Returns whether it is.
    pub async fn wait_until_caught_up(&self, timeout: Duration) -> bool {
        if self.status() != IndexStatus::Ready {
            return false;
        }
        let Ok(head) = self.inner.source.head().await else { return false };
        self.wait_for(head, timeout).await
    }

    /// The number of changes not yet indexed; `None` if the index is not ready or the database is unavailable.
    pub async fn lag(&self) -> Option<i64> {
        let reached = *self.inner.reached.borrow();
        let head = self.inner.source.head().await.ok()?;
        (self.status() == IndexStatus::Ready).then(|| (head.seq - reached.seq).max(0))
    }

    /// Waits until the index has reached a position in the change sequence, but no longer than `timeout`. Returns whether it has.
    pub async fn wait_for(&self, place: ChangePosition, timeout: Duration) -> bool {
        let mut reached = self.inner.reached.subscribe();
        tokio::time::timeout(timeout, reached.wait_for(|at| *at >= place)).await.is_ok_and(|r| r.is_ok())
    }
}

/// Checks that the index in `dir` was built by this version of the program for the database `instance`; `None` if there is no index.
#[must_use]
pub fn inspect(dir: &Path, instance: &str) -> Option<Result<()>> {
    dir.exists().then(|| IndexEngine::open(dir, instance).map(|_| ()))
}

/// Proof, while it is held, that no server uses the index in `dir`, or the database beside it. The parent directory must exist.
///
/// # Errors
/// Returns an error if a server does, or the directory cannot be written.
pub fn lock_index(dir: &Path) -> Result<impl Send + use<>> {
    follower::IndexLock::take(dir)
}

/// Deletes the index of a stopped server and rebuilds it; reports progress, and returns the number of records.
///
/// # Errors
/// Returns an error if another process uses the data directory, or the database fails.
pub async fn reindex(search: &Search, mut progress: impl FnMut(IndexStatus)) -> Result<u64> {
    search.begin(false).await?;
    let mut status = search.watch_status();
    loop {
        let now = *status.borrow_and_update();
        progress(now);
        if now == IndexStatus::Ready || status.changed().await.is_err() {
            break;
        }
    }
    let indexed = search.inner.engine().map_or(0, |engine| engine.searcher().num_docs());
    search.stop().await;
    Ok(indexed)
}

/// Minimum time between two rebuilds that failed searches trigger, in milliseconds.
const REBUILD_AFTER_MS: i64 = 600_000;
