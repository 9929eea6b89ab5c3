//! Backlog items: single items and lists.

use domain::{
    Timestamp,
    accounts::Scope,
    backlog::{BacklogItem, BacklogStatus},
    ids::{BacklogItemId, FeedbackId, ProjectId},
};
use sqlx::FromRow;

use super::ItemEvidence;
use crate::{
    Act, Dialect, Store, Tx,
    error::{Error, Result},
    id, like_pattern,
    numbers::NumberSequence,
    or_instead,
};

#[derive(FromRow)]
struct BacklogItemRow {
    id: String,
    project_id: String,
    number: i64,
    title: String,
    body: String,
    status: String,
    created_at: i64,
    updated_at: i64,
    version: i64,
}

pub(crate) fn status(text: &str) -> BacklogStatus {
    or_instead("status of a backlog item", BacklogStatus::parse(text), BacklogStatus::Open)
}

impl TryFrom<BacklogItemRow> for BacklogItem {
    type Error = Error;

    fn try_from(row: BacklogItemRow) -> Result<Self> {
        Ok(Self {
            id: id(&row.id)?,
            project: id(&row.project_id)?,
            number: row.number,
            title: row.title,
            body: row.body,
            status: status(&row.status),
            created_at: Timestamp(row.created_at),
            updated_at: Timestamp(row.updated_at),
            version: row.version,
        })
    }
}

/// An item in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedItem {
    /// Its number in the project.
    pub number: i64,
    /// Its title.
    pub title: String,
    /// Its status.
    pub status: BacklogStatus,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// The demand for it.
    pub evidence: ItemEvidence,
}

#[derive(FromRow)]
struct ListedItemRow {
    number: i64,
    title: String,
    status: String,
    updated_at: i64,
    people: i64,
    said: i64,
    critical: i64,
}

/// Filter for lists of items.
#[derive(Debug, Clone, Default)]
pub struct BacklogFilter {
    /// Only items with this status.
    pub status: Option<BacklogStatus>,
    /// Only items that still need a decision or work.
    pub only_active: bool,
    /// Only items whose folded title or body contains this folded text; empty for all.
    pub folded: String,
    /// Also matches the item with this number.
    pub number: Option<i64>,
    /// Excludes items linked to this feedback.
    pub not_linked_to: Option<FeedbackId>,
}

impl BacklogFilter {
    fn pattern(&self) -> String {
        like_pattern(&self.folded)
    }
}

impl Store {
    /// Returns one item of the scope's project.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn backlog_item(&self, scope: &Scope, number: i64) -> Result<Option<BacklogItem>> {
        let row: Option<BacklogItemRow> = sqlx::query_as(
            "SELECT id, project_id, number, title, body, status, created_at, updated_at, version FROM backlog_items WHERE project_id = $1 AND number = $2",
        )
        .bind(scope.project().to_string())
        .bind(number)
        .fetch_optional(self.reader())
        .await?;
        row.map(BacklogItem::try_from).transpose()
    }

    /// Returns one item of the scope's project by id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn backlog_item_by_id(&self, scope: &Scope, item: BacklogItemId) -> Result<Option<BacklogItem>> {
        let row: Option<BacklogItemRow> = sqlx::query_as(
            "SELECT id, project_id, number, title, body, status, created_at, updated_at, version FROM backlog_items WHERE project_id = $1 AND id = $2",
        )
        .bind(scope.project().to_string())
        .bind(item.to_string())
        .fetch_optional(self.reader())
        .await?;
        row.map(BacklogItem::try_from).transpose()
    }

    /// Returns full items that match, newest first, after a cursor (time and id).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn backlog_page(
        &self,
        scope: &Scope,
        filter: &BacklogFilter,
        after: Option<(i64, String)>,
        limit: i64,
    ) -> Result<Vec<BacklogItem>> {
        let (at, id) = after.unwrap_or((i64::MAX, String::new()));
        let rows: Vec<BacklogItemRow> = sqlx::query_as(
            "SELECT id, project_id, number, title, body, status, created_at, updated_at, version FROM backlog_items \
             WHERE project_id = $1 AND ($2 = '' OR status = $2) AND (search LIKE $3 ESCAPE '\\' OR number = $4) \
             AND (created_at < $5 OR (created_at = $5 AND id < $6)) ORDER BY created_at DESC, id DESC LIMIT $7",
        )
        .bind(scope.project().to_string())
        .bind(filter.status.map_or("", BacklogStatus::as_str))
        .bind(filter.pattern())
        .bind(filter.number.unwrap_or(-1))
        .bind(at)
        .bind(id)
        .bind(limit)
        .fetch_all(self.reader())
        .await?;
        rows.into_iter().map(BacklogItem::try_from).collect()
    }

    /// Returns items ordered by evidence: people, then feedback, then newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn backlog_list(&self, scope: &Scope, filter: &BacklogFilter, limit: i64, offset: i64) -> Result<Vec<ListedItem>> {
        let rows: Vec<ListedItemRow> = sqlx::query_as(
            "SELECT b.number, b.title, b.status, b.updated_at, COUNT(DISTINCT COALESCE(f.contact_id, f.id)) AS people, COUNT(f.id) AS said, \
             COUNT(CASE WHEN l.importance = 'critical' THEN f.id END) AS critical \
             FROM backlog_items b LEFT JOIN links l ON l.backlog_id = b.id LEFT JOIN feedback f ON f.id = l.feedback_id AND f.status <> 'spam' \
             WHERE b.project_id = $1 AND ($2 = '' OR b.status = $2 OR ($2 = 'active' AND b.status NOT IN ('shipped', 'declined'))) AND (b.search LIKE $3 ESCAPE '\\' OR b.number = $4) \
             AND NOT EXISTS (SELECT 1 FROM links n WHERE n.backlog_id = b.id AND n.feedback_id = $5) \
             GROUP BY b.id, b.number, b.title, b.status, b.updated_at \
             ORDER BY people DESC, said DESC, b.number DESC LIMIT $6 OFFSET $7",
        )
        .bind(scope.project().to_string())
        .bind(filter.status.map_or(if filter.only_active { "active" } else { "" }, BacklogStatus::as_str))
        .bind(filter.pattern())
        .bind(filter.number.unwrap_or(-1))
        .bind(filter.not_linked_to.map(|f| f.to_string()).unwrap_or_default())
        .bind(limit)
        .bind(offset)
        .fetch_all(self.reader())
        .await?;
        let listed = rows.into_iter().map(|row| ListedItem {
            number: row.number,
            title: row.title,
            status: status(&row.status),
            updated_at: Timestamp(row.updated_at),
            evidence: ItemEvidence { people: row.people, said: row.said, critical: row.critical },
        });
        Ok(listed.collect())
    }

    /// Counts the items that match the filter's text, by status; omits statuses without items.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn backlog_counts(&self, scope: &Scope, filter: &BacklogFilter) -> Result<Vec<(BacklogStatus, i64)>> {
        let rows: Vec<(String, i64)> = sqlx::query_as(
            "SELECT status, COUNT(*) FROM backlog_items WHERE project_id = $1 AND (search LIKE $2 ESCAPE '\\' OR number = $3) GROUP BY status",
        )
        .bind(scope.project().to_string())
        .bind(filter.pattern())
        .bind(filter.number.unwrap_or(-1))
        .fetch_all(self.reader())
        .await?;
        let mut counts: Vec<(BacklogStatus, i64)> = Vec::with_capacity(rows.len());
        for (text, n) in rows {
            let status = status(&text);
            match counts.iter_mut().find(|(known, _)| *known == status) {
                Some((_, sum)) => *sum += n,
                None => counts.push((status, n)),
            }
        }
        Ok(counts)
    }
}

impl Tx<'_> {
    /// Returns an item, locked until this transaction ends.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lock_backlog_item(&mut self, project: ProjectId, number: i64) -> Result<Option<BacklogItem>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => {
                "SELECT id, project_id, number, title, body, status, created_at, updated_at, version FROM backlog_items WHERE project_id = $1 AND number = $2"
            }
            Dialect::Postgres => {
                "SELECT id, project_id, number, title, body, status, created_at, updated_at, version FROM backlog_items WHERE project_id = $1 AND number = $2 FOR NO KEY UPDATE"
            }
        };
        let row: Option<BacklogItemRow> = sqlx::query_as(sql).bind(project.to_string()).bind(number).fetch_optional(self.conn()).await?;
        row.map(BacklogItem::try_from).transpose()
    }

    /// Writes title, body, status, time and version of a locked item.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn update_backlog_item(&mut self, item: &BacklogItem, search: &str) -> Result<()> {
        sqlx::query(
            "UPDATE backlog_items SET title = $2, body = $3, search = $4, status = $5, updated_at = $6, version = $7 \
             WHERE id = $1 AND project_id = $8",
        )
        .bind(item.id.to_string())
        .bind(item.title.clone())
        .bind(item.body.clone())
        .bind(search.to_owned())
        .bind(item.status.as_str())
        .bind(item.updated_at.0)
        .bind(item.version)
        .bind(item.project.to_string())
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// Returns an item by id, locked until this transaction ends.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lock_backlog_item_by_id(&mut self, project: ProjectId, item: BacklogItemId) -> Result<Option<BacklogItem>> {
        let number: Option<i64> = sqlx::query_scalar("SELECT number FROM backlog_items WHERE project_id = $1 AND id = $2")
            .bind(project.to_string())
            .bind(item.to_string())
            .fetch_optional(self.conn())
            .await?;
        let Some(number) = number else { return Ok(None) };
        Ok(self.lock_backlog_item(project, number).await?.filter(|found| found.id == item))
    }

    /// Deletes an item and its history if no feedback is linked to it, else returns `false`. Its number is not reused.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_unlinked_item(&mut self, item: &BacklogItem) -> Result<bool> {
        let (id, project) = (item.id.to_string(), item.project.to_string());
        let unlinked =
            "DELETE FROM backlog_items WHERE id = $1 AND project_id = $2 AND NOT EXISTS (SELECT 1 FROM links WHERE backlog_id = $1)";
        let gone = sqlx::query(unlinked).bind(id.clone()).bind(project.clone()).execute(self.conn()).await?.rows_affected();
        if gone == 1 {
            let history = "DELETE FROM history WHERE subject_id = $1 AND project_id = $2";
            sqlx::query(history).bind(id).bind(project).execute(self.conn()).await?;
        }
        Ok(gone == 1)
    }
}

impl Act<'_, '_> {
    /// Adds an item under the project's next number; `search` is its folded title and body.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_backlog_item(&mut self, title: String, body: String, search: String) -> Result<BacklogItem> {
        let (id, project, now) = (self.id(), self.project(), self.now());
        let number = self.next_number(project, NumberSequence::Backlog).await?;
        let item =
            BacklogItem { id, project, number, title, body, status: BacklogStatus::Open, created_at: now, updated_at: now, version: 1 };
        sqlx::query(
            "INSERT INTO backlog_items (id, project_id, number, title, body, search, status, created_by, created_at, updated_at, version) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10)",
        )
        .bind(item.id.to_string())
        .bind(project.to_string())
        .bind(number)
        .bind(item.title.clone())
        .bind(item.body.clone())
        .bind(search)
        .bind(item.status.as_str())
        .bind(self.actor_id().map(|actor| actor.to_string()))
        .bind(now.0)
        .bind(item.version)
        .execute(self.conn())
        .await?;
        Ok(item)
    }
}
