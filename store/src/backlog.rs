//! Backlog items, and the links between them and feedback.

use std::collections::HashMap;

use domain::{
    Timestamp,
    accounts::Scope,
    backlog::{BacklogStatus, Importance, Item},
    feedback::Status,
    ids::{BacklogId, FeedbackId, LinkId, ProjectId, StaffId},
};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::{Dialect, Store, Tx, id, or_instead};
use crate::error::{Error, Result};

#[derive(FromRow)]
struct ItemRow {
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

fn status(text: &str) -> BacklogStatus {
    or_instead("status of a backlog item", BacklogStatus::parse(text), BacklogStatus::Open)
}

fn importance(text: &str) -> Importance {
    or_instead("importance of a link", Importance::parse(text), Importance::Normal)
}

impl TryFrom<ItemRow> for Item {
    type Error = Error;

    fn try_from(row: ItemRow) -> Result<Self> {
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

/// What stands behind an item. Feedback marked as spam is linked but counts for nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromRow)]
pub struct Evidence {
    /// Distinct contacts, and each piece of feedback without a contact as one more person.
    pub people: i64,
    /// Linked pieces of feedback.
    pub said: i64,
    /// Of these, links marked as critical.
    pub critical: i64,
}

/// An item in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedItem {
    /// Its number.
    pub number: i64,
    /// Its title.
    pub title: String,
    /// How far it has come.
    pub status: BacklogStatus,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// What stands behind it.
    pub evidence: Evidence,
}

#[derive(FromRow)]
struct ListedRow {
    number: i64,
    title: String,
    status: String,
    updated_at: i64,
    people: i64,
    said: i64,
    critical: i64,
}

/// An item linked to one piece of feedback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedItem {
    /// Its number.
    pub number: i64,
    /// Its title.
    pub title: String,
    /// How far it has come.
    pub status: BacklogStatus,
    /// The words of the feedback that are meant.
    pub quote: Option<String>,
    /// How much it matters to the one who said it.
    pub importance: Importance,
}

/// A piece of feedback linked to one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedFeedback {
    /// The feedback.
    pub feedback: FeedbackId,
    /// The words that are meant.
    pub quote: Option<String>,
    /// How much it matters to the one who said it.
    pub importance: Importance,
    /// When it was linked.
    pub linked_at: Timestamp,
    /// Name of who said it, or their address.
    pub who: Option<String>,
}

/// What a link says: the words that are meant, and how much they matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quoted {
    /// The words; `None` for all of the feedback.
    pub quote: Option<String>,
    /// How much it matters.
    pub importance: Importance,
}

/// Something done that can be taken back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Step {
    /// A link was taken away.
    Unlinked {
        /// From what.
        feedback: FeedbackId,
        /// The item.
        item: BacklogId,
        /// What the link said.
        was: Quoted,
    },
    /// A link says something else.
    Requoted {
        /// Of what.
        feedback: FeedbackId,
        /// The item.
        item: BacklogId,
        /// Before.
        was: Quoted,
        /// After.
        is: Quoted,
    },
    /// Title or description changed.
    Edited {
        /// The item.
        item: BacklogId,
        /// The item's version after it.
        version: i64,
        /// The title before.
        title: String,
        /// The description before.
        body: String,
    },
}

#[derive(FromRow)]
struct SaidRow {
    feedback_id: String,
    quote: Option<String>,
    importance: String,
    created_at: i64,
    name: Option<String>,
    email: Option<String>,
}

/// Which items a list shows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only those that have come this far.
    pub status: Option<BacklogStatus>,
    /// Only those with something left to decide or to do.
    pub only_active: bool,
    /// Only those whose folded title or body holds this folded text; empty for all.
    pub folded: String,
    /// Or with this number.
    pub number: Option<i64>,
    /// But none that this feedback is linked to.
    pub not_linked_to: Option<FeedbackId>,
}

impl Filter {
    fn pattern(&self) -> String {
        let mut pattern = String::from("%");
        for c in self.folded.chars() {
            if matches!(c, '%' | '_' | '\\') {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        pattern.push('%');
        pattern
    }
}

impl Store {
    /// One item of the scope's project.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn backlog_item(&self, scope: &Scope, number: i64) -> Result<Option<Item>> {
        let row: Option<ItemRow> = sqlx::query_as(
            "SELECT id, project_id, number, title, body, status, created_at, updated_at, version FROM backlog_items WHERE project_id = $1 AND number = $2",
        )
        .bind(scope.project().to_string())
        .bind(number)
        .fetch_optional(self.reader())
        .await?;
        row.map(Item::try_from).transpose()
    }

    /// One item of the scope's project by its identity.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn backlog_item_by_id(&self, scope: &Scope, item: BacklogId) -> Result<Option<Item>> {
        let row: Option<ItemRow> = sqlx::query_as(
            "SELECT id, project_id, number, title, body, status, created_at, updated_at, version FROM backlog_items WHERE project_id = $1 AND id = $2",
        )
        .bind(scope.project().to_string())
        .bind(item.to_string())
        .fetch_optional(self.reader())
        .await?;
        row.map(Item::try_from).transpose()
    }

    /// Whole items that match, from the newest back, after one (its time and id).
    ///
    /// # Errors
    /// When the database fails.
    pub async fn backlog_page(&self, scope: &Scope, filter: &Filter, after: Option<(i64, String)>, limit: i64) -> Result<Vec<Item>> {
        let (at, id) = after.unwrap_or((i64::MAX, String::new()));
        let rows: Vec<ItemRow> = sqlx::query_as(
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
        rows.into_iter().map(Item::try_from).collect()
    }

    /// What stands behind each of these items.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn evidence_of(&self, scope: &Scope, items: &[Item]) -> Result<HashMap<BacklogId, Evidence>> {
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
        let ids: Vec<BacklogId> = items.iter().map(|item| item.id).collect();
        let rows: Vec<(String, i64, i64, i64)> =
            sqlx::query_as(sql).bind(scope.project().to_string()).bind(serde_json::to_string(&ids)?).fetch_all(self.reader()).await?;
        rows.into_iter().map(|(item, people, said, critical)| Ok((id(&item)?, Evidence { people, said, critical }))).collect()
    }

    /// Items with the best evidence first: people, then feedback, then the newest.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn backlog_list(&self, scope: &Scope, filter: &Filter, limit: i64, offset: i64) -> Result<Vec<ListedItem>> {
        let rows: Vec<ListedRow> = sqlx::query_as(
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
            evidence: Evidence { people: row.people, said: row.said, critical: row.critical },
        });
        Ok(listed.collect())
    }

    /// How many items of each status match the filter's text; statuses without any are left out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn backlog_counts(&self, scope: &Scope, filter: &Filter) -> Result<Vec<(BacklogStatus, i64)>> {
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

    /// What stands behind one item.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn backlog_evidence(&self, scope: &Scope, item: &Item) -> Result<Evidence> {
        Ok(sqlx::query_as(
            "SELECT COUNT(DISTINCT COALESCE(f.contact_id, f.id)) AS people, COUNT(f.id) AS said, \
             COUNT(CASE WHEN l.importance = 'critical' THEN f.id END) AS critical \
             FROM links l JOIN feedback f ON f.id = l.feedback_id AND f.status <> 'spam' WHERE l.project_id = $1 AND l.backlog_id = $2",
        )
        .bind(scope.project().to_string())
        .bind(item.id.to_string())
        .fetch_one(self.reader())
        .await?)
    }

    /// The items linked to a piece of feedback, first linked first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn linked_items(&self, scope: &Scope, feedback: FeedbackId) -> Result<Vec<LinkedItem>> {
        let rows: Vec<(i64, String, String, Option<String>, String)> = sqlx::query_as(
            "SELECT b.number, b.title, b.status, l.quote, l.importance FROM links l JOIN backlog_items b ON b.id = l.backlog_id \
             WHERE l.project_id = $1 AND l.feedback_id = $2 ORDER BY l.created_at, l.id",
        )
        .bind(scope.project().to_string())
        .bind(feedback.to_string())
        .fetch_all(self.reader())
        .await?;
        let linked = |(number, title, state, quote, weight): (i64, String, String, Option<String>, String)| LinkedItem {
            number,
            title,
            status: status(&state),
            quote,
            importance: importance(&weight),
        };
        Ok(rows.into_iter().map(linked).collect())
    }

    /// The feedback linked to an item, last linked first, after some (when it was linked, and its id), leaving out so many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn linked_feedback(
        &self,
        scope: &Scope,
        item: &Item,
        after: Option<(i64, String)>,
        limit: i64,
        offset: i64,
    ) -> Result<Vec<LinkedFeedback>> {
        let (at, feedback) = after.unwrap_or((i64::MAX, String::new()));
        let rows: Vec<SaidRow> = sqlx::query_as(
            "SELECT l.feedback_id, l.quote, l.importance, l.created_at, c.name, c.email FROM links l \
             JOIN feedback f ON f.id = l.feedback_id LEFT JOIN contacts c ON c.id = f.contact_id \
             WHERE l.project_id = $1 AND l.backlog_id = $2 AND (l.created_at < $5 OR (l.created_at = $5 AND l.feedback_id < $6)) \
             ORDER BY l.created_at DESC, l.feedback_id DESC LIMIT $3 OFFSET $4",
        )
        .bind(scope.project().to_string())
        .bind(item.id.to_string())
        .bind(limit)
        .bind(offset)
        .bind(at)
        .bind(feedback)
        .fetch_all(self.reader())
        .await?;
        rows.into_iter()
            .map(|row| {
                let who = [row.name, row.email].into_iter().flatten().find(|w| !w.trim().is_empty());
                Ok(LinkedFeedback {
                    feedback: id(&row.feedback_id)?,
                    quote: row.quote,
                    importance: importance(&row.importance),
                    linked_at: Timestamp(row.created_at),
                    who,
                })
            })
            .collect()
    }
}

impl Tx<'_> {
    /// Adds an item; `search` is its folded title and body.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_backlog_item(&mut self, item: &Item, search: &str, staff: Option<StaffId>) -> Result<()> {
        sqlx::query(
            "INSERT INTO backlog_items (id, project_id, number, title, body, search, status, created_by, created_at, updated_at, version) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(item.id.to_string())
        .bind(item.project.to_string())
        .bind(item.number)
        .bind(item.title.clone())
        .bind(item.body.clone())
        .bind(search.to_owned())
        .bind(item.status.as_str())
        .bind(staff.map(|s| s.to_string()))
        .bind(item.created_at.0)
        .bind(item.updated_at.0)
        .bind(item.version)
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// An item, held until this transaction ends.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn hold_backlog_item(&mut self, project: ProjectId, number: i64) -> Result<Option<Item>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => {
                "SELECT id, project_id, number, title, body, status, created_at, updated_at, version FROM backlog_items WHERE project_id = $1 AND number = $2"
            }
            Dialect::Postgres => {
                "SELECT id, project_id, number, title, body, status, created_at, updated_at, version FROM backlog_items WHERE project_id = $1 AND number = $2 FOR NO KEY UPDATE"
            }
        };
        let row: Option<ItemRow> = sqlx::query_as(sql).bind(project.to_string()).bind(number).fetch_optional(self.conn()).await?;
        row.map(Item::try_from).transpose()
    }

    /// Writes title, body, status, time and version of an item that is held.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn update_backlog_item(&mut self, item: &Item, search: &str) -> Result<()> {
        sqlx::query(
            "UPDATE backlog_items SET title = $2, body = $3, search = $4, status = $5, updated_at = $6, version = $7 WHERE id = $1",
        )
        .bind(item.id.to_string())
        .bind(item.title.clone())
        .bind(item.body.clone())
        .bind(search.to_owned())
        .bind(item.status.as_str())
        .bind(item.updated_at.0)
        .bind(item.version)
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// Status and text of feedback, held until this transaction ends.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn hold_feedback_for_link(&mut self, project: ProjectId, feedback: FeedbackId) -> Result<Option<(Status, String)>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => "SELECT status, text FROM feedback WHERE project_id = $1 AND id = $2",
            Dialect::Postgres => "SELECT status, text FROM feedback WHERE project_id = $1 AND id = $2 FOR NO KEY UPDATE",
        };
        let row: Option<(String, String)> =
            sqlx::query_as(sql).bind(project.to_string()).bind(feedback.to_string()).fetch_optional(self.conn()).await?;
        Ok(row.map(|(word, text)| (or_instead("status of feedback", Status::parse(&word), Status::New), text)))
    }

    /// Gives held feedback a status, a new version and time, and notes the change.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn touch_linked_feedback(&mut self, project: ProjectId, feedback: FeedbackId, status: Status, now: Timestamp) -> Result<()> {
        sqlx::query("UPDATE feedback SET status = $3, updated_at = $4, version = version + 1 WHERE project_id = $1 AND id = $2")
            .bind(project.to_string())
            .bind(feedback.to_string())
            .bind(status.as_str())
            .bind(now.0)
            .execute(self.conn())
            .await?;
        self.feedback_changed(project, feedback).await
    }

    /// An item by its identity, held until this transaction ends.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn hold_backlog_item_by_id(&mut self, project: ProjectId, item: BacklogId) -> Result<Option<Item>> {
        let number: Option<i64> = sqlx::query_scalar("SELECT number FROM backlog_items WHERE project_id = $1 AND id = $2")
            .bind(project.to_string())
            .bind(item.to_string())
            .fetch_optional(self.conn())
            .await?;
        let Some(number) = number else { return Ok(None) };
        Ok(self.hold_backlog_item(project, number).await?.filter(|found| found.id == item))
    }

    /// What the link of feedback to an item says; `None` without a link.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn link_of(&mut self, feedback: FeedbackId, item: &Item) -> Result<Option<Quoted>> {
        let row: Option<(Option<String>, String)> =
            sqlx::query_as("SELECT quote, importance FROM links WHERE feedback_id = $1 AND backlog_id = $2")
                .bind(feedback.to_string())
                .bind(item.id.to_string())
                .fetch_optional(self.conn())
                .await?;
        Ok(row.map(|(quote, weight)| Quoted { quote, importance: importance(&weight) }))
    }

    /// Makes a link say something else.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn update_link(&mut self, feedback: FeedbackId, item: &Item, says: &Quoted) -> Result<()> {
        sqlx::query("UPDATE links SET quote = $3, importance = $4 WHERE feedback_id = $1 AND backlog_id = $2")
            .bind(feedback.to_string())
            .bind(item.id.to_string())
            .bind(says.quote.clone())
            .bind(says.importance.as_str())
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Adds a link; `false` and nothing done when the two are linked.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_link(
        &mut self,
        link: LinkId,
        feedback: FeedbackId,
        item: &Item,
        says: &Quoted,
        staff: Option<StaffId>,
        now: Timestamp,
    ) -> Result<bool> {
        let added = sqlx::query(
            "INSERT INTO links (id, project_id, feedback_id, backlog_id, quote, importance, created_by, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (feedback_id, backlog_id) DO NOTHING",
        )
        .bind(link.to_string())
        .bind(item.project.to_string())
        .bind(feedback.to_string())
        .bind(item.id.to_string())
        .bind(says.quote.clone())
        .bind(says.importance.as_str())
        .bind(staff.map(|s| s.to_string()))
        .bind(now.0)
        .execute(self.conn())
        .await?
        .rows_affected();
        Ok(added == 1)
    }

    /// Takes a link away and gives its quote and importance; `None` when there was none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_link(&mut self, feedback: FeedbackId, item: &Item) -> Result<Option<Quoted>> {
        let row: Option<(Option<String>, String)> =
            sqlx::query_as("DELETE FROM links WHERE feedback_id = $1 AND backlog_id = $2 RETURNING quote, importance")
                .bind(feedback.to_string())
                .bind(item.id.to_string())
                .fetch_optional(self.conn())
                .await?;
        Ok(row.map(|(quote, weight)| Quoted { quote, importance: importance(&weight) }))
    }

    /// Takes an item and its history away if no feedback is linked to it; `false` when some is. Its number is not given again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_unlinked_item(&mut self, item: &Item) -> Result<bool> {
        let gone = sqlx::query("DELETE FROM backlog_items WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM links WHERE backlog_id = $1)")
            .bind(item.id.to_string())
            .execute(self.conn())
            .await?
            .rows_affected();
        if gone == 1 {
            sqlx::query("DELETE FROM history WHERE subject_id = $1").bind(item.id.to_string()).execute(self.conn()).await?;
        }
        Ok(gone == 1)
    }

    /// How many items a piece of feedback is linked to.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn link_count(&mut self, feedback: FeedbackId) -> Result<i64> {
        Ok(sqlx::query_scalar("SELECT COUNT(*) FROM links WHERE feedback_id = $1")
            .bind(feedback.to_string())
            .fetch_one(self.conn())
            .await?)
    }
}
