//! Execution of an import: its start, its progress row by row, and its end.

use std::collections::HashSet;

use domain::{
    Timestamp,
    accounts::Scope,
    ids::{ImportId, ProjectId},
    imports::ColumnMapping,
};

use super::Import;
use crate::{Dialect, Store, Tx, error::Result};

/// Number of a project's files kept for a week after their import, so that it can be repeated with other columns.
const FILES_KEPT: i64 = 5;

fn existing_keys_sql(dialect: Dialect) -> &'static str {
    match dialect {
        // CROSS JOIN fixes the join order, from the list to the rows; the reverse scans all rows of the project for each key.
        Dialect::Sqlite => {
            "SELECT f.source_key FROM json_each($2) j CROSS JOIN feedback f ON f.source_key = j.value WHERE f.project_id = $1"
        }
        Dialect::Postgres => {
            "SELECT f.source_key FROM json_array_elements_text(CAST($2 AS json)) j JOIN feedback f ON f.source_key = j WHERE f.project_id = $1"
        }
    }
}

impl Store {
    /// Returns the keys whose rows were imported before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn existing_source_keys(&self, scope: &Scope, source_keys: &[&str]) -> Result<HashSet<String>> {
        let sql = existing_keys_sql(self.dialect());
        let keys: Vec<String> = sqlx::query_scalar(sql)
            .bind(scope.project().to_string())
            .bind(serde_json::to_string(source_keys)?)
            .fetch_all(self.reader())
            .await?;
        Ok(keys.into_iter().collect())
    }
}

impl Tx<'_> {
    /// Starts a ready import with a mapping, or resumes a cancelled or failed upload without one; `false` if its state does not allow it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn start_import(&mut self, scope: &Scope, import: ImportId, mapping: Option<&ColumnMapping>, now: Timestamp) -> Result<bool> {
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

    /// Cancels a running import, or the choice of other columns after an earlier run; keeps the imported rows. `false` if there is nothing
    /// to cancel.
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

    /// Returns to the choice of columns after a run, with the same file; `false` if the file is deleted or the import is running.
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

    /// Records the progress of a running import, in the same transaction as its rows; `false` if it is no longer running or another process
    /// has already continued from `before`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn import_progress(&mut self, scope: &Scope, before: &Import, after: &Import, now: Timestamp) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE imports SET bytes_done = $3, rows_added = $4, rows_known = $5, rows_bad = $6, updated_at = $7 \
             WHERE id = $1 AND project_id = $8 AND status = 'running' AND bytes_done = $2",
        )
        .bind(before.id.to_string())
        .bind(before.bytes_done)
        .bind(after.bytes_done)
        .bind(after.added)
        .bind(after.known)
        .bind(after.bad)
        .bind(now.0)
        .bind(scope.project().to_string())
        .execute(self.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Same as [`Store::existing_source_keys`], including the changes of this transaction.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn known_feedback(&mut self, project: ProjectId, source_keys: &[&str]) -> Result<HashSet<String>> {
        let sql = existing_keys_sql(self.dialect());
        let keys: Vec<String> =
            sqlx::query_scalar(sql).bind(project.to_string()).bind(serde_json::to_string(source_keys)?).fetch_all(self.conn()).await?;
        Ok(keys.into_iter().collect())
    }

    /// Marks an import as done. Deletes its file, unless it had problems and may be imported again in another way; of such files the
    /// project keeps the latest `FILES_KEPT`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn finish_import(&mut self, scope: &Scope, import: ImportId, now: Timestamp) -> Result<()> {
        let done = sqlx::query(
            "UPDATE imports SET status = 'done', bytes_done = bytes_total, updated_at = $2, finished_at = $2 \
             WHERE id = $1 AND project_id = $3 AND status = 'running'",
        )
        .bind(import.to_string())
        .bind(now.0)
        .bind(scope.project().to_string())
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
                 AND project_id = $1 ORDER BY finished_at DESC, id DESC LIMIT 1000 OFFSET $2)",
            )
            .bind(scope.project().to_string())
            .bind(FILES_KEPT)
            .execute(self.conn())
            .await?;
        }
        Ok(())
    }

    /// Marks a running import as failed, with a reason for display; keeps its file for another attempt.
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
}
