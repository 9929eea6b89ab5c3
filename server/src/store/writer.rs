//! How writes reach the database: a bounded queue before one SQLite connection, or before a PostgreSQL pool.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use sqlx::{Any, AnyConnection, AnyPool, pool::PoolConnection};
use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    time::timeout,
};

use super::{Dialect, Tx};
use crate::error::{Error, Result};

/// Jobs that may wait for their turn; more are refused with 503 and Retry-After.
const QUEUE: usize = 1024;
/// Jobs that share one commit at most, so that the first does not wait for ever.
const GROUP: usize = 128;
/// Jobs that PostgreSQL works on at a time. Fewer than the pool has connections, so that reading goes on beside.
const TURNS: usize = 12;
/// How long a job waits for its turn on PostgreSQL: when those before it hang, it would not go better.
const WAIT: Duration = Duration::from_secs(5);
/// How long PostgreSQL may work on one job. (SQLite ends by itself, or not at all.)
const WORK: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub(super) enum Writer {
    Sqlite(mpsc::Sender<Box<dyn Job>>),
    Postgres(Arc<Pooled>),
}

pub(super) struct Pooled {
    pool: AnyPool,
    changes: Arc<watch::Sender<u64>>,
    /// One for each job that waits or is worked on.
    places: Semaphore,
    /// One for each job that is worked on.
    turns: Semaphore,
}

/// A job's work done, its answer held back until the commit.
pub(super) struct Ran {
    keep: bool,
    feedback_changed: bool,
    reply: Box<dyn FnOnce(Option<Error>) + Send>,
}

pub(super) trait Job: Send {
    /// Whether somebody still waits for the answer.
    fn is_wanted(&self) -> bool;

    fn run<'c>(self: Box<Self>, conn: &'c mut AnyConnection) -> BoxFuture<'c, Ran>;
}

struct Work<T, F> {
    work: F,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> Job for Work<T, F>
where
    T: Send + 'static,
    F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>> + Send + 'static,
{
    fn is_wanted(&self) -> bool {
        !self.reply.is_closed()
    }

    fn run<'c>(self: Box<Self>, conn: &'c mut AnyConnection) -> BoxFuture<'c, Ran> {
        Box::pin(async move {
            let Self { work, reply } = *self;
            let mut tx = Tx { conn, dialect: Dialect::Sqlite, feedback_changed: false };
            let result = guarded(work, &mut tx).await;
            Ran {
                keep: result.is_ok(),
                feedback_changed: tx.feedback_changed,
                // The one who asked may have gone away; the work stands all the same.
                reply: Box::new(move |failed| drop(reply.send(failed.map_or(result, Err)))),
            }
        })
    }
}

/// A job's work. A panic in it is a fault of that job alone: the writer, and those who share its commit, go on.
async fn guarded<T, F>(work: F, tx: &mut Tx<'_>) -> Result<T>
where
    F: for<'t> FnOnce(&'t mut Tx<'_>) -> BoxFuture<'t, Result<T>>,
{
    // What the job left half done is rolled back, so nobody sees a broken state.
    let ran = AssertUnwindSafe(async { work(tx).await }).catch_unwind().await;
    ran.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("?");
        Err(Error::internal("panic in a write", text))
    })
}

impl Writer {
    pub(super) fn sqlite(pool: AnyPool, changes: Arc<watch::Sender<u64>>) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(write_groups(pool, receiver, changes));
        Self::Sqlite(sender)
    }

    pub(super) fn postgres(pool: AnyPool, changes: Arc<watch::Sender<u64>>) -> Self {
        Self::Postgres(Arc::new(Pooled { pool, changes, places: Semaphore::new(QUEUE), turns: Semaphore::new(TURNS) }))
    }

    /// Whether a write would find a place.
    pub(super) fn has_room(&self) -> bool {
        match self {
            Self::Sqlite(queue) => !queue.is_closed() && queue.capacity() > 0,
            Self::Postgres(pooled) => pooled.places.available_permits() > 0,
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
                queue.try_send(Box::new(Work { work, reply })).map_err(|_| domain::Error::Busy(1))?;
                answer.await.map_err(|_| Error::Refused(domain::Error::Busy(1)))?
            }
            Self::Postgres(pooled) => {
                let Pooled { pool, changes, places, turns } = &**pooled;
                let _place = places.try_acquire().map_err(|_| domain::Error::Busy(1))?;
                let Ok(Ok(_turn)) = timeout(WAIT, turns.acquire()).await else { return Err(domain::Error::Busy(5).into()) };
                let job = async {
                    let mut transaction = pool.begin().await?;
                    let mut tx = Tx { conn: &mut transaction, dialect: Dialect::Postgres, feedback_changed: false };
                    let value = guarded(work, &mut tx).await?;
                    let changed = tx.feedback_changed;
                    transaction.commit().await?;
                    Ok::<_, Error>((value, changed))
                };
                // Given up, it is rolled back, unless just the answer to COMMIT got lost: the same key then finds it done.
                let Ok(done) = timeout(WORK, job).await else {
                    tracing::warn!("the database did not end a write in time");
                    return Err(domain::Error::Busy(5).into());
                };
                let (value, changed) = done?;
                if changed {
                    changes.send_modify(|n| *n += 1);
                }
                Ok(value)
            }
        }
    }
}

async fn write_groups(pool: AnyPool, mut queue: mpsc::Receiver<Box<dyn Job>>, changes: Arc<watch::Sender<u64>>) {
    while let Some(first) = queue.recv().await {
        let mut conn = match begin(&pool).await {
            Ok(conn) => conn,
            Err(error) => {
                tracing::error!(db.error = %error, "the database takes no writes");
                // Each of the others would wait as long again for the same: whoever asks again later gets a new place. A job that is
                // dropped answers Busy.
                drop(first);
                while queue.try_recv().is_ok() {}
                continue;
            }
        };
        let mut waiting = Vec::with_capacity(GROUP);
        let outcome = write_group(&mut conn, first, &mut queue, &mut waiting).await;
        drop(conn);
        let changed = outcome.is_ok() && waiting.iter().any(|ran| ran.keep && ran.feedback_changed);
        if changed {
            changes.send_modify(|n| *n += 1);
        }
        let failed = outcome.err();
        if let Some(error) = &failed {
            tracing::error!(db.error = %error, jobs = waiting.len(), "a group of writes was not committed");
        }
        for ran in waiting {
            // A refusal stands even when the commit failed: it changed nothing.
            let failure = if ran.keep { failed.as_ref().map(|_| Error::Refused(domain::Error::Busy(5))) } else { None };
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
    first: Box<dyn Job>,
    queue: &mut mpsc::Receiver<Box<dyn Job>>,
    waiting: &mut Vec<Ran>,
) -> Result<()> {
    let mut next = Some(first);
    while let Some(job) = next {
        // Whoever has gone away was told, or believes, that it failed, and may have asked again.
        if job.is_wanted()
            && let Err(error) = run_in_savepoint(conn, job, waiting).await
        {
            // The transaction is in no known state: leave it, and the connection with it.
            drop(sqlx::raw_sql("ROLLBACK").execute(&mut *conn).await);
            return Err(error);
        }
        next = if waiting.len() < GROUP { queue.try_recv().ok() } else { None };
    }
    if let Err(error) = sqlx::raw_sql("COMMIT").execute(&mut *conn).await {
        drop(sqlx::raw_sql("ROLLBACK").execute(&mut *conn).await);
        return Err(error.into());
    }
    Ok(())
}

async fn run_in_savepoint(conn: &mut AnyConnection, job: Box<dyn Job>, waiting: &mut Vec<Ran>) -> Result<()> {
    sqlx::raw_sql("SAVEPOINT job").execute(&mut *conn).await?;
    let ran = job.run(&mut *conn).await;
    let keep = ran.keep;
    waiting.push(ran);
    let end = if keep { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" };
    sqlx::raw_sql(end).execute(&mut *conn).await?;
    Ok(())
}
