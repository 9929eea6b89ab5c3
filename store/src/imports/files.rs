//! Import files, stored in chunks.

use domain::{Timestamp, accounts::Scope, ids::ImportId, imports::Encoding};

use crate::{Store, Tx, error::Result};

/// A fully uploaded file.
#[derive(Debug, Clone)]
pub struct UploadedFile {
    /// Its SHA-256.
    pub hash: String,
    /// Its detected encoding.
    pub encoding: Encoding,
    /// Its size in bytes.
    pub bytes: i64,
    /// Number of chunks.
    pub chunks: i64,
}

impl Store {
    /// Returns a chunk of an uploaded file.
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

    /// Returns whether the file of an import is still stored.
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
}

impl Tx<'_> {
    /// Stores a chunk of the file during the upload.
    ///
    /// # Errors
    /// Not found if the import no longer accepts chunks; also when the database fails.
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
        if done.rows_affected() == 0 { Err(domain::DomainError::NotFound.into()) } else { Ok(()) }
    }

    /// Marks the file as fully uploaded.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mark_import_uploaded(&mut self, scope: &Scope, import: ImportId, file: &UploadedFile, now: Timestamp) -> Result<()> {
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

    pub(super) async fn drop_import_file(&mut self, import: ImportId) -> Result<()> {
        sqlx::query("DELETE FROM import_chunks WHERE import_id = $1").bind(import.to_string()).execute(self.conn()).await?;
        Ok(())
    }
}
