//! Imports, their files and invalid rows.

mod files;
mod problems;
mod run;
mod take_back;

use domain::{
    Timestamp,
    accounts::Scope,
    ids::{ActorId, ImportId, ProjectId},
    imports::{ColumnMapping, Encoding, ImportStatus},
};
use sqlx::FromRow;

pub use files::UploadedFile;
pub use problems::{BadLine, MAX_STORED_BAD_LINES};
pub use take_back::ImportedRowCounts;

use crate::{
    Act, Store, Tx,
    error::{Error, Result},
    id, optional_id, or_instead,
};

/// One import.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// Its id.
    pub id: ImportId,
    /// Its project.
    pub project: ProjectId,
    /// The file's name.
    pub name: String,
    /// Where the file comes from.
    pub source: ImportSource,
    /// SHA-256 of the file.
    pub file_hash: String,
    /// Its detected encoding; `None` until the upload is complete.
    pub encoding: Option<Encoding>,
    /// Column mapping; `None` until chosen.
    pub mapping: Option<ColumnMapping>,
    /// Its status.
    pub status: ImportStatus,
    /// Size of the file in bytes.
    pub bytes_total: i64,
    /// Bytes read so far.
    pub bytes_done: i64,
    /// Imported rows.
    pub added: i64,
    /// Rows that already existed.
    pub known: i64,
    /// Rows that failed to import.
    pub bad: i64,
    /// Rows removed when the import was reverted.
    pub removed: i64,
    /// Reason for its failure, for display.
    pub error: Option<String>,
    /// The actor that started it.
    pub created_by: Option<ActorId>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last made progress.
    pub updated_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// An import to add.
#[derive(Debug, Clone)]
pub struct NewImport {
    /// The file's name.
    pub name: String,
    /// Where the file comes from.
    pub source: ImportSource,
    /// SHA-256 of the file; empty until the upload is complete.
    pub file_hash: String,
    /// Column mapping; `None` until chosen.
    pub mapping: Option<ColumnMapping>,
    /// Its status.
    pub status: ImportStatus,
    /// Size of the file in bytes; 0 until the upload is complete.
    pub bytes_total: i64,
}

impl Import {
    /// Returns whether it was reverted, or is being reverted.
    #[must_use]
    pub fn is_reverted(&self) -> bool {
        matches!(self.status, ImportStatus::TakingBack | ImportStatus::TakenBack)
    }

    /// Returns whether it finished without any valid row: none was added, and none already existed.
    #[must_use]
    pub fn is_empty_import(&self) -> bool {
        self.status == ImportStatus::Done && self.bad > 0 && self.added + self.known == 0
    }
}

/// Source of an import's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportSource {
    /// Uploaded and stored in chunks.
    Upload,
    /// Read by a command on its own machine.
    Command,
}

impl ImportSource {
    fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Command => "command",
        }
    }
}

/// The columns of `ImportTableRow`.
macro_rules! columns {
    () => {
        "id, project_id, name, source, file_hash, encoding, mapping, status, bytes_total, bytes_done, rows_added, rows_known, rows_bad, rows_removed, error, \
         created_by, created_at, updated_at, finished_at"
    };
}

#[derive(FromRow)]
struct ImportTableRow {
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

impl TryFrom<ImportTableRow> for Import {
    type Error = Error;

    fn try_from(row: ImportTableRow) -> Result<Self> {
        Ok(Self {
            id: id(&row.id)?,
            project: id(&row.project_id)?,
            name: row.name,
            source: if row.source == "command" { ImportSource::Command } else { ImportSource::Upload },
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
    /// Returns the project's latest imports, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn imports(&self, scope: &Scope, most: i64) -> Result<Vec<Import>> {
        let rows: Vec<ImportTableRow> = sqlx::query_as(concat!(
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

    /// Returns one import.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn import(&self, scope: &Scope, import: ImportId) -> Result<Option<Import>> {
        let row: Option<ImportTableRow> = sqlx::query_as(concat!("SELECT ", columns!(), " FROM imports WHERE project_id = $1 AND id = $2"))
            .bind(scope.project().to_string())
            .bind(import.to_string())
            .fetch_optional(self.reader())
            .await?;
        row.map(Import::try_from).transpose()
    }

    /// Returns the latest finished import of the same file, other than `but`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn import_of_file(&self, scope: &Scope, file_hash: &str, but: ImportId) -> Result<Option<Import>> {
        let row: Option<ImportTableRow> = sqlx::query_as(concat!(
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

    /// Returns the unfinished import of an earlier run of the same command on the same file.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn unfinished_command(&self, scope: &Scope, file_hash: &str, mapping: &ColumnMapping) -> Result<Option<Import>> {
        let row: Option<ImportTableRow> = sqlx::query_as(concat!(
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
}

impl Tx<'_> {
    /// Counts a project's uploaded or uploading files that are not imported yet.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_pending_imports(&mut self, project: ProjectId) -> Result<i64> {
        Ok(sqlx::query_scalar(
            "SELECT COUNT(*) FROM imports WHERE project_id = $1 AND source = 'upload' AND status IN ('uploading', 'ready')",
        )
        .bind(project.to_string())
        .fetch_one(self.conn())
        .await?)
    }

    /// Deletes an import that is not running and has no rows, with its file; `false` if that does not apply.
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
        sqlx::query("DELETE FROM imports WHERE project_id = $1 AND id = $2")
            .bind(scope.project().to_string())
            .bind(import.to_string())
            .execute(self.conn())
            .await?;
        Ok(true)
    }

    /// Deletes an import whose upload is not complete; `false` if there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn discard_upload(&mut self, scope: &Scope, import: ImportId) -> Result<bool> {
        // The condition is checked again by the last statement, so that an upload completed meanwhile keeps its file.
        let chunks = "DELETE FROM import_chunks WHERE import_id = (SELECT id FROM imports WHERE id = $1 AND project_id = $2 AND status = 'uploading')";
        sqlx::query(chunks).bind(import.to_string()).bind(scope.project().to_string()).execute(self.conn()).await?;
        let done = sqlx::query("DELETE FROM imports WHERE id = $1 AND project_id = $2 AND status = 'uploading'")
            .bind(import.to_string())
            .bind(scope.project().to_string())
            .execute(self.conn())
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Deletes unfinished uploads after a day; after a week, uploads never started and the files of ended imports.
    pub(crate) async fn purge_imports(&mut self, now: Timestamp, at_most: i64) -> Result<u64> {
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
            // Rows of an earlier run still reference it.
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

impl Act<'_, '_> {
    /// Adds an import.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_import(&mut self, new: NewImport) -> Result<Import> {
        let (id, project, created_by, now) = (self.id(), self.project(), self.actor_id(), self.now());
        let NewImport { name, source, file_hash, mapping, status, bytes_total } = new;
        let import = Import {
            id,
            project,
            name,
            source,
            file_hash,
            encoding: None,
            mapping,
            status,
            bytes_total,
            bytes_done: 0,
            added: 0,
            known: 0,
            bad: 0,
            removed: 0,
            error: None,
            created_by,
            created_at: now,
            updated_at: now,
            finished_at: None,
        };
        sqlx::query(
            "INSERT INTO imports (id, project_id, name, source, file_hash, mapping, status, bytes_total, bytes_done, rows_added, rows_known, \
             rows_bad, created_by, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0, 0, 0, $9, $10, $10)",
        )
        .bind(id.to_string())
        .bind(project.to_string())
        .bind(import.name.clone())
        .bind(import.source.as_str())
        .bind(import.file_hash.clone())
        .bind(import.mapping.as_ref().map(serde_json::to_string).transpose()?.unwrap_or_default())
        .bind(import.status.as_str())
        .bind(import.bytes_total)
        .bind(created_by.map(|actor| actor.to_string()))
        .bind(now.0)
        .execute(self.conn())
        .await?;
        Ok(import)
    }
}
