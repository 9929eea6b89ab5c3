//! Undo data of acts: a row for each transaction, in the format of the capability that wrote it.

use domain::{
    Timestamp,
    clock::DAY_MS,
    ids::{ActorId, ProjectId, UndoId},
};

use super::Tx;
use crate::error::Result;

/// How long an act can be undone, in milliseconds.
const UNDO_MS: i64 = 7 * DAY_MS;

/// Undo data of one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredUndo {
    /// The capability that writes and reads it.
    pub kind: String,
    /// Its steps, as JSON.
    pub steps: String,
}

impl Tx<'_> {
    /// Stores the undo data of an actor's act, and deletes expired undo data. Returns its id.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn insert_undo(
        &mut self,
        follows: Option<UndoId>,
        (project, actor): (ProjectId, ActorId),
        stored: &StoredUndo,
        now: Timestamp,
    ) -> Result<UndoId> {
        let undo: UndoId = self.id();
        sqlx::query("DELETE FROM undo_operations WHERE created_at < $1").bind(now.plus_ms(-UNDO_MS).0).execute(self.conn()).await?;
        sqlx::query(
            "INSERT INTO undo_operations (id, project_id, actor_id, kind, changes, created_at, follows) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(undo.to_string())
        .bind(project.to_string())
        .bind(actor.to_string())
        .bind(stored.kind.clone())
        .bind(stored.steps.clone())
        .bind(now.0)
        .bind(follows.map(|first| first.to_string()))
        .execute(self.conn())
        .await?;
        Ok(undo)
    }

    /// Claims the next part of an act for undo, each once; `None` when none is left.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn take_undo(
        &mut self,
        undo: UndoId,
        (project, actor): (ProjectId, ActorId),
        now: Timestamp,
    ) -> Result<Option<StoredUndo>> {
        let row: Option<(String, String)> = sqlx::query_as(
            "UPDATE undo_operations SET undone_at = $4 WHERE undone_at IS NULL AND id = (SELECT u.id FROM undo_operations u \
             WHERE (u.id = $1 OR u.follows = $1) AND u.project_id = $2 AND u.actor_id = $3 AND u.undone_at IS NULL ORDER BY u.id LIMIT 1) \
             RETURNING kind, changes",
        )
        .bind(undo.to_string())
        .bind(project.to_string())
        .bind(actor.to_string())
        .bind(now.0)
        .fetch_optional(self.conn())
        .await?;
        Ok(row.map(|(kind, steps)| StoredUndo { kind, steps }))
    }
}
