//! Revert of an import: removes its untouched rows.

use domain::{Timestamp, accounts::Scope, ids::ImportId};
use sqlx::FromRow;

use crate::{Dialect, Store, Tx, error::Result, id};

/// Remaining rows of an import.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromRow)]
pub struct ImportedRowCounts {
    /// Rows unchanged since the import.
    pub untouched: i64,
    /// Rows that a person triaged, tagged, commented on or linked.
    pub touched: i64,
}

impl Store {
    /// Counts the remaining rows of an import. Imports that ran before rows referenced their import have none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn imported_row_counts(&self, scope: &Scope, import: ImportId) -> Result<ImportedRowCounts> {
        Ok(sqlx::query_as(
            "SELECT COUNT(CASE WHEN f.version = 1 THEN f.id END) AS untouched, COUNT(CASE WHEN f.version > 1 THEN f.id END) AS touched \
             FROM feedback f WHERE f.import_id = $1 AND f.project_id = $2",
        )
        .bind(import.to_string())
        .bind(scope.project().to_string())
        .fetch_one(self.reader())
        .await?)
    }
}

impl Tx<'_> {
    /// Starts to revert an import and deletes its file. `false` if it is still running or was already reverted. A command without progress
    /// since `silent` counts as ended.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn start_revert(&mut self, scope: &Scope, import: ImportId, silent: Timestamp, now: Timestamp) -> Result<bool> {
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

    /// Deletes up to `most` untouched records of an import that is being reverted, and contacts that no other row references. Returns the
    /// number of deleted records.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revert_rows(&mut self, scope: &Scope, import: ImportId, most: i64, now: Timestamp) -> Result<usize> {
        let project = scope.project();
        // In id order, like every other lock on records, so that two transactions cannot deadlock.
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
            self.record_feedback_change(project, id(row)?).await?;
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
        sqlx::query("UPDATE imports SET rows_removed = rows_removed + $2, updated_at = $3 WHERE id = $1 AND project_id = $4")
            .bind(import.to_string())
            .bind(i64::try_from(rows.len()).unwrap_or(i64::MAX))
            .bind(now.0)
            .bind(project.to_string())
            .execute(self.conn())
            .await?;
        Ok(rows.len())
    }

    /// Marks an import as reverted, once no untouched row is left.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn finish_revert(&mut self, scope: &Scope, import: ImportId, now: Timestamp) -> Result<()> {
        sqlx::query("UPDATE imports SET status = 'taken_back', error = NULL, updated_at = $2, finished_at = $2 WHERE id = $1 AND project_id = $3 AND status = 'taking_back'")
            .bind(import.to_string())
            .bind(now.0)
            .bind(scope.project().to_string())
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Records why the revert of an import failed; it can be retried.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn fail_revert(&mut self, scope: &Scope, import: ImportId, error: &str, now: Timestamp) -> Result<()> {
        sqlx::query("UPDATE imports SET error = $2, updated_at = $3 WHERE id = $1 AND project_id = $4 AND status = 'taking_back'")
            .bind(import.to_string())
            .bind(error.to_owned())
            .bind(now.0)
            .bind(scope.project().to_string())
            .execute(self.conn())
            .await?;
        Ok(())
    }
}
