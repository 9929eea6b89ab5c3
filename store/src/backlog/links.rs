//! Links between backlog items and feedback.

use domain::{
    Timestamp,
    accounts::Scope,
    backlog::{BacklogItem, BacklogStatus, Importance},
    feedback::FeedbackStatus,
    ids::{ActorId, FeedbackId, LinkId, ProjectId},
};
use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::items::status;
use crate::{Act, Dialect, Store, Tx, error::Result, id, or_instead};

pub(crate) fn importance(text: &str) -> Importance {
    or_instead("importance of a link", Importance::parse(text), Importance::Normal)
}

/// An item linked to one piece of feedback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedItem {
    /// Its number in the project.
    pub number: i64,
    /// Its title.
    pub title: String,
    /// Its status.
    pub status: BacklogStatus,
    /// The quoted part of the feedback.
    pub quote: Option<String>,
    /// How important it is to the contact.
    pub importance: Importance,
}

/// A piece of feedback linked to one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedFeedback {
    /// The feedback.
    pub feedback: FeedbackId,
    /// The quoted part.
    pub quote: Option<String>,
    /// How important it is to the contact.
    pub importance: Importance,
    /// When it was linked.
    pub linked_at: Timestamp,
    /// The contact's name, or else their address.
    pub who: Option<String>,
}

/// Content of a link: the quote and its importance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkContent {
    /// The quoted part; `None` for all of the feedback.
    pub quote: Option<String>,
    /// How important it is to the contact.
    pub importance: Importance,
}

#[derive(FromRow)]
struct LinkedFeedbackRow {
    feedback_id: String,
    quote: Option<String>,
    importance: String,
    created_at: i64,
    name: Option<String>,
    email: Option<String>,
}

impl Store {
    /// Returns the items linked to a piece of feedback, oldest link first.
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

    /// Returns the feedback linked to an item, latest link first, after a cursor (link time and feedback id), skipping an offset.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn linked_feedback(
        &self,
        scope: &Scope,
        item: &BacklogItem,
        after: Option<(i64, String)>,
        limit: i64,
        offset: i64,
    ) -> Result<Vec<LinkedFeedback>> {
        let (at, feedback) = after.unwrap_or((i64::MAX, String::new()));
        let rows: Vec<LinkedFeedbackRow> = sqlx::query_as(
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

impl Act<'_, '_> {
    /// Links feedback to a backlog item. Returns `false` and changes nothing if the two are already linked.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_link(&mut self, feedback: FeedbackId, item: &BacklogItem, says: &LinkContent) -> Result<bool> {
        let (actor, now) = (self.actor_id(), self.now());
        Tx::insert_link(self, feedback, item, says, actor, now).await
    }
}

impl Tx<'_> {
    /// Returns status and text of feedback, locked until this transaction ends.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lock_feedback_for_link(&mut self, project: ProjectId, feedback: FeedbackId) -> Result<Option<(FeedbackStatus, String)>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => "SELECT status, text FROM feedback WHERE project_id = $1 AND id = $2",
            Dialect::Postgres => "SELECT status, text FROM feedback WHERE project_id = $1 AND id = $2 FOR NO KEY UPDATE",
        };
        let row: Option<(String, String)> =
            sqlx::query_as(sql).bind(project.to_string()).bind(feedback.to_string()).fetch_optional(self.conn()).await?;
        Ok(row.map(|(word, text)| (or_instead("status of feedback", FeedbackStatus::parse(&word), FeedbackStatus::New), text)))
    }

    /// Sets status, version and time of locked feedback, and records the change.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn touch_linked_feedback(
        &mut self,
        project: ProjectId,
        feedback: FeedbackId,
        status: FeedbackStatus,
        now: Timestamp,
    ) -> Result<()> {
        sqlx::query("UPDATE feedback SET status = $3, updated_at = $4, version = version + 1 WHERE project_id = $1 AND id = $2")
            .bind(project.to_string())
            .bind(feedback.to_string())
            .bind(status.as_str())
            .bind(now.0)
            .execute(self.conn())
            .await?;
        self.record_feedback_change(project, feedback).await
    }

    /// Returns the content of the link between feedback and an item; `None` if they are not linked.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn link_content(&mut self, feedback: FeedbackId, item: &BacklogItem) -> Result<Option<LinkContent>> {
        let row: Option<(Option<String>, String)> =
            sqlx::query_as("SELECT quote, importance FROM links WHERE feedback_id = $1 AND backlog_id = $2")
                .bind(feedback.to_string())
                .bind(item.id.to_string())
                .fetch_optional(self.conn())
                .await?;
        Ok(row.map(|(quote, weight)| LinkContent { quote, importance: importance(&weight) }))
    }

    /// Replaces the content of a link.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn update_link(&mut self, feedback: FeedbackId, item: &BacklogItem, says: &LinkContent) -> Result<()> {
        sqlx::query("UPDATE links SET quote = $3, importance = $4 WHERE feedback_id = $1 AND backlog_id = $2 AND project_id = $5")
            .bind(feedback.to_string())
            .bind(item.id.to_string())
            .bind(says.quote.clone())
            .bind(says.importance.as_str())
            .bind(item.project.to_string())
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Adds a link. Returns `false` and changes nothing if the two are already linked.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_link(
        &mut self,
        feedback: FeedbackId,
        item: &BacklogItem,
        says: &LinkContent,
        by: Option<ActorId>,
        now: Timestamp,
    ) -> Result<bool> {
        let added = sqlx::query(
            "INSERT INTO links (id, project_id, feedback_id, backlog_id, quote, importance, created_by, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (feedback_id, backlog_id) DO NOTHING",
        )
        .bind(self.id::<LinkId>().to_string())
        .bind(item.project.to_string())
        .bind(feedback.to_string())
        .bind(item.id.to_string())
        .bind(says.quote.clone())
        .bind(says.importance.as_str())
        .bind(by.map(|actor| actor.to_string()))
        .bind(now.0)
        .execute(self.conn())
        .await?
        .rows_affected();
        Ok(added == 1)
    }

    /// Deletes a link and returns its quote and importance; `None` if there was none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete_link(&mut self, feedback: FeedbackId, item: &BacklogItem) -> Result<Option<LinkContent>> {
        let sql = "DELETE FROM links WHERE feedback_id = $1 AND backlog_id = $2 AND project_id = $3 RETURNING quote, importance";
        let row: Option<(Option<String>, String)> = sqlx::query_as(sql)
            .bind(feedback.to_string())
            .bind(item.id.to_string())
            .bind(item.project.to_string())
            .fetch_optional(self.conn())
            .await?;
        Ok(row.map(|(quote, weight)| LinkContent { quote, importance: importance(&weight) }))
    }

    /// Counts the items that a piece of feedback is linked to.
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
