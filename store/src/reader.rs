//! Reads with a timeout: a database that stops responding causes an error after some seconds, not an endless wait.

use std::{
    io,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{
    StreamExt, TryStreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx::{
    Any, AnyConnection, AnyPool, Connection, Describe, Either, Error, Execute, Executor, SqlStr,
    any::{AnyQueryResult, AnyRow, AnyStatement, AnyTypeInfo},
    pool::PoolConnectionMetadata,
};
use tokio::time::timeout;

/// Timeout for the result of a statement, or for its next row.
const PATIENCE: Duration = Duration::from_secs(10);
/// Timeout for a liveness check of a connection.
const PING: Duration = Duration::from_secs(1);

/// The pool for read-only statements. A server that disappears without closing its connections (a cable, a firewall, a stopped machine)
/// sends nothing; every statement through here ends nevertheless.
#[derive(Debug, Clone)]
pub struct Reader(pub(super) AnyPool);

impl Reader {
    /// Closes all connections, as at the end of a program; later statements fail because the database is unavailable.
    pub async fn close(&self) {
        self.0.close().await;
    }
}

fn silent() -> Error {
    Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the database does not respond"))
}

impl<'p> Executor<'p> for &'p Reader {
    type Database = Any;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<AnyQueryResult, AnyRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Any>,
    {
        let rows = (&self.0).fetch_many(query);
        stream::try_unfold(rows, |mut rows| async move {
            let next = timeout(PATIENCE, rows.try_next()).await.map_err(|_| silent())??;
            Ok(next.map(|row| (row, rows)))
        })
        .boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<AnyRow>, Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Any>,
    {
        let row = (&self.0).fetch_optional(query);
        Box::pin(async move { timeout(PATIENCE, row).await.map_err(|_| silent())? })
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [AnyTypeInfo]) -> BoxFuture<'e, Result<AnyStatement, Error>>
    where
        'p: 'e,
    {
        let prepared = (&self.0).prepare_with(sql, parameters);
        Box::pin(async move { timeout(PATIENCE, prepared).await.map_err(|_| silent())? })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Any>, Error>>
    where
        'p: 'e,
    {
        let described = (&self.0).describe(sql);
        Box::pin(async move { timeout(PATIENCE, described).await.map_err(|_| silent())? })
    }
}

/// Time at which a statement failed because the schema had changed since it was prepared.
static SCHEMA_CHANGED: Mutex<Option<Instant>> = Mutex::new(None);

/// Records that a newer node's migration changed the result of a prepared statement. Older connections are closed instead of reused: they
/// would reject that statement for as long as they live.
pub(crate) fn schema_changed() {
    #[expect(clippy::disallowed_methods, reason = "how old connections are, not what time it is")]
    let now = Instant::now();
    *SCHEMA_CHANGED.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
}

/// Returns whether a connection was opened before the schema change was detected.
fn is_outdated(known: &PoolConnectionMetadata) -> bool {
    let changed = *SCHEMA_CHANGED.lock().unwrap_or_else(PoisonError::into_inner);
    changed.is_some_and(|at| known.age >= at.elapsed())
}

/// Pool hook before a connection is handed out: a recently used one is trusted, any other must respond.
pub(super) fn before_use(conn: &mut AnyConnection, known: PoolConnectionMetadata) -> BoxFuture<'_, Result<bool, Error>> {
    Box::pin(async move {
        match () {
            () if is_outdated(&known) => Ok(false),
            () if known.idle_for < PING => Ok(true),
            () => answers(conn).await,
        }
    })
}

/// Pool hook when a connection is returned: without a timeout, a hung one would occupy its slot forever.
pub(super) fn after_use(conn: &mut AnyConnection, known: PoolConnectionMetadata) -> BoxFuture<'_, Result<bool, Error>> {
    Box::pin(async move { if is_outdated(&known) { Ok(false) } else { answers(conn).await } })
}

async fn answers(conn: &mut AnyConnection) -> Result<bool, Error> {
    timeout(PING, conn.ping()).await.map_err(|_| silent())??;
    Ok(true)
}
