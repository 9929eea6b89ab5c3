//! The database, the source of truth. Only this crate contains SQL text.
//!
//! Rules: a look-up returns `Ok(None)` if nothing is found; every function that reads people's data takes a [`domain::accounts::Scope`];
//! nothing here reads the clock. Ids of new rows are made here and nowhere else, in the transaction that writes the row ([`Tx`]), from the
//! source that [`Store`] was opened with. One SQL text serves SQLite and PostgreSQL, through sqlx's `Any` driver, with the types
//! that both share: text, 64-bit integers, doubles, bytes. Where the dialects differ, the code checks [`Dialect`].
//!
//! Writes go through [`Store::write`]. On SQLite one task owns the only writing connection. All waiting jobs share one
//! `BEGIN IMMEDIATE … COMMIT` (group commit), each in its own savepoint; no job returns before the commit. On PostgreSQL each job has its
//! own transaction, and a limit on concurrent jobs leaves connections for reads. The queue is bounded on both.

pub mod act;
mod actors;
mod authority;
pub mod backlog;
pub mod backup;
mod bulk_insert;
pub mod change_feed;
mod commit_notifier;
pub mod contacts;
pub mod demo;
pub mod desk;
pub mod doctor;
mod error;
pub mod events;
pub mod export;
pub mod feedback;
mod feedback_details;
pub mod files;
pub mod hash;
pub mod history;
pub mod idempotency;
pub mod identity;
pub mod imports;
pub mod installation;
pub mod invitations;
pub mod jobs;
pub mod keys;
pub mod limits;
pub mod mail;
pub mod migrate;
pub mod numbers;
pub mod projects;
mod purge;
mod reader;
pub mod replies;
pub mod responses;
pub mod results;
pub mod sessions;
pub mod staff;
pub mod submissions;
pub mod surveys;
pub mod tickets;
pub mod triage;
pub mod undo;
pub mod webhooks;
mod withheld_events;
mod writer;

use std::{
    path::Path,
    str::FromStr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{
    AnyConnection,
    any::{AnyConnectOptions, AnyPoolOptions},
};
use tokio::sync::watch;

pub use act::{Act, ActContext};
pub use error::{Error, Result};
pub use idempotency::{Fingerprint, FirstOutcome, IdempotencyScope, IdempotentWrite};
pub use reader::Reader;
pub(crate) use reader::schema_changed;

use self::{
    bulk_insert::rows,
    commit_notifier::{CommitEffects, CommitNotifier},
    submissions::{IdentifiedSubmission, ResponseSubmission, SubmissionOutcome},
};
use domain::{
    IdSource, Timestamp,
    feedback::Feedback,
    ids::{ContactId, FeedbackId, ProjectId},
};

/// Session settings that make PostgreSQL drop dead client connections, as when a cable was pulled. A transaction of such a connection keeps
/// its locks, and the search index of every node waits for it. Over a local socket the last three have no effect.
const SESSION: &str = "SET idle_in_transaction_session_timeout = '15s'; SET tcp_keepalives_idle = 30; \
     SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3";

/// The database system in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Embedded SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// Handle to the database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    dialect: Dialect,
    reader: Reader,
    writer: writer::Writer,
    committed: Arc<CommitNotifier>,
    env: Arc<TxEnvironment>,
}

/// What transactions get from the program.
struct TxEnvironment {
    ids: Arc<dyn IdSource>,
    /// The address of this installation, with which events link to its pages.
    public_url: OnceLock<String>,
}

impl TxEnvironment {
    fn new(ids: Arc<dyn IdSource>) -> Arc<Self> {
        Arc::new(Self { ids, public_url: OnceLock::new() })
    }

    /// Returns the URL of a project's page; `None` if this installation has no public URL.
    fn page_url(&self, slug: &str, page: &str) -> Option<String> {
        self.public_url.get().map(|base| format!("{base}/p/{slug}/{page}"))
    }
}

/// One write transaction: all of it happens or none.
pub struct Tx<'c> {
    conn: &'c mut AnyConnection,
    dialect: Dialect,
    effects: CommitEffects,
    env: &'c TxEnvironment,
}

impl Tx<'_> {
    /// The connection to run statements on.
    pub fn conn(&mut self) -> &mut AnyConnection {
        self.conn
    }

    /// Returns the database system in use.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Makes an id for a new row. Private to this crate, so that callers state what is new and never its id.
    pub(crate) fn id<T: From<uuid::Uuid>>(&self) -> T {
        T::from(self.env.ids.uuid())
    }

    /// Returns the URL of a project's page; see [`Store::page_url`].
    pub(crate) fn page_url(&self, slug: &str, page: &str) -> Option<String> {
        self.env.page_url(slug, page)
    }

    /// Starts a savepoint: changes up to [`Tx::end_savepoint`] can be undone separately.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn savepoint(&mut self) -> Result<()> {
        sqlx::raw_sql("SAVEPOINT part").execute(&mut *self.conn).await?;
        Ok(())
    }

    /// Keeps or undoes the changes since [`Tx::savepoint`].
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_savepoint(&mut self, keep: bool) -> Result<()> {
        let end = if keep { "RELEASE SAVEPOINT part" } else { "ROLLBACK TO SAVEPOINT part; RELEASE SAVEPOINT part" };
        sqlx::raw_sql(end).execute(&mut *self.conn).await?;
        Ok(())
    }

    /// Records in the change sequence that feedback changed, including the tags and links in its search document. Part of every such write.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_feedback_change(&mut self, project: ProjectId, feedback: FeedbackId) -> Result<()> {
        self.note_changes(&[(project, feedback)], 0).await
    }

    /// Same as [`Tx::record_feedback_change`] for new feedback, in order: webhooks distinguish the two.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_new_feedback(&mut self, made: &[(ProjectId, FeedbackId)]) -> Result<()> {
        self.note_changes(made, 1).await
    }

    async fn note_changes(&mut self, about: &[(ProjectId, FeedbackId)], made: i64) -> Result<()> {
        self.effects.feedback_changed |= !about.is_empty();
        let rows: Vec<_> = about
            .iter()
            .map(|(project_id, feedback_id)| NewChangeRow { feedback_id: *feedback_id, project_id: *project_id, made })
            .collect();
        self.insert_rows(&rows).await?;
        Ok(())
    }

    /// Same as [`Tx::record_feedback_change`] for all feedback of some contacts: their names and addresses are part of its search
    /// documents.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_contact_changes(&mut self, contacts: &[ContactId]) -> Result<()> {
        if contacts.is_empty() {
            return Ok(());
        }
        let sql = match self.dialect {
            Dialect::Sqlite => {
                "INSERT INTO feedback_changes (feedback_id, project_id) \
                 SELECT f.id, f.project_id FROM json_each($1) j CROSS JOIN feedback f ON f.contact_id = j.value"
            }
            Dialect::Postgres => {
                "INSERT INTO feedback_changes (feedback_id, project_id) \
                 SELECT f.id, f.project_id FROM json_array_elements_text(CAST($1 AS json)) j JOIN feedback f ON f.contact_id = j"
            }
        };
        let recorded = sqlx::query(sql).bind(serde_json::to_string(contacts)?).execute(&mut *self.conn).await?;
        self.effects.feedback_changed |= recorded.rows_affected() > 0;
        Ok(())
    }
}

rows! {
    /// An entry of the change sequence.
    struct NewChangeRow in "feedback_changes" {
        feedback_id: FeedbackId as "TEXT",
        project_id: ProjectId as "TEXT",
        made: i64 as "BIGINT",
    }
}

impl NewChangeRow {
    /// An entry for new feedback.
    fn made(feedback: &Feedback) -> Self {
        Self { feedback_id: feedback.id, project_id: feedback.project, made: 1 }
    }
}

impl Store {
    /// Checks that the database responds.
    ///
    /// # Errors
    /// When it does not respond.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("SELECT 1").execute(self.reader()).await?;
        Ok(())
    }

    /// Returns whether the write queue has room; otherwise a write fails with Busy.
    #[must_use]
    pub fn can_accept_writes(&self) -> bool {
        self.writer.has_room()
    }

    /// Opens SQLite in `dir/earshot.db` (creates it if missing) and migrates it. New rows get their ids from `ids`.
    ///
    /// # Errors
    /// When the directory or file cannot be used or a migration fails.
    pub async fn open_sqlite(dir: &Path, ids: Arc<dyn IdSource>) -> Result<Self> {
        sqlx::any::install_default_drivers();
        files::private_directory(dir).map_err(|e| Error::internal("data directory", e))?;
        let file = dir.join("earshot.db");
        files::private_file_unless_there(&file).map_err(|e| Error::Internal(format!("{} cannot be used: {e}", file.display())))?;
        // Connections never create the file: one opened while the file is missing would continue with an empty database.
        let options = sqlite_options(&file, "rw")?;
        let writing = sqlite_pool(1, false).connect_with(options.clone()).await?;
        migrate::run(&writing, &migrate::SQLITE).await?;
        let reader = Reader(sqlite_pool(4, true).connect_with(options).await?);
        let committed = Arc::<CommitNotifier>::default();
        let env = TxEnvironment::new(ids);
        let writer = writer::Writer::sqlite(writing, Arc::clone(&committed), Arc::clone(&env));
        Ok(Self { dialect: Dialect::Sqlite, reader, writer, committed, env })
    }

    /// Connects to PostgreSQL and migrates it. New rows get their ids from `ids`.
    ///
    /// # Errors
    /// When the server cannot be reached or a migration fails.
    pub async fn open_postgres(url: &str, ids: Arc<dyn IdSource>) -> Result<Self> {
        Self::open_postgres_with(url, ids, &migrate::POSTGRES).await
    }

    /// Same as [`Store::open_postgres`], with another list of migrations: tests run versions side by side.
    ///
    /// # Errors
    /// Same as [`Store::open_postgres`].
    pub async fn open_postgres_with(url: &str, ids: Arc<dyn IdSource>, migrations: &migrate::Migrator) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let options = AnyConnectOptions::from_str(url).map_err(|_| Error::internal("DATABASE_URL", "not a postgres:// URL"))?;
        let pool = AnyPoolOptions::new()
            .max_connections(16)
            .acquire_timeout(Duration::from_secs(5))
            // sqlx's own test would block forever on a hung connection.
            .test_before_acquire(false)
            .before_acquire(reader::before_use)
            .after_release(reader::after_use)
            .after_connect(|conn, _| Box::pin(async move { sqlx::raw_sql(SESSION).execute(conn).await.map(drop) }))
            .connect_with(options)
            .await?;
        migrate::run(&pool, migrations).await?;
        let committed = Arc::<CommitNotifier>::default();
        let env = TxEnvironment::new(ids);
        let writer = writer::Writer::postgres(pool.clone(), Arc::clone(&committed), Arc::clone(&env));
        Ok(Self { dialect: Dialect::Postgres, reader: Reader(pool), writer, committed, env })
    }

    /// Returns the database system in use.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Returns the source of ids.
    #[must_use]
    pub fn ids(&self) -> &Arc<dyn IdSource> {
        &self.env.ids
    }

    /// Sets the address of this installation, with which events link to its pages. Only the first call has an effect.
    pub fn set_public_url(&self, url: &str) {
        // Every app over this store has the same settings.
        drop(self.env.public_url.set(url.to_owned()));
    }

    /// Returns the URL of a project's page, as in `feedback/ID`; `None` if this installation has no public URL.
    #[must_use]
    pub fn page_url(&self, slug: &str, page: &str) -> Option<String> {
        self.env.page_url(slug, page)
    }

    /// Returns the pool for read-only statements.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// Returns a receiver that wakes after each commit of this process that changes feedback. Detect changes by other nodes by polling.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.committed.subscribe()
    }

    /// Runs `work` in one transaction and returns after its commit. A refusal or error rolls back all of it.
    ///
    /// # Errors
    /// The error of `work`; [`domain::DomainError::Busy`] if the queue is full or the database is unavailable.
    pub async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        self.writer.write(work).await
    }

    /// Stores a submission together with all other waiting ones (see [`submissions`]), and returns after the commit.
    ///
    /// # Errors
    /// Same as [`Store::write`]. An error in one submission does not affect another.
    pub async fn submit(&self, submission: ResponseSubmission) -> Result<SubmissionOutcome> {
        let id = self.env.ids.uuid().into();
        self.writer.submit(IdentifiedSubmission { id, new: submission }).await
    }

    /// Same as [`Store::write`], but once for each key and content: a retry returns the result of the first call. Only success is
    /// remembered; a refused attempt may be repeated with the same key.
    ///
    /// # Errors
    /// Same as [`Store::write`]; [`domain::DomainError::KeyReused`] if a program's key belongs to other content.
    pub async fn write_idempotent<T, F>(&self, mut once: IdempotentWrite, now: Timestamp, work: F) -> Result<T>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        self.write(move |tx| {
            Box::pin(async move {
                if let Some(outcome) = tx.claim(&mut once, now).await? {
                    return Ok(serde_json::from_str(&outcome)?);
                }
                let value = work(tx).await?;
                tx.replace_outcome(&once.place, &serde_json::to_string(&value)?).await?;
                Ok(value)
            })
        })
        .await
    }
}

/// Returns the options for opening a SQLite file; `mode` as in <https://www.sqlite.org/uri.html>.
fn sqlite_options(file: &Path, mode: &str) -> Result<AnyConnectOptions> {
    let mut url = url::Url::from_file_path(std::path::absolute(file).map_err(|e| Error::internal("data directory", e))?)
        .map_err(|()| Error::internal("data directory", file.display()))?;
    url.set_query(Some(&format!("mode={mode}")));
    let url = url.as_str().replacen("file://", "sqlite://", 1);
    AnyConnectOptions::from_str(&url).map_err(|e| Error::internal("data directory", e))
}

fn sqlite_pool(connections: u32, read_only: bool) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .idle_timeout(None)
        .max_lifetime(None)
        .acquire_timeout(Duration::from_secs(5))
        // A local file does not disconnect between two statements, and the test costs as much as a short statement.
        .test_before_acquire(false)
        .after_connect(move |conn, _| {
            Box::pin(async move {
                // FULL: an acknowledged submission survives a power cut, not only a crash of this process.
                sqlx::raw_sql(
                    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                     PRAGMA busy_timeout = 5000; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16000;",
                )
                .execute(&mut *conn)
                .await?;
                if read_only {
                    // Each reader has its own cache; for pages beyond their common working set, the system's cache serves all of them.
                    sqlx::raw_sql("PRAGMA query_only = ON; PRAGMA cache_size = -4000").execute(&mut *conn).await?;
                }
                Ok(())
            })
        })
}

/// Parses a stored id.
///
/// # Errors
/// When the text is not a UUID: the row was not written by this program.
pub fn id<T: From<uuid::Uuid>>(text: &str) -> Result<T> {
    uuid::Uuid::try_parse(text).map(T::from).map_err(|e| Error::internal("stored id", e))
}

/// Returns a pattern of `LIKE … ESCAPE '\\'` that matches strings containing a text.
pub(crate) fn like_pattern(text: &str) -> String {
    let mut pattern = String::from("%");
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// Converts an optional number to text for `CAST($n AS DOUBLE PRECISION)`. sqlx 0.9.0's `Any` driver declares an absent double to
/// PostgreSQL as four bytes; the same statement with a number, eight bytes, then fails.
#[must_use]
pub fn optional_double(number: Option<f64>) -> Option<String> {
    number.map(|n| n.to_string())
}

/// Returns the parsed stored value. A value that this program never writes is logged and replaced by `instead`: a row edited by hand or
/// left by an old bug must not break its list, chart or export.
fn or_instead<T>(what: &str, read: Option<T>, instead: T) -> T {
    read.unwrap_or_else(|| {
        tracing::warn!("a stored {what} cannot be read; a fallback is shown instead");
        instead
    })
}

/// Same as [`or_instead`], with `None` as the replacement.
fn or_none<T>(what: &str, read: Option<T>) -> Option<T> {
    or_instead(what, read.map(Some), None)
}

/// Parses an optional id.
///
/// # Errors
/// Same as [`id`].
pub fn optional_id<T: From<uuid::Uuid>>(text: Option<&str>) -> Result<Option<T>> {
    text.map(id).transpose()
}
