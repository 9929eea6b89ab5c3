//! Read-only inspection of a database; not even its schema changes.

use std::path::Path;

use sqlx::{AnyConnection, Connection};

use super::{migrate, sqlite_options};
use crate::error::{Error, Result};

/// Facts read from a database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DatabaseFacts {
    /// Its newest migration; 0 for none.
    pub migration: i64,
    /// Id that distinguishes this database from others.
    pub instance: Option<String>,
    /// Number of projects.
    pub projects: i64,
    /// Number of pieces of feedback.
    pub feedback: i64,
    /// Number of accounts.
    pub staff: i64,
    /// Failed jobs: kind and reason.
    pub dead: Vec<(String, String)>,
    /// Number of failed e-mails.
    pub failed_emails: i64,
    /// Number of failed webhook deliveries.
    pub dead_deliveries: i64,
    /// Number of webhooks that the program disabled after repeated failures.
    pub webhooks_off: i64,
}

/// Returns the newest migration known to this program.
#[must_use]
pub fn newest_migration() -> i64 {
    migrate::SQLITE.iter().map(|m| m.version).max().unwrap_or_default()
}

/// Reads the facts of the database at `url`, or else of the embedded one in `data`.
///
/// # Errors
/// When the database cannot be reached or is not an Earshot database.
pub async fn inspect_database(url: Option<&str>, data: &Path) -> Result<DatabaseFacts> {
    sqlx::any::install_default_drivers();
    let mut conn = match url {
        Some(url) => AnyConnection::connect(url).await?,
        None => AnyConnection::connect_with(&sqlite_options(&data.join("earshot.db"), "ro")?).await?,
    };
    let migration: Option<Option<i64>> =
        sqlx::query_scalar("SELECT MAX(version) FROM _sqlx_migrations WHERE success").fetch_optional(&mut conn).await.unwrap_or_default();
    let mut facts = DatabaseFacts { migration: migration.flatten().unwrap_or_default(), ..DatabaseFacts::default() };
    if facts.migration == 0 {
        return Ok(facts);
    }
    facts.instance = sqlx::query_scalar("SELECT instance FROM installation WHERE id = 1").fetch_optional(&mut conn).await?;
    // Until then, keys of the API were rows of `staff` as well.
    let counts = if facts.migration >= 23 {
        "SELECT (SELECT COUNT(*) FROM projects), (SELECT COUNT(*) FROM feedback), (SELECT COUNT(*) FROM accounts)"
    } else {
        "SELECT (SELECT COUNT(*) FROM projects), (SELECT COUNT(*) FROM feedback), (SELECT COUNT(*) FROM staff WHERE password_hash <> '')"
    };
    (facts.projects, facts.feedback, facts.staff) = sqlx::query_as(counts).fetch_one(&mut conn).await?;
    facts.dead = sqlx::query_as("SELECT kind, COALESCE(last_error, '') FROM jobs WHERE state = 'dead' ORDER BY finished_at DESC LIMIT 5")
        .fetch_all(&mut conn)
        .await?;
    // Databases of earlier versions do not have these tables.
    if facts.migration >= 6 {
        facts.failed_emails = sqlx::query_scalar("SELECT COUNT(*) FROM letters WHERE state = 'dead'").fetch_one(&mut conn).await?;
    }
    if facts.migration >= 8 {
        (facts.dead_deliveries, facts.webhooks_off) = sqlx::query_as(
            "SELECT (SELECT COUNT(*) FROM webhook_deliveries d JOIN webhook_endpoints e ON e.id = d.endpoint_id WHERE d.state = 'dead' AND e.enabled = 1), \
             (SELECT COUNT(*) FROM webhook_endpoints WHERE enabled = 0 AND disabled_reason IS NOT NULL)",
        )
        .fetch_one(&mut conn)
        .await?;
    }
    conn.close().await.map_err(|e| Error::internal("database", e))?;
    Ok(facts)
}
