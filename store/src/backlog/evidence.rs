//! Evidence: the amount of feedback linked to an item, and the number of people behind it.

use std::collections::HashMap;

use domain::{accounts::Scope, backlog::BacklogItem, ids::BacklogItemId};
use sqlx::FromRow;

use crate::{Dialect, Store, Tx, error::Result, id};

/// The demand for an item. Feedback marked as spam is linked but not counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromRow)]
pub struct ItemEvidence {
    /// Distinct contacts, and each piece of feedback without a contact as one more person.
    pub people: i64,
    /// Linked pieces of feedback.
    pub said: i64,
    /// Of these, links marked as critical.
    pub critical: i64,
}

impl From<ItemEvidence> for schemas::Evidence {
    fn from(evidence: ItemEvidence) -> Self {
        Self { people: evidence.people, feedback: evidence.said, critical: evidence.critical }
    }
}

/// The demand for one item of a project.
const OF_ONE: &str = "SELECT COUNT(DISTINCT COALESCE(f.contact_id, f.id)) AS people, COUNT(f.id) AS said, \
     COUNT(CASE WHEN l.importance = 'critical' THEN f.id END) AS critical \
     FROM links l JOIN feedback f ON f.id = l.feedback_id AND f.status <> 'spam' WHERE l.project_id = $1 AND l.backlog_id = $2";

impl Store {
    /// Returns the demand for each of these items.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn evidence_of(&self, scope: &Scope, items: &[BacklogItem]) -> Result<HashMap<BacklogItemId, ItemEvidence>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => {
                "SELECT l.backlog_id, COUNT(DISTINCT COALESCE(f.contact_id, f.id)) AS people, COUNT(f.id) AS said, \
                 COUNT(CASE WHEN l.importance = 'critical' THEN f.id END) AS critical \
                 FROM json_each($2) j CROSS JOIN links l ON l.backlog_id = j.value JOIN feedback f ON f.id = l.feedback_id AND f.status <> 'spam' \
                 WHERE l.project_id = $1 GROUP BY l.backlog_id"
            }
            Dialect::Postgres => {
                "SELECT l.backlog_id, COUNT(DISTINCT COALESCE(f.contact_id, f.id)) AS people, COUNT(f.id) AS said, \
                 COUNT(CASE WHEN l.importance = 'critical' THEN f.id END) AS critical \
                 FROM links l JOIN json_array_elements_text(CAST($2 AS json)) j ON l.backlog_id = j \
                 JOIN feedback f ON f.id = l.feedback_id AND f.status <> 'spam' WHERE l.project_id = $1 GROUP BY l.backlog_id"
            }
        };
        let ids: Vec<BacklogItemId> = items.iter().map(|item| item.id).collect();
        let rows: Vec<(String, i64, i64, i64)> =
            sqlx::query_as(sql).bind(scope.project().to_string()).bind(serde_json::to_string(&ids)?).fetch_all(self.reader()).await?;
        rows.into_iter().map(|(item, people, said, critical)| Ok((id(&item)?, ItemEvidence { people, said, critical }))).collect()
    }

    /// Returns the demand for one item.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn backlog_evidence(&self, scope: &Scope, item: &BacklogItem) -> Result<ItemEvidence> {
        Ok(sqlx::query_as(OF_ONE).bind(scope.project().to_string()).bind(item.id.to_string()).fetch_one(self.reader()).await?)
    }
}

impl Tx<'_> {
    /// Same as [`Store::backlog_evidence`], including the changes of this transaction.
    pub(crate) async fn backlog_evidence(&mut self, item: &BacklogItem) -> Result<ItemEvidence> {
        Ok(sqlx::query_as(OF_ONE).bind(item.project.to_string()).bind(item.id.to_string()).fetch_one(self.conn()).await?)
    }
}
