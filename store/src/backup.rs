//! Copies of the SQLite database, made without blocking readers or writers, and checked before they replace it.

use std::path::Path;

use sqlx::{AnyConnection, Connection};

use super::{migrate, sqlite_options};
use crate::error::{Error, Result};

/// Contents of a database file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupContents {
    /// Number of projects.
    pub projects: i64,
    /// Number of pieces of feedback.
    pub feedback: i64,
    /// Its newest migration.
    pub migration: i64,
}

/// Writes a snapshot of the database `from` to the file `to`, which must not exist. Does not block concurrent readers or writers
/// (<https://www.sqlite.org/lang_vacuum.html#vacuuminto>).
///
/// # Errors
/// When the database cannot be read or the file cannot be written.
pub async fn copy(from: &Path, to: &Path) -> Result<()> {
    sqlx::any::install_default_drivers();
    // Reading a write-ahead log needs write access to its directory; a lone backup may be on a read-only disk.
    let mut log = from.as_os_str().to_owned();
    log.push("-wal");
    let has_log = Path::new(&log).exists();
    let mut conn = AnyConnection::connect_with(&sqlite_options(from, if has_log { "rw" } else { "ro" })?).await?;
    sqlx::raw_sql("PRAGMA busy_timeout = 5000").execute(&mut conn).await?;
    let name = to.to_str().ok_or_else(|| Error::internal("backup", "the file name is not valid text"))?;
    sqlx::query("VACUUM INTO $1").bind(name.to_owned()).execute(&mut conn).await?;
    conn.close().await?;
    Ok(())
}

/// Reads the whole file and returns a summary of its contents.
///
/// # Errors
/// When the file is damaged, is not an Earshot database, or comes from a newer version of the program.
pub async fn check(file: &Path) -> Result<BackupContents> {
    sqlx::any::install_default_drivers();
    let strange = |what: &str| Error::internal("this is not a backup of Earshot", what);
    let mut conn = AnyConnection::connect_with(&sqlite_options(file, "ro")?).await.map_err(|_| strange("it cannot be opened"))?;
    let found: Vec<String> =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut conn).await.map_err(|_| strange("it is not a SQLite database"))?;
    if found != ["ok"] {
        return Err(Error::internal("the file is damaged", found.join("; ")));
    }
    let count = "SELECT (SELECT COUNT(*) FROM projects) AS projects, (SELECT COUNT(*) FROM feedback) AS feedback, \
                 (SELECT MAX(version) FROM _sqlx_migrations WHERE success) AS migration";
    let (projects, feedback, migration): (i64, i64, i64) =
        sqlx::query_as(count).fetch_one(&mut conn).await.map_err(|_| strange("it has other tables"))?;
    conn.close().await?;
    let newest = migrate::SQLITE.iter().map(|m| m.version).max().unwrap_or_default();
    if migration > newest {
        return Err(Error::internal("the backup is from a newer Earshot", "install that version first, then restore"));
    }
    Ok(BackupContents { projects, feedback, migration })
}
