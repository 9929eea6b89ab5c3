//! History: changes to feedback and backlog items, and their authors.

use domain::{
    Timestamp,
    accounts::Scope,
    history::{HistoryChange, LINK_KINDS},
    ids::{ActorId, FeedbackId, HistoryId, ProjectId},
};

use super::{Store, Tx};
use crate::error::Result;

/// One history entry, for display.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The author's name; `None` for the system itself and for visitors.
    pub by: Option<String>,
    /// The change.
    pub change: HistoryChange,
    /// Time of the change.
    pub at: Timestamp,
}

/// Maximum number of entries shown for one subject.
const SHOWN: i64 = 200;

impl Store {
    /// Returns the newest entries of a subject of the scope's project, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn history_entries(&self, scope: &Scope, subject: impl ToString) -> Result<Vec<HistoryEntry>> {
        let rows: Vec<(Option<String>, Option<String>, String, i64)> = sqlx::query_as(
            "SELECT a.name, s.email, h.change, h.at FROM history h LEFT JOIN actors a ON a.id = h.actor_id LEFT JOIN accounts s ON s.id = a.id \
             WHERE h.project_id = $1 AND h.subject_id = $2 ORDER BY h.at DESC, h.id DESC LIMIT $3",
        )
        .bind(scope.project().to_string())
        .bind(subject.to_string())
        .bind(SHOWN)
        .fetch_all(self.reader())
        .await?;
        let entry = |(name, email, change, at): (Option<String>, Option<String>, String, i64)| HistoryEntry {
            by: name.filter(|n| !n.is_empty()).or(email),
            change: serde_json::from_str(&change).unwrap_or(HistoryChange::Unknown),
            at: Timestamp(at),
        };
        Ok(rows.into_iter().map(entry).collect())
    }
}

impl Tx<'_> {
    /// Adds an entry about feedback or a backlog item. Part of every change to one. For feedback the entry includes the item's version, so
    /// call this after updating the row itself.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_history(
        &mut self,
        project: ProjectId,
        subject: impl ToString + Send,
        actor: Option<ActorId>,
        change: &HistoryChange,
        now: Timestamp,
    ) -> Result<()> {
        sqlx::query(
            "INSERT INTO history (id, project_id, subject_id, actor_id, kind, change, at, version) \
                 VALUES ($1, $2, $3, $4, $7, $5, $6, COALESCE((SELECT f.version FROM feedback f WHERE f.id = $3), 0))",
        )
        .bind(self.id::<HistoryId>().to_string())
        .bind(project.to_string())
        .bind(subject.to_string())
        .bind(actor.map(|a| a.to_string()))
        .bind(serde_json::to_string(change)?)
        .bind(now.0)
        .bind(change.kind())
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// Records that a respondent added answers. Consecutive additions share one entry, because each card of a survey submits its answer
    /// separately.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn record_additional_answers(&mut self, scope: &Scope, feedback: FeedbackId, now: Timestamp) -> Result<()> {
        let updated = sqlx::query(
            "UPDATE history SET at = $3, version = (SELECT f.version FROM feedback f WHERE f.id = $1) \
             WHERE subject_id = $1 AND kind = $4 AND actor_id IS NULL AND project_id = $2 \
             AND id = (SELECT n.id FROM history n WHERE n.subject_id = $1 ORDER BY n.at DESC, n.id DESC LIMIT 1)",
        )
        .bind(feedback.to_string())
        .bind(scope.project().to_string())
        .bind(now.0)
        .bind(HistoryChange::Answered.kind())
        .execute(self.conn())
        .await?;
        if updated.rows_affected() == 0 {
            self.insert_history(scope.project(), feedback, None, &HistoryChange::Answered, now).await?;
        }
        Ok(())
    }

    /// Returns the author and time of a subject's last edit, links excluded: for conflict messages.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn last_edit(&mut self, project: ProjectId, subject: impl ToString + Send) -> Result<Option<(String, Timestamp)>> {
        let [linked, unlinked, requoted, reweighed] = LINK_KINDS;
        let row: Option<(Option<String>, Option<String>, i64)> = sqlx::query_as(
            "SELECT a.name, s.email, h.at FROM history h LEFT JOIN actors a ON a.id = h.actor_id LEFT JOIN accounts s ON s.id = a.id \
             WHERE h.project_id = $1 AND h.subject_id = $2 AND h.kind NOT IN ($3, $4, $5, $6) ORDER BY h.at DESC, h.id DESC LIMIT 1",
        )
        .bind(project.to_string())
        .bind(subject.to_string())
        .bind(linked)
        .bind(unlinked)
        .bind(requoted)
        .bind(reweighed)
        .fetch_optional(self.conn())
        .await?;
        Ok(row.map(|(name, email, at)| (name.filter(|n| !n.is_empty()).or(email).unwrap_or_else(|| "Someone".into()), Timestamp(at))))
    }
}
