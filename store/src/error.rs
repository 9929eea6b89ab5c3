//! Errors of use cases and the database: refusals, and internal faults.

use std::fmt;

use thiserror::Error as ThisError;

/// Error type of use cases and the store.
#[derive(Debug, ThisError)]
pub enum Error {
    /// A refusal that the user can act on.
    #[error(transparent)]
    Domain(#[from] domain::DomainError),
    /// A database error. The detail goes to the log, never to the user.
    #[error("database: {0}")]
    Database(sqlx::Error),
    /// Any other internal fault; the text is for the log.
    #[error("{0}")]
    Internal(String),
}

/// Result type of use cases and the store.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match error {
            // No connection in time, or none at all: a retry may succeed. (A connection closed during its handshake shows as a protocol
            // violation.)
            sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_) => {
                tracing::warn!(db.error = %error, "the database is not accepting work");
                Self::Domain(domain::DomainError::Busy(5))
            }
            sqlx::Error::Database(ref inner) if is_outdated_statement(inner.as_ref()) => {
                tracing::warn!(db.error = %error, "the schema changed under a prepared statement; reopening connections");
                crate::schema_changed();
                Self::Domain(domain::DomainError::Busy(1))
            }
            sqlx::Error::Database(ref inner) if is_unavailable(inner.as_ref()) => {
                tracing::warn!(db.error = %error, "the database is not accepting work");
                Self::Domain(domain::DomainError::Busy(5))
            }
            other => Self::Database(other),
        }
    }
}

/// Recognizes PostgreSQL's "cached plan must not change result type" (0A000): during an upgrade, a newer node's migration changed a table.
/// The same statement works on a new connection.
fn is_outdated_statement(error: &dyn sqlx::error::DatabaseError) -> bool {
    error.code().is_some_and(|code| code == "0A000")
}

/// Recognizes transient errors. SQLite: busy (5), locked (6), read-only (8, as on a failed disk), I/O error (10), disk full (13), cannot
/// open (14), with their extended codes. PostgreSQL: connection (08), resources and disk full (53), shutting down (57), transaction rolled
/// back in favour of others (40), idle-in-transaction timeout (25P03).
fn is_unavailable(error: &dyn sqlx::error::DatabaseError) -> bool {
    let Some(code) = error.code() else { return false };
    if code.len() == 5 && !code.starts_with('0') || code.starts_with("08") {
        return ["08", "40", "53", "57", "25P03"].iter().any(|class| code.starts_with(class));
    }
    code.parse::<u32>().is_ok_and(|n| matches!(n & 0xff, 5 | 6 | 8 | 10 | 13 | 14))
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::internal("stored JSON", error)
    }
}

impl Error {
    /// Creates an internal error with its context.
    pub fn internal(what: &str, detail: impl fmt::Display) -> Self {
        Self::Internal(format!("{what}: {detail}"))
    }

    /// Returns the refusal, or `None` for an internal fault.
    #[must_use]
    pub fn refusal(&self) -> Option<&domain::DomainError> {
        match self {
            Self::Domain(refusal) => Some(refusal),
            _ => None,
        }
    }
}
