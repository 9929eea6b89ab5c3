//! Sessions of signed-in people, for tower-sessions. The cookie's value is a secret: only its hash is stored.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use async_trait::async_trait;
use domain::{Clock, Timestamp, ids::StaffId};
use time::OffsetDateTime;
use tower_sessions::{
    SessionStore,
    session::{Error as UseError, Id, Record},
    session_store::{Error as SessionError, Result as SessionResult},
};

use super::{Store, Tx};
use crate::{
    error::{Error, Result},
    hash::hash_token,
};

/// Key of the signed-in person's id in the session data.
pub const STAFF: &str = "staff";
/// Key of the browser's user-agent header at sign-in.
pub const USER_AGENT_KEY: &str = "agent";
/// Key of the network address at sign-in.
pub const ADDRESS: &str = "address";
/// Key of the time of the last renewal, in milliseconds.
pub const RENEWED_AT_KEY: &str = "renewed";
/// Days without use after which a session expires.
pub const SESSION_DAYS: i64 = 14;

/// Session store for tower-sessions, backed by this database.
#[derive(Clone)]
pub struct Sessions {
    store: Store,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sessions")
    }
}

impl Sessions {
    /// Creates a session store from a store and a clock.
    #[must_use]
    pub fn new(store: Store, clock: Arc<dyn Clock>) -> Self {
        Self { store, clock }
    }
}

/// Returns the stored form of a session id.
#[must_use]
pub fn session_hash(id: &Id) -> String {
    hash_token(&id.to_string())
}

tokio::task_local! {
    static FAILURE: RefCell<Option<Error>>;
}

/// Runs `work`, and returns with its result the last error of the session store. tower-sessions reports only a text, and does not report an
/// error when saving a session after the response at all.
pub async fn capturing_store_errors<T>(work: impl Future<Output = T>) -> (T, Option<Error>) {
    FAILURE
        .scope(RefCell::new(None), async {
            let done = work.await;
            (done, FAILURE.with(RefCell::take))
        })
        .await
}

/// Stores the error for [`capturing_store_errors`] and converts it for the caller.
fn backend(error: impl Into<Error>) -> SessionError {
    let error = error.into();
    let text = error.to_string();
    // Outside a request no caller collects it.
    drop(FAILURE.try_with(|failure| failure.replace(Some(error))));
    SessionError::Backend(text)
}

impl From<UseError> for Error {
    fn from(error: UseError) -> Self {
        let cause = FAILURE.try_with(RefCell::take).ok().flatten();
        cause.unwrap_or_else(|| Self::internal("session", error))
    }
}

fn text(record: &Record, key: &str) -> Option<String> {
    record.data.get(key).and_then(|v| v.as_str()).map(ToOwned::to_owned)
}

#[async_trait]
impl SessionStore for Sessions {
    async fn create(&self, record: &mut Record) -> SessionResult<()> {
        let hash = session_hash(&record.id);
        let data = serde_json::to_string(&record.data).map_err(|e| SessionError::Encode(e.to_string()))?;
        let staff = text(record, STAFF).and_then(|s| s.parse::<StaffId>().ok());
        let (agent, address) = (text(record, USER_AGENT_KEY), text(record, ADDRESS));
        let now = self.clock.now();
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    // 128 random bits do not collide; if they did, the insert would fail and nobody would get another person's session.
                    sqlx::query(
                        "INSERT INTO sessions (id_hash, staff_id, data, user_agent, address, created_at, seen_at, expires_at) \
                         VALUES ($1, $2, $3, $4, $5, $6, $6, $7)",
                    )
                    .bind(hash)
                    .bind(staff.map(|s| s.to_string()))
                    .bind(data)
                    .bind(agent)
                    .bind(address)
                    .bind(now.0)
                    .bind(now.plus_days(SESSION_DAYS).0)
                    .execute(tx.conn())
                    .await?;
                    Ok(())
                })
            })
            .await
            .map_err(backend)
    }

    async fn save(&self, record: &Record) -> SessionResult<()> {
        let hash = session_hash(&record.id);
        let data = serde_json::to_string(&record.data).map_err(|e| SessionError::Encode(e.to_string()))?;
        let staff = text(record, STAFF).and_then(|s| s.parse::<StaffId>().ok());
        let now = self.clock.now();
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    // Only an update: a session revoked during its request is not restored.
                    sqlx::query("UPDATE sessions SET staff_id = $2, data = $3, seen_at = $4, expires_at = $5 WHERE id_hash = $1")
                        .bind(hash)
                        .bind(staff.map(|s| s.to_string()))
                        .bind(data)
                        .bind(now.0)
                        .bind(now.plus_days(SESSION_DAYS).0)
                        .execute(tx.conn())
                        .await?;
                    Ok(())
                })
            })
            .await
            .map_err(backend)
    }

    async fn load(&self, id: &Id) -> SessionResult<Option<Record>> {
        let row: Option<(String, i64)> = sqlx::query_as("SELECT data, expires_at FROM sessions WHERE id_hash = $1 AND expires_at > $2")
            .bind(session_hash(id))
            .bind(self.clock.now().0)
            .fetch_optional(self.store.reader())
            .await
            .map_err(backend)?;
        let Some((data, expires)) = row else { return Ok(None) };
        let data: HashMap<String, serde_json::Value> = serde_json::from_str(&data).map_err(|e| SessionError::Decode(e.to_string()))?;
        let expiry_date = OffsetDateTime::from_unix_timestamp(expires / 1000).map_err(|e| SessionError::Decode(e.to_string()))?;
        Ok(Some(Record { id: *id, data, expiry_date }))
    }

    async fn delete(&self, id: &Id) -> SessionResult<()> {
        let hash = session_hash(id);
        self.store
            .write(move |tx| {
                Box::pin(async move {
                    sqlx::query("DELETE FROM sessions WHERE id_hash = $1").bind(hash).execute(tx.conn()).await?;
                    Ok(())
                })
            })
            .await
            .map_err(backend)
    }
}

/// One of a person's sessions.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct SessionRow {
    /// Hash of the session id; identifies the session but cannot be used as one.
    pub id_hash: String,
    /// The browser's user-agent header at sign-in.
    pub user_agent: Option<String>,
    /// The network address at sign-in.
    pub address: Option<String>,
    /// When the person signed in, in milliseconds.
    pub created_at: i64,
    /// When it was last written, in milliseconds.
    pub seen_at: i64,
}

impl Store {
    /// Returns a person's valid sessions, latest use first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sessions_of(&self, staff: StaffId, now: Timestamp) -> Result<Vec<SessionRow>> {
        Ok(sqlx::query_as(
            "SELECT id_hash, user_agent, address, created_at, seen_at FROM sessions WHERE staff_id = $1 AND expires_at > $2 \
             ORDER BY seen_at DESC, created_at DESC, id_hash",
        )
        .bind(staff.to_string())
        .bind(now.0)
        .fetch_all(self.reader())
        .await?)
    }
}

impl Tx<'_> {
    /// Deletes one of a person's sessions; `false` if it is not theirs.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_session(&mut self, staff: StaffId, id_hash: &str) -> Result<bool> {
        let done = sqlx::query("DELETE FROM sessions WHERE staff_id = $1 AND id_hash = $2")
            .bind(staff.to_string())
            .bind(id_hash.to_owned())
            .execute(self.conn())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Deletes all of a person's sessions except the one with this hash; returns the number deleted.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_sessions(&mut self, staff: StaffId, but: Option<&str>) -> Result<u64> {
        let done = sqlx::query("DELETE FROM sessions WHERE staff_id = $1 AND id_hash <> $2")
            .bind(staff.to_string())
            .bind(but.unwrap_or_default().to_owned())
            .execute(self.conn())
            .await?;
        Ok(done.rows_affected())
    }

    /// Deletes expired sessions.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_ended_sessions(&mut self, now: Timestamp) -> Result<()> {
        sqlx::query("DELETE FROM sessions WHERE expires_at <= $1").bind(now.0).execute(self.conn()).await?;
        Ok(())
    }
}
