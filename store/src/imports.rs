//! Imports, their files and bad rows.

use std::collections::HashSet;

use domain::{
    Timestamp,
    accounts::Scope,
    ids::{ImportId, ProjectId, StaffId},
    imports::{Encoding, Example, Fault, Group, Groups, ImportStatus, Mapping},
};
use sqlx::FromRow;

use super::{Dialect, Store, Tx, id, optional_id, or_instead, rows::rows};
use crate::error::{Error, Result};

/// Bad lines that are kept of one import; more are only counted.
pub const BAD_LINES_KEPT: i64 = 10_000;

/// Files of a project that are kept after their import, for a week, so that it can be done again with other columns.
const FILES_KEPT: i64 = 5;

/// One import.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// Identity.
    pub id: ImportId,
    /// Whose.
    pub project: ProjectId,
    /// The file's name.
    pub name: String,
    /// Where the file is.
    pub source: Source,
    /// SHA-256 of the file.
    pub file_hash: String,
    /// The encoding that it seems to be in; `None` until all of it is here.
    pub encoding: Option<Encoding>,
    /// Which column becomes what; `None` until somebody said so.
    pub mapping: Option<Mapping>,
    /// How far it has come.
    pub status: ImportStatus,
    /// Size of the file.
    pub bytes_total: i64,
    /// How much of it is read.
    pub bytes_done: i64,
    /// Rows that went in.
    pub added: i64,
    /// Rows that were there already.
    pub known: i64,
    /// Lines that could not go in.
    pub bad: i64,
    /// Rows that taking it back removed.
    pub removed: i64,
    /// Why it failed, for a person.
    pub error: Option<String>,
    /// Who began it.
    pub created_by: Option<StaffId>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it last moved.
    pub updated_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

impl Import {
    /// Whether it was taken back, or is about to be.
    #[must_use]
    pub fn is_taken_back(&self) -> bool {
        matches!(self.status, ImportStatus::TakingBack | ImportStatus::TakenBack)
    }

    /// Whether it was read to its end and there is nothing of it: no row went in, and none was there before.
    #[must_use]
    pub fn brought_nothing(&self) -> bool {
        self.status == ImportStatus::Done && self.bad > 0 && self.added + self.known == 0
    }
}

/// Where an import's file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// With us, in pieces.
    Upload,
    /// With the command that reads it.
    Command,
}

impl Source {
    fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Command => "command",
        }
    }
}

/// A file that arrived whole.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// Its SHA-256.
    pub hash: String,
    /// The encoding that it seems to be in.
    pub encoding: Encoding,
    /// Its size.
    pub bytes: i64,
    /// How many pieces it is kept in.
    pub chunks: i64,
}

/// What is left of an import's rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromRow)]
pub struct Brought {
    /// Rows that are as they came.
    pub untouched: i64,
    /// Rows that somebody triaged, tagged, commented or linked.
    pub touched: i64,
}

/// A line that could not go in.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct BadLine {
    /// The line's number in the file, from 1, where its row begins.
    pub line: i64,
    /// Why.
    pub reason: String,
}

/// The columns of [`Row`].
macro_rules! columns {
    () => {
        "id, project_id, name, source, file_hash, encoding, mapping, status, bytes_total, bytes_done, rows_added, rows_known, rows_bad, rows_removed, error, \
         created_by, created_at, updated_at, finished_at"
    };
}

#[derive(FromRow)]
struct Row {
    id: String,
    project_id: String,
    name: String,
    source: String,
    file_hash: String,
    encoding: String,
    mapping: String,
    status: String,
    bytes_total: i64,
    bytes_done: i64,
    rows_added: i64,
    rows_known: i64,
    rows_bad: i64,
    rows_removed: i64,
    error: Option<String>,
    created_by: Option<String>,
    created_at: i64,
    updated_at: i64,
    finished_at: Option<i64>,
}

impl TryFrom<Row> for Import {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: id(&row.id)?,
            project: id(&row.project_id)?,
            name: row.name,
            source: if row.source == "command" { Source::Command } else { Source::Upload },
            file_hash: row.file_hash,
            encoding: Encoding::parse(&row.encoding),
            mapping: if row.mapping.is_empty() { None } else { or_instead("mapping", serde_json::from_str(&row.mapping).ok(), None) },
            status: or_instead("status of an import", ImportStatus::parse(&row.status), ImportStatus::Failed),
            bytes_total: row.bytes_total,
            bytes_done: row.bytes_done,
            added: row.rows_added,
            known: row.rows_known,
            bad: row.rows_bad,
            removed: row.rows_removed,
            error: row.error,
            created_by: optional_id(row.created_by.as_deref())?,
            created_at: Timestamp(row.created_at),
            updated_at: Timestamp(row.updated_at),
            finished_at: row.finished_at.map(Timestamp),
        })
    }
}

impl Store {
    /// The project's latest imports, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn imports(&self, scope: &Scope, most: i64) -> Result<Vec<Import>> {
        let rows: Vec<Row> = sqlx::query_as(concat!(
            "SELECT ",
            columns!(),
            " FROM imports WHERE project_id = $1 AND status <> 'uploading' ORDER BY created_at DESC, id DESC LIMIT $2"
        ))
        .bind(scope.project().to_string())
        .bind(most)
        .fetch_all(self.reader())
        .await?;
        rows.into_iter().map(Import::try_from).collect()
    }

    /// One import.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn import(&self, scope: &Scope, import: ImportId) -> Result<Option<Import>> {
        let row: Option<Row> = sqlx::query_as(concat!("SELECT ", columns!(), " FROM imports WHERE project_id = $1 AND id = $2"))
            .bind(scope.project().to_string())
            .bind(import.to_string())
            .fetch_optional(self.reader())
            .await?;
        row.map(Import::try_from).transpose()
    }

    /// The latest finished import of the same file, other than `but`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn import_of_file(&self, scope: &Scope, file_hash: &str, but: ImportId) -> Result<Option<Import>> {
        let row: Option<Row> = sqlx::query_as(concat!(
            "SELECT ",
            columns!(),
            " FROM imports WHERE project_id = $1 AND file_hash = $2 AND id <> $3 AND status = 'done' ORDER BY created_at DESC LIMIT 1"
        ))
        .bind(scope.project().to_string())
        .bind(file_hash.to_owned())
        .bind(but.to_string())
        .fetch_optional(self.reader())
        .await?;
        row.map(Import::try_from).transpose()
    }

    /// The import that an earlier run of the same command on the same file left unfinished.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unfinished_command(&self, scope: &Scope, file_hash: &str, mapping: &Mapping) -> Result<Option<Import>> {
        let row: Option<Row> = sqlx::query_as(concat!(
            "SELECT ",
            columns!(),
            " FROM imports WHERE project_id = $1 AND file_hash = $2 AND mapping = $3 AND source = 'command' AND status = 'running' \
             ORDER BY created_at DESC LIMIT 1"
        ))
        .bind(scope.project().to_string())
        .bind(file_hash.to_owned())
        .bind(serde_json::to_string(mapping)?)
        .fetch_optional(self.reader())
        .await?;
        row.map(Import::try_from).transpose()
    }

    /// A piece of an uploaded file.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn import_chunk(&self, scope: &Scope, import: ImportId, n: i64) -> Result<Option<Vec<u8>>> {
        Ok(sqlx::query_scalar(
            "SELECT c.bytes FROM import_chunks c JOIN imports i ON i.id = c.import_id WHERE i.project_id = $1 AND c.import_id = $2 AND c.n = $3",
        )
        .bind(scope.project().to_string())
        .bind(import.to_string())
        .bind(n)
        .fetch_optional(self.reader())
        .await?)
    }

    /// Whether the file of an import is still here.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keeps_import_file(&self, scope: &Scope, import: ImportId) -> Result<bool> {
        let first: Option<i64> = sqlx::query_scalar(
            "SELECT c.n FROM import_chunks c JOIN imports i ON i.id = c.import_id WHERE i.project_id = $1 AND c.import_id = $2 LIMIT 1",
        )
        .bind(scope.project().to_string())
        .bind(import.to_string())
        .fetch_optional(self.reader())
        .await?;
        Ok(first.is_some())
    }

    /// What was wrong with an import's rows, by kind.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn import_problems(&self, scope: &Scope, import: ImportId) -> Result<Groups> {
        let rows: Vec<ProblemRow> = sqlx::query_as(
            "SELECT p.fault, p.row_count, p.examples FROM import_problems p JOIN imports i ON i.id = p.import_id \
             WHERE i.project_id = $1 AND p.import_id = $2",
        )
        .bind(scope.project().to_string())
        .bind(import.to_string())
        .fetch_all(self.reader())
        .await?;
        Ok(groups(rows))
    }

    /// What is left of the rows that an import brought. One that ran before rows named their import has none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn brought_by(&self, scope: &Scope, import: ImportId) -> Result<Brought> {
        Ok(sqlx::query_as(
            "SELECT COUNT(CASE WHEN f.version = 1 THEN f.id END) AS untouched, COUNT(CASE WHEN f.version > 1 THEN f.id END) AS touched \
             FROM feedback f WHERE f.import_id = $1 AND f.project_id = $2",
        )
        .bind(import.to_string())
        .bind(scope.project().to_string())
        .fetch_one(self.reader())
        .await?)
    }

    /// Bad lines of an import after line `after`, in the order of the file.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn bad_lines(&self, scope: &Scope, import: ImportId, after: i64, most: i64) -> Result<Vec<BadLine>> {
        Ok(sqlx::query_as(
            "SELECT e.line, e.reason FROM import_errors e JOIN imports i ON i.id = e.import_id \
             WHERE i.project_id = $1 AND e.import_id = $2 AND e.line > $3 ORDER BY e.line LIMIT $4",
        )
        .bind(scope.project().to_string())
        .bind(import.to_string())
        .bind(after)
        .bind(most)
        .fetch_all(self.reader())
        .await?)
    }
}

#[derive(FromRow)]
struct ProblemRow {
    fault: String,
    row_count: i64,
    examples: String,
}

fn groups(rows: Vec<ProblemRow>) -> Groups {
    let mut groups = Groups::default();
    for row in rows {
        // A kind that only a newer version knows is not shown.
        if let Some(fault) = Fault::parse(&row.fault) {
            let examples: Vec<Example> = or_instead("list of examples", serde_json::from_str(&row.examples).ok(), Vec::new());
            groups.join(Group { fault, rows: row.row_count, examples });
        }
    }
    groups
}

rows! {
    /// A line that could not go in.
    struct BadLineRow<'a> in "import_errors" {
        import_id: ImportId as "TEXT",
        line: i64 as "BIGINT",
        reason: &'a str as "TEXT",
    }
}

fn known(dialect: Dialect) -> &'static str {
    match dialect {
        // CROSS JOIN: from the list to the rows; the other way round reads all rows of the project for each key.
        Dialect::Sqlite => {
            "SELECT f.source_key FROM json_each($2) j CROSS JOIN feedback f ON f.source_key = j.value WHERE f.project_id = $1"
        }
        Dialect::Postgres => {
            "SELECT f.source_key FROM json_array_elements_text(CAST($2 AS json)) j JOIN feedback f ON f.source_key = j WHERE f.project_id = $1"
        }
    }
}

impl Store {
    /// Those of the keys whose rows went in before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn known_feedback(&self, scope: &Scope, source_keys: &[&str]) -> Result<HashSet<String>> {
        let sql = known(self.dialect());
        let keys: Vec<String> = sqlx::query_scalar(sql)
            .bind(scope.project().to_string())
            .bind(serde_json::to_string(source_keys)?)
            .fetch_all(self.reader())
            .await?;
        Ok(keys.into_iter().collect())
    }
}

impl Tx<'_> {
    /// Adds an import.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_import(&mut self, import: &Import) -> Result<()> {
        sqlx::query(
            "INSERT INTO imports (id, project_id, name, source, file_hash, mapping, status, bytes_total, bytes_done, rows_added, rows_known, \
             rows_bad, created_by, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, 0, 0, $9, $10, $10)",
        )
        .bind(import.id.to_string())
        .bind(import.project.to_string())
        .bind(import.name.clone())
        .bind(import.source.as_str())
        .bind(import.file_hash.clone())
        .bind(import.mapping.as_ref().map(serde_json::to_string).transpose()?.unwrap_or_default())
        .bind(import.status.as_str())
        .bind(import.bytes_total)
        .bind(import.created_by.map(|s| s.to_string()))
        .bind(import.created_at.0)
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// How many files of a project are here, or on their way, without being imported.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn waiting_imports(&mut self, project: ProjectId) -> Result<i64> {
        Ok(sqlx::query_scalar(
            "SELECT COUNT(*) FROM imports WHERE project_id = $1 AND source = 'upload' AND status IN ('uploading', 'ready')",
        )
        .bind(project.to_string())
        .fetch_one(self.conn())
        .await?)
    }

    /// Keeps a piece of the file while it arrives.
    ///
    /// # Errors
    /// When the database fails; not found when the import no longer takes pieces.
    pub async fn put_import_chunk(&mut self, scope: &Scope, import: ImportId, n: i64, bytes: Vec<u8>) -> Result<()> {
        let done = sqlx::query(
            "INSERT INTO import_chunks (import_id, n, bytes) SELECT id, $2, $3 FROM imports WHERE id = $1 AND project_id = $4 AND status = 'uploading' \
             ON CONFLICT (import_id, n) DO UPDATE SET bytes = excluded.bytes",
        )
        .bind(import.to_string())
        .bind(n)
        .bind(bytes)
        .bind(scope.project().to_string())
        .execute(self.conn())
        .await?;
        if done.rows_affected() == 0 { Err(domain::Error::NotFound.into()) } else { Ok(()) }
    }

    /// The whole file is here.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn import_arrived(&mut self, scope: &Scope, import: ImportId, file: &Arrived, now: Timestamp) -> Result<()> {
        sqlx::query("DELETE FROM import_chunks WHERE import_id = (SELECT id FROM imports WHERE id = $1 AND project_id = $3) AND n >= $2")
            .bind(import.to_string())
            .bind(file.chunks)
            .bind(scope.project().to_string())
            .execute(self.conn())
            .await?;
        sqlx::query(
            "UPDATE imports SET status = 'ready', file_hash = $2, bytes_total = $3, updated_at = $4, encoding = $6 \
             WHERE id = $1 AND project_id = $5 AND status = 'uploading'",
        )
        .bind(import.to_string())
        .bind(file.hash.clone())
        .bind(file.bytes)
        .bind(now.0)
        .bind(scope.project().to_string())
        .bind(file.encoding.as_str())
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// Sets an import going; `false` when it was not in the state `from`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn start_import(&mut self, scope: &Scope, import: ImportId, mapping: Option<&Mapping>, now: Timestamp) -> Result<bool> {
        let done = match mapping {
            Some(mapping) => {
                sqlx::query(
                    "UPDATE imports SET status = 'running', mapping = $3, error = NULL, updated_at = $4 \
                     WHERE project_id = $1 AND id = $2 AND status = 'ready'",
                )
                .bind(scope.project().to_string())
                .bind(import.to_string())
                .bind(serde_json::to_string(mapping)?)
                .bind(now.0)
                .execute(self.conn())
                .await?
            }
            None => {
                sqlx::query(
                    "UPDATE imports SET status = 'running', error = NULL, finished_at = NULL, updated_at = $3 \
                     WHERE project_id = $1 AND id = $2 AND source = 'upload' AND status IN ('cancelled', 'failed') \
                     AND EXISTS (SELECT 1 FROM import_chunks c WHERE c.import_id = imports.id)",
                )
                .bind(scope.project().to_string())
                .bind(import.to_string())
                .bind(now.0)
                .execute(self.conn())
                .await?
            }
        };
        Ok(done.rows_affected() == 1)
    }

    /// Stops an import, or gives up choosing other columns for one that ran before; what went in stays. `false` when there is nothing to stop.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn cancel_import(&mut self, scope: &Scope, import: ImportId, now: Timestamp) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE imports SET status = 'cancelled', updated_at = $3, finished_at = $3 \
             WHERE project_id = $1 AND id = $2 AND status IN ('running', 'ready')",
        )
        .bind(scope.project().to_string())
        .bind(import.to_string())
        .bind(now.0)
        .execute(self.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Goes back to choosing columns after a run, with the same file; `false` when that is gone, or the import runs.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reopen_import(&mut self, scope: &Scope, import: ImportId, now: Timestamp) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE imports SET status = 'ready', bytes_done = 0, rows_added = 0, rows_known = 0, rows_bad = 0, error = NULL, finished_at = NULL, \
             updated_at = $3 WHERE project_id = $1 AND id = $2 AND source = 'upload' AND status IN ('done', 'cancelled', 'failed') \
             AND EXISTS (SELECT 1 FROM import_chunks c WHERE c.import_id = imports.id)",
        )
        .bind(scope.project().to_string())
        .bind(import.to_string())
        .bind(now.0)
        .execute(self.conn())
        .await?;
        if done.rows_affected() == 1 {
            self.forget_problems(import).await?;
        }
        Ok(done.rows_affected() == 1)
    }

    async fn forget_problems(&mut self, import: ImportId) -> Result<()> {
        for sql in ["DELETE FROM import_errors WHERE import_id = $1", "DELETE FROM import_problems WHERE import_id = $1"] {
            sqlx::query(sql).bind(import.to_string()).execute(self.conn()).await?;
        }
        Ok(())
    }

    /// Adds to what was counted of an import's problems.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_problems(&mut self, import: ImportId, more: Groups) -> Result<()> {
        if more.all().is_empty() {
            return Ok(());
        }
        let rows: Vec<ProblemRow> = sqlx::query_as("SELECT fault, row_count, examples FROM import_problems WHERE import_id = $1")
            .bind(import.to_string())
            .fetch_all(self.conn())
            .await?;
        let mut all = groups(rows);
        more.all().iter().cloned().for_each(|group| all.join(group));
        for Group { fault, rows, examples } in all.all() {
            sqlx::query(
                "INSERT INTO import_problems (import_id, fault, row_count, examples) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (import_id, fault) DO UPDATE SET row_count = excluded.row_count, examples = excluded.examples",
            )
            .bind(import.to_string())
            .bind(fault.as_str())
            .bind(*rows)
            .bind(serde_json::to_string(examples)?)
            .execute(self.conn())
            .await?;
        }
        Ok(())
    }

    /// Removes an import that brought nothing and does not run, with its file; `false` when it did run.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn discard_import(&mut self, scope: &Scope, import: ImportId) -> Result<bool> {
        let found: Option<String> = sqlx::query_scalar(
            "SELECT id FROM imports WHERE project_id = $1 AND id = $2 AND status = 'ready' \
             AND NOT EXISTS (SELECT 1 FROM feedback f WHERE f.import_id = imports.id)",
        )
        .bind(scope.project().to_string())
        .bind(import.to_string())
        .fetch_optional(self.conn())
        .await?;
        if found.is_none() {
            return Ok(false);
        }
        self.drop_import_file(import).await?;
        self.forget_problems(import).await?;
        sqlx::query("DELETE FROM imports WHERE id = $1").bind(import.to_string()).execute(self.conn()).await?;
        Ok(true)
    }

    async fn drop_import_file(&mut self, import: ImportId) -> Result<()> {
        sqlx::query("DELETE FROM import_chunks WHERE import_id = $1").bind(import.to_string()).execute(self.conn()).await?;
        Ok(())
    }

    /// Notes how far a running import is, in the same transaction as its rows; `false` when it is no longer running or
    /// somebody else carried it on from where `before` was.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn import_progress(&mut self, before: &Import, after: &Import, now: Timestamp) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE imports SET bytes_done = $3, rows_added = $4, rows_known = $5, rows_bad = $6, updated_at = $7 \
             WHERE id = $1 AND status = 'running' AND bytes_done = $2",
        )
        .bind(before.id.to_string())
        .bind(before.bytes_done)
        .bind(after.bytes_done)
        .bind(after.added)
        .bind(after.known)
        .bind(after.bad)
        .bind(now.0)
        .execute(self.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// As [`Store::known_feedback`], with what this transaction did.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn known_feedback(&mut self, project: ProjectId, source_keys: &[&str]) -> Result<HashSet<String>> {
        let sql = known(self.dialect());
        let keys: Vec<String> =
            sqlx::query_scalar(sql).bind(project.to_string()).bind(serde_json::to_string(source_keys)?).fetch_all(self.conn()).await?;
        Ok(keys.into_iter().collect())
    }

    /// Begins to take an import back; its file goes. `false` when it still runs or was taken back. A command that was not heard of
    /// since `silent` has ended.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn start_take_back(&mut self, scope: &Scope, import: ImportId, silent: Timestamp, now: Timestamp) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE imports SET status = 'taking_back', error = NULL, updated_at = $3 WHERE project_id = $1 AND id = $2 \
             AND (status IN ('done', 'cancelled', 'failed') OR (status = 'taking_back' AND error IS NOT NULL) \
             OR (status = 'running' AND source = 'command' AND updated_at < $4))",
        )
        .bind(scope.project().to_string())
        .bind(import.to_string())
        .bind(now.0)
        .bind(silent.0)
        .execute(self.conn())
        .await?;
        if done.rows_affected() == 1 {
            self.drop_import_file(import).await?;
        }
        Ok(done.rows_affected() == 1)
    }

    /// Removes up to `most` untouched records of an import that is being taken back, with the contacts that only they spoke of. Gives
    /// how many there were.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn take_back_rows(&mut self, scope: &Scope, import: ImportId, most: i64, now: Timestamp) -> Result<usize> {
        let project = scope.project();
        // In the order of ids, as everybody holds records, so that two transactions cannot wait for each other.
        let held = match self.dialect() {
            Dialect::Sqlite => {
                "SELECT f.id, f.contact_id FROM feedback f WHERE f.import_id = $1 AND f.version = 1 AND f.project_id = $2 \
                 AND EXISTS (SELECT 1 FROM imports i WHERE i.id = $1 AND i.status = 'taking_back') ORDER BY f.id LIMIT $3"
            }
            Dialect::Postgres => {
                "SELECT f.id, f.contact_id FROM feedback f WHERE f.import_id = $1 AND f.version = 1 AND f.project_id = $2 \
                 AND EXISTS (SELECT 1 FROM imports i WHERE i.id = $1 AND i.status = 'taking_back') ORDER BY f.id LIMIT $3 FOR UPDATE OF f"
            }
        };
        let rows: Vec<(String, Option<String>)> =
            sqlx::query_as(held).bind(import.to_string()).bind(project.to_string()).bind(most).fetch_all(self.conn()).await?;
        if rows.is_empty() {
            return Ok(0);
        }
        for (row, _) in &rows {
            self.feedback_changed(project, id(row)?).await?;
        }
        let ids: Vec<&str> = rows.iter().map(|(row, _)| row.as_str()).collect();
        let mut contacts: Vec<&str> = rows.iter().filter_map(|(_, contact)| contact.as_deref()).collect();
        contacts.sort_unstable();
        contacts.dedup();
        let (tags, records, people) = match self.dialect() {
            Dialect::Sqlite => (
                "DELETE FROM feedback_tags WHERE feedback_id IN (SELECT value FROM json_each($1))",
                "DELETE FROM feedback WHERE id IN (SELECT value FROM json_each($1))",
                "DELETE FROM contacts WHERE id IN (SELECT value FROM json_each($1)) \
                 AND NOT EXISTS (SELECT 1 FROM feedback f WHERE f.contact_id = contacts.id) \
                 AND NOT EXISTS (SELECT 1 FROM responses r WHERE r.contact_id = contacts.id)",
            ),
            Dialect::Postgres => (
                "DELETE FROM feedback_tags WHERE feedback_id IN (SELECT json_array_elements_text(CAST($1 AS json)))",
                "DELETE FROM feedback WHERE id IN (SELECT json_array_elements_text(CAST($1 AS json)))",
                "DELETE FROM contacts WHERE id IN (SELECT json_array_elements_text(CAST($1 AS json))) \
                 AND NOT EXISTS (SELECT 1 FROM feedback f WHERE f.contact_id = contacts.id) \
                 AND NOT EXISTS (SELECT 1 FROM responses r WHERE r.contact_id = contacts.id)",
            ),
        };
        let ids = serde_json::to_string(&ids)?;
        sqlx::query(tags).bind(ids.clone()).execute(self.conn()).await?;
        sqlx::query(records).bind(ids).execute(self.conn()).await?;
        if !contacts.is_empty() {
            sqlx::query(people).bind(serde_json::to_string(&contacts)?).execute(self.conn()).await?;
        }
        sqlx::query("UPDATE imports SET rows_removed = rows_removed + $2, updated_at = $3 WHERE id = $1")
            .bind(import.to_string())
            .bind(i64::try_from(rows.len()).unwrap_or(i64::MAX))
            .bind(now.0)
            .execute(self.conn())
            .await?;
        Ok(rows.len())
    }

    /// Nothing is left that nobody touched: the import is taken back.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn finish_take_back(&mut self, scope: &Scope, import: ImportId, now: Timestamp) -> Result<()> {
        sqlx::query("UPDATE imports SET status = 'taken_back', error = NULL, updated_at = $2, finished_at = $2 WHERE id = $1 AND project_id = $3 AND status = 'taking_back'")
            .bind(import.to_string())
            .bind(now.0)
            .bind(scope.project().to_string())
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Says why an import could not be taken back to the end; it can be tried again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn fail_take_back(&mut self, scope: &Scope, import: ImportId, error: &str, now: Timestamp) -> Result<()> {
        sqlx::query("UPDATE imports SET error = $2, updated_at = $3 WHERE id = $1 AND project_id = $4 AND status = 'taking_back'")
            .bind(import.to_string())
            .bind(error.to_owned())
            .bind(now.0)
            .bind(scope.project().to_string())
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Keeps bad lines.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_bad_lines(&mut self, import: ImportId, lines: &[(i64, String)]) -> Result<()> {
        let rows: Vec<_> = lines.iter().map(|(line, reason)| BadLineRow { import_id: import, line: *line, reason }).collect();
        self.insert_rows(&rows).await?;
        Ok(())
    }

    /// The file is read to its end: the import is done. Its file goes, unless there is reason to read it again in another way; of these the
    /// project keeps the latest `FILES_KEPT`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn finish_import(&mut self, import: ImportId, now: Timestamp) -> Result<()> {
        let done = sqlx::query(
            "UPDATE imports SET status = 'done', bytes_done = bytes_total, updated_at = $2, finished_at = $2 WHERE id = $1 AND status = 'running'",
        )
        .bind(import.to_string())
        .bind(now.0)
        .execute(self.conn())
        .await?;
        if done.rows_affected() == 1 {
            sqlx::query(
                "DELETE FROM import_chunks WHERE import_id = $1 AND NOT EXISTS (SELECT 1 FROM import_problems p WHERE p.import_id = $1)",
            )
            .bind(import.to_string())
            .execute(self.conn())
            .await?;
            sqlx::query(
                "DELETE FROM import_chunks WHERE import_id IN (SELECT id FROM imports WHERE status = 'done' \
                 AND project_id = (SELECT project_id FROM imports WHERE id = $1) ORDER BY finished_at DESC, id DESC LIMIT 1000 OFFSET $2)",
            )
            .bind(import.to_string())
            .bind(FILES_KEPT)
            .execute(self.conn())
            .await?;
        }
        Ok(())
    }

    /// Gives a running import up, with the reason for a person; its file stays for another attempt.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn fail_import(&mut self, scope: &Scope, import: ImportId, error: &str, now: Timestamp) -> Result<()> {
        sqlx::query(
            "UPDATE imports SET status = 'failed', error = $2, updated_at = $3, finished_at = $3 WHERE id = $1 AND project_id = $4 AND status = 'running'",
        )
        .bind(import.to_string())
        .bind(error.to_owned())
        .bind(now.0)
        .bind(scope.project().to_string())
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// Removes uploads that nobody started or finished within a week, and the files of those that ended.
    pub(super) async fn purge_imports(&mut self, now: Timestamp, at_most: i64) -> Result<u64> {
        let (day, week) = (now.plus_days(-1), now.plus_days(-7));
        let statements = [
            (
                "DELETE FROM import_chunks WHERE (import_id, n) IN (SELECT c.import_id, c.n FROM imports i \
                 JOIN import_chunks c ON c.import_id = i.id WHERE i.status = 'uploading' AND i.updated_at <= $1 LIMIT $2)",
                day,
            ),
            (
                "DELETE FROM import_chunks WHERE (import_id, n) IN (SELECT c.import_id, c.n FROM imports i \
                 JOIN import_chunks c ON c.import_id = i.id WHERE i.status IN ('ready', 'done', 'cancelled', 'failed') AND i.updated_at <= $1 LIMIT $2)",
                week,
            ),
            // Rows of an earlier run still name it.
            (
                "UPDATE imports SET status = 'cancelled', finished_at = updated_at WHERE id IN (SELECT i.id FROM imports i WHERE i.status = 'ready' \
                 AND i.updated_at <= $1 AND EXISTS (SELECT 1 FROM feedback f WHERE f.import_id = i.id) LIMIT $2)",
                week,
            ),
            (
                "DELETE FROM imports WHERE id IN (SELECT i.id FROM imports i WHERE i.status = 'uploading' AND i.updated_at <= $1 \
                 AND NOT EXISTS (SELECT 1 FROM import_chunks c WHERE c.import_id = i.id) LIMIT $2) AND status = 'uploading'",
                day,
            ),
            (
                "DELETE FROM imports WHERE id IN (SELECT i.id FROM imports i WHERE i.status = 'ready' AND i.updated_at <= $1 \
                 AND NOT EXISTS (SELECT 1 FROM import_chunks c WHERE c.import_id = i.id) \
                 AND NOT EXISTS (SELECT 1 FROM feedback f WHERE f.import_id = i.id) LIMIT $2) AND status = 'ready'",
                week,
            ),
        ];
        self.purge_by(&statements, at_most).await
    }
}
