//! Visible numbers, counted per project. A number is assigned once and not reused after a deletion.

use domain::ids::ProjectId;

use super::Tx;
use crate::error::Result;

/// Kind of numbered object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberSequence {
    /// Items of the backlog.
    Backlog,
    /// Tickets.
    Ticket,
}

impl NumberSequence {
    fn as_str(self) -> &'static str {
        match self {
            Self::Backlog => "backlog",
            Self::Ticket => "ticket",
        }
    }
}

impl Tx<'_> {
    /// Returns the project's next number. Concurrent callers wait until this transaction ends.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn next_number(&mut self, project: ProjectId, of: NumberSequence) -> Result<i64> {
        // During an upgrade, nodes of the previous version lock this row while they assign numbers.
        self.hold_project(project).await?;
        // Also reads the table, because those nodes do not update the counter.
        let sql = match of {
            NumberSequence::Backlog => {
                "INSERT INTO counters (project_id, kind, last) \
                 VALUES ($1, $2, (SELECT COALESCE(MAX(number), 0) + 1 FROM backlog_items WHERE project_id = $1)) \
                 ON CONFLICT (project_id, kind) DO UPDATE \
                 SET last = CASE WHEN excluded.last > counters.last THEN excluded.last ELSE counters.last + 1 END RETURNING last"
            }
            NumberSequence::Ticket => {
                "INSERT INTO counters (project_id, kind, last) \
                 VALUES ($1, $2, (SELECT COALESCE(MAX(number), 0) + 1 FROM tickets WHERE project_id = $1)) \
                 ON CONFLICT (project_id, kind) DO UPDATE \
                 SET last = CASE WHEN excluded.last > counters.last THEN excluded.last ELSE counters.last + 1 END RETURNING last"
            }
        };
        Ok(sqlx::query_scalar(sql).bind(project.to_string()).bind(of.as_str()).fetch_one(self.conn()).await?)
    }

    /// Returns whether the project has assigned this number, even if its object is deleted by now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn was_assigned(&mut self, project: ProjectId, of: NumberSequence, number: i64) -> Result<bool> {
        let found: Option<i64> = sqlx::query_scalar("SELECT last FROM counters WHERE project_id = $1 AND kind = $2 AND last >= $3")
            .bind(project.to_string())
            .bind(of.as_str())
            .bind(number)
            .fetch_optional(self.conn())
            .await?;
        Ok(number > 0 && found.is_some())
    }
}
