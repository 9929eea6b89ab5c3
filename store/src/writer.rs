//! The write path to the database: a bounded queue before one SQLite connection, or before a PostgreSQL pool.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use sqlx::{Any, AnyConnection, AnyPool, pool::PoolConnection};
use tokio::{
    sync::{Semaphore, SemaphorePermit, mpsc, oneshot},
    time::timeout,
};

use super::{
    Dialect, Tx, TxEnvironment,
    commit_notifier::{CommitEffects, CommitNotifier},
    submissions::{IdentifiedSubmission, SubmissionOutcome},
};
use crate::error::{Error, Result};

/// Maximum number of waiting jobs; further ones are refused with 503 and Retry-After.
const QUEUE: usize = 1024;
/// Maximum number of jobs that share one commit, so that the first does not wait forever.
const GROUP: usize = 128;
/// Maximum number of concurrent jobs on PostgreSQL. Fewer than the pool's connections, so that reads can continue.
const TURNS: usize = 12;
/// How long a job waits for its turn on PostgreSQL: if the jobs before it hang, it would hang too.
const WAIT: Duration = Duration::from_secs(5);
/// Timeout of one job on PostgreSQL. (SQLite ends by itself, or not at all.)
const WORK: Duration = Duration::from_secs(30);
/// Maximum number of concurrent batches of submissions on PostgreSQL: meanwhile the next batches grow.
const BATCHES: usize = 2;

#[derive(Clone)]
pub(super) enum Writer {
    Sqlite(mpsc::Sender<QueuedWork>),
    Postgres(Arc<PostgresWriter>, mpsc::Sender<QueuedSubmission>),
}

/// Work queued for SQLite's single write connection.
pub(super) enum QueuedWork {
    Job(Box<dyn WriteJob>),
    Submission(Box<QueuedSubmission>),
}

/// A submission and the channel for its outcome.
pub(super) struct QueuedSubmission {
    submission: IdentifiedSubmission,
    reply: oneshot::Sender<Result<SubmissionOutcome>>,
}

pub(super) struct PostgresWriter {
    pool: AnyPool,
    committed: Arc<CommitNotifier>,
    env: Arc<TxEnvironment>,
    /// One permit for each waiting or running job.
    places: Semaphore,
    /// One permit for each running job or batch.
    turns: Semaphore,
}

/// A finished job whose reply is held back until the commit.
pub(super) struct PendingCommit {
    keep: bool,
    effects: CommitEffects,
    reply: Box<dyn FnOnce(Option<Error>) + Send>,
}

pub(super) trait WriteJob: Send {
    /// Returns whether the caller still waits for the reply.
    fn is_wanted(&self) -> bool;

    fn run<'c>(self: Box<Self>, conn: &'c mut AnyConnection, env: &'c TxEnvironment) -> BoxFuture<'c, PendingCommit>;
}

struct WriteTask<T, F> {
    work: F,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> WriteJob for WriteTask<T, F>
where
    T: Send + 'static,
    F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>> + Send + 'static,
{
    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    fn run<'c>(self: Box<Self>, conn: &'c mut AnyConnection, env: &'c TxEnvironment) -> BoxFuture<'c, PendingCommit> {
        Box::pin(async move {
            let Self { work, reply } = *self;
            let mut tx = Tx { conn, dialect: Dialect::Sqlite, effects: CommitEffects::default(), env };
            let result = guarded(work, &mut tx).await;
            PendingCommit {
                keep: result.is_ok(),
                effects: tx.effects,
                // The caller may be gone; the work is kept nevertheless.
                reply: Box::new(move |failed| drop(reply.send(failed.map_or(result, Err)))),
            }
        })
    }
}

/// Runs a job's work. A panic in it is an error of that job alone: the writer, and other jobs in the same commit, continue.
async fn guarded<T, F>(work: F, tx: &mut Tx<'_>) -> Result<T>
where
    F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>>,
{
    catch_panic(async { work(tx).await }).await
}

async fn catch_panic<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    // Partial changes of the job are rolled back, so no other code sees a broken state.
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("?");
        Err(Error::internal("panic in a write", text))
    })
}

impl Writer {
    pub(super) fn sqlite(pool: AnyPool, committed: Arc<CommitNotifier>, env: Arc<TxEnvironment>) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(write_groups(pool, receiver, committed, env));
        Self::Sqlite(sender)
    }

    pub(super) fn postgres(pool: AnyPool, committed: Arc<CommitNotifier>, env: Arc<TxEnvironment>) -> Self {
        let pooled = Arc::new(PostgresWriter { pool, committed, env, places: Semaphore::new(QUEUE), turns: Semaphore::new(TURNS) });
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(write_batches(Arc::clone(&pooled), receiver));
        Self::Postgres(pooled, sender)
    }

    /// Returns whether the queue accepts a write.
    pub(super) fn has_room(&self) -> bool {
        match self {
            Self::Sqlite(queue) => !queue.is_closed() && queue.capacity() > 0,
            Self::Postgres(pooled, _) => pooled.places.available_permits() > 0,
        }
    }

    pub(super) async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>> + Send + 'static,
    {
        match self {
            Self::Sqlite(queue) => {
                let (reply, answer) = oneshot::channel();
                queue.try_send(QueuedWork::Job(Box::new(WriteTask { work, reply }))).map_err(|_| domain::DomainError::Busy(1))?;
                answer.await.map_err(|_| Error::Domain(domain::DomainError::Busy(1)))?
            }
            Self::Postgres(pooled, _) => {
                let _place = pooled.places.try_acquire().map_err(|_| domain::DomainError::Busy(1))?;
                let _turn = pooled.acquire_turn().await?;
                pooled.transaction(async |tx| guarded(work, tx).await).await
            }
        }
    }

    pub(super) async fn submit(&self, submission: IdentifiedSubmission) -> Result<SubmissionOutcome> {
        let (reply, answer) = oneshot::channel();
        let submitted = QueuedSubmission { submission, reply };
        let _place = match self {
            Self::Sqlite(queue) => {
                queue.try_send(QueuedWork::Submission(Box::new(submitted))).map_err(|_| domain::DomainError::Busy(1))?;
                None
            }
            Self::Postgres(pooled, queue) => {
                let place = pooled.places.try_acquire().map_err(|_| domain::DomainError::Busy(1))?;
                queue.try_send(submitted).map_err(|_| domain::DomainError::Busy(1))?;
                Some(place)
            }
        };
        answer.await.map_err(|_| Error::Domain(domain::DomainError::Busy(1)))?
    }
}

impl PostgresWriter {
    async fn acquire_turn(&self) -> Result<SemaphorePermit<'_>> {
        let Ok(Ok(turn)) = timeout(WAIT, self.turns.acquire()).await else { return Err(domain::DomainError::Busy(5).into()) };
        Ok(turn)
    }

    async fn transaction<T>(&self, work: impl AsyncFnOnce(&mut Tx<'_>) -> Result<T>) -> Result<T> {
        let job = async {
            let mut transaction = self.pool.begin().await?;
            let mut tx =
                Tx { conn: &mut transaction, dialect: Dialect::Postgres, effects: CommitEffects::default(), env: self.env.as_ref() };
            let value = work(&mut tx).await?;
            let effects = tx.effects;
            transaction.commit().await?;
            Ok::<_, Error>((value, effects))
        };
        // On timeout it is rolled back, unless only the response to COMMIT was lost: then a retry with the same key finds it done.
        let Ok(done) = timeout(WORK, job).await else {
            tracing::warn!("the database did not finish a write in time");
            return Err(domain::DomainError::Busy(5).into());
        };
        let (value, effects) = done?;
        self.committed.notify(effects);
        Ok(value)
    }

    /// Stores a batch in one transaction; if that fails, each submission in its own.
    async fn write_batch(&self, batch: Vec<QueuedSubmission>) {
        let (submissions, replies) = still_awaited(batch);
        let _turn = match self.acquire_turn().await {
            Ok(turn) => turn,
            Err(busy) => return send_outcomes(Err(busy), replies),
        };
        let result = self.transaction(async |tx| catch_panic(tx.insert_submissions(&submissions)).await).await;
        if must_split(&result, submissions.len()) {
            let mut results = Vec::new();
            for one in submissions.chunks(1) {
                results.push(self.transaction(async |tx| catch_panic(tx.insert_submissions(one)).await).await);
            }
            results.into_iter().zip(replies).for_each(|(result, reply)| send_outcomes(result, vec![reply]));
            return;
        }
        send_outcomes(result, replies);
    }
}

type SubmissionReply = oneshot::Sender<Result<SubmissionOutcome>>;

/// Returns the submissions whose caller still waits. A caller that is gone was told, or believes, that it failed, and may have retried.
fn still_awaited(batch: Vec<QueuedSubmission>) -> (Vec<IdentifiedSubmission>, Vec<SubmissionReply>) {
    batch.into_iter().filter(|s| !s.reply.is_closed()).map(|QueuedSubmission { submission, reply }| (submission, reply)).unzip()
}

/// Returns whether a batch failed for a reason that may concern a single submission. A database that is unavailable would refuse that one
/// too.
fn must_split(result: &Result<Vec<SubmissionOutcome>>, size: usize) -> bool {
    let Err(error) = result else { return false };
    let parts = size > 1 && !is_busy(error);
    if parts {
        tracing::error!(db.error = %error, submissions = size, "a batch of submissions could not be stored; storing them one by one");
    }
    parts
}

fn is_busy(error: &Error) -> bool {
    matches!(error.refusal(), Some(domain::DomainError::Busy(_)))
}

/// Sends each submission its outcome. An error that concerns several is logged once, and each of them gets Busy.
fn send_outcomes(result: Result<Vec<SubmissionOutcome>>, mut replies: Vec<SubmissionReply>) {
    match result {
        // The caller may be gone; the submission stays stored nevertheless.
        Ok(outcomes) => outcomes.into_iter().zip(replies).for_each(|(outcome, reply)| drop(reply.send(Ok(outcome)))),
        Err(error) if replies.len() > 1 => {
            tracing::error!(db.error = %error, submissions = replies.len(), "submissions could not be stored");
            replies.into_iter().for_each(|reply| drop(reply.send(Err(domain::DomainError::Busy(5).into()))));
        }
        Err(error) => drop(replies.pop().map(|reply| reply.send(Err(error)))),
    }
}

/// Collects waiting submissions into batches for PostgreSQL.
async fn write_batches(pooled: Arc<PostgresWriter>, mut queue: mpsc::Receiver<QueuedSubmission>) {
    let batches = Arc::new(Semaphore::new(BATCHES));
    while let Some(first) = queue.recv().await {
        let Ok(permit) = Arc::clone(&batches).acquire_owned().await else { return };
        let mut batch = vec![first];
        while batch.len() < GROUP
            && let Ok(next) = queue.try_recv()
        {
            batch.push(next);
        }
        let pooled = Arc::clone(&pooled);
        tokio::spawn(async move {
            pooled.write_batch(batch).await;
            drop(permit);
        });
    }
}

async fn write_groups(pool: AnyPool, mut queue: mpsc::Receiver<QueuedWork>, committed: Arc<CommitNotifier>, env: Arc<TxEnvironment>) {
    while let Some(first) = queue.recv().await {
        let mut conn = match begin(&pool).await {
            Ok(conn) => conn,
            Err(error) => {
                tracing::error!(db.error = %error, "the database is not accepting writes");
                // Each of the others would wait just as long for the same error; a later retry gets a new place. All are removed before the
                // first is dropped, so that an immediate retry is not refused with them. A dropped job returns Busy.
                let mut refused = vec![first];
                while let Ok(next) = queue.try_recv() {
                    refused.push(next);
                }
                drop(refused);
                continue;
            }
        };
        let mut waiting = Vec::with_capacity(GROUP);
        let outcome = write_group(&mut conn, env.as_ref(), first, &mut queue, &mut waiting).await;
        drop(conn);
        let failed = outcome.err();
        if let Some(error) = &failed {
            tracing::error!(db.error = %error, jobs = waiting.len(), "a group of writes could not be committed");
        }
        for ran in waiting {
            if ran.keep && failed.is_none() {
                committed.notify(ran.effects);
            }
            // A refusal is valid even if the commit failed: it changed nothing.
            let failure = if ran.keep { failed.as_ref().map(|_| Error::Domain(domain::DomainError::Busy(5))) } else { None };
            (ran.reply)(failure);
        }
    }
}

async fn begin(pool: &AnyPool) -> Result<PoolConnection<Any>> {
    let mut conn = pool.acquire().await?;
    sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *conn).await?;
    Ok(conn)
}

async fn write_group(
    conn: &mut AnyConnection,
    env: &TxEnvironment,
    first: QueuedWork,
    queue: &mut mpsc::Receiver<QueuedWork>,
    waiting: &mut Vec<PendingCommit>,
) -> Result<()> {
    if let Err(error) = work_through(conn, env, first, queue, waiting).await {
        // The transaction is in an unknown state: abandon it, and the connection with it.
        drop(sqlx::raw_sql("ROLLBACK").execute(&mut *conn).await);
        return Err(error);
    }
    if let Err(error) = sqlx::raw_sql("COMMIT").execute(&mut *conn).await {
        drop(sqlx::raw_sql("ROLLBACK").execute(&mut *conn).await);
        return Err(error.into());
    }
    Ok(())
}

/// Processes the currently waiting work. Later arrivals go to the next group, because the current jobs would have to wait for them.
async fn work_through(
    conn: &mut AnyConnection,
    env: &TxEnvironment,
    first: QueuedWork,
    queue: &mut mpsc::Receiver<QueuedWork>,
    waiting: &mut Vec<PendingCommit>,
) -> Result<()> {
    let (mut jobs, mut batch) = (Vec::new(), Vec::new());
    let mut next = Some(first);
    while let Some(now) = next {
        match now {
            // A caller that is gone was told, or believes, that it failed, and may have retried.
            QueuedWork::Job(job) if !job.is_wanted() => {}
            QueuedWork::Job(job) => jobs.push(job),
            QueuedWork::Submission(submitted) => batch.push(*submitted),
        }
        next = if jobs.len() + batch.len() < GROUP { queue.try_recv().ok() } else { None };
    }
    run_batch(conn, env, batch, waiting).await?;
    for job in jobs {
        sqlx::raw_sql("SAVEPOINT job").execute(&mut *conn).await?;
        let ran = job.run(&mut *conn, env).await;
        let keep = ran.keep;
        waiting.push(ran);
        end_savepoint(conn, keep).await?;
    }
    Ok(())
}

async fn end_savepoint(conn: &mut AnyConnection, keep: bool) -> Result<()> {
    let end = if keep { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" };
    sqlx::raw_sql(end).execute(&mut *conn).await?;
    Ok(())
}

/// Stores a batch of submissions; if that fails, each one separately. A batch is the first in its transaction, so a failed one is undone by
/// restarting the transaction: a savepoint would keep a copy of each page changed after it.
async fn run_batch(
    conn: &mut AnyConnection,
    env: &TxEnvironment,
    batch: Vec<QueuedSubmission>,
    waiting: &mut Vec<PendingCommit>,
) -> Result<()> {
    let (submissions, replies) = still_awaited(batch);
    if submissions.is_empty() {
        return Ok(());
    }
    let stored = insert(conn, env, &submissions).await;
    if stored.result.is_err() {
        // A full disk, for example, may have ended the transaction already.
        drop(sqlx::raw_sql("ROLLBACK").execute(&mut *conn).await);
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut *conn).await?;
    }
    if !must_split(&stored.result, submissions.len()) {
        waiting.push(stored.answered_to(replies));
        return Ok(());
    }
    for (one, reply) in submissions.chunks(1).zip(replies) {
        sqlx::raw_sql("SAVEPOINT job").execute(&mut *conn).await?;
        let stored = insert(conn, env, one).await;
        end_savepoint(conn, stored.result.is_ok()).await?;
        waiting.push(stored.answered_to(vec![reply]));
    }
    Ok(())
}

/// A batch that was stored or refused, but is not committed yet.
struct BatchResult {
    result: Result<Vec<SubmissionOutcome>>,
    effects: CommitEffects,
}

async fn insert(conn: &mut AnyConnection, env: &TxEnvironment, batch: &[IdentifiedSubmission]) -> BatchResult {
    let mut tx = Tx { conn, dialect: Dialect::Sqlite, effects: CommitEffects::default(), env };
    let result = catch_panic(tx.insert_submissions(batch)).await;
    BatchResult { result, effects: tx.effects }
}

impl BatchResult {
    fn answered_to(self, replies: Vec<SubmissionReply>) -> PendingCommit {
        let Self { result, effects } = self;
        PendingCommit { keep: result.is_ok(), effects, reply: Box::new(move |failed| send_outcomes(failed.map_or(result, Err), replies)) }
    }
}
