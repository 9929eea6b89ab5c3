//! Feedback: the rows behind the inbox.

use domain::{
    Timestamp,
    accounts::Scope,
    feedback::{Feedback, Kind, Status},
    ids::FeedbackId,
    tickets::Priority,
};
use sqlx::FromRow;

use super::{Store, Tx, id, optional_double, optional_id};
use crate::error::{Error, Result};

#[derive(FromRow)]
pub(super) struct Row {
    pub(super) id: String,
    project_id: String,
    kind: String,
    text: String,
    score: Option<f64>,
    score_max: Option<f64>,
    contact_id: Option<String>,
    survey_id: Option<String>,
    response_id: Option<String>,
    page_url: Option<String>,
    release: Option<String>,
    environment: Option<String>,
    language: String,
    status: String,
    assignee: Option<String>,
    spam_reasons: String,
    created_at: i64,
    updated_at: i64,
    version: i64,
}

impl Row {
    pub(super) fn with_tags(self, tags: Vec<String>) -> Result<Feedback> {
        Ok(Feedback {
            id: id(&self.id)?,
            project: id(&self.project_id)?,
            kind: Kind::parse(&self.kind).ok_or_else(|| Error::internal("stored kind", &self.kind))?,
            text: self.text,
            score: self.score,
            score_max: self.score_max,
            contact: optional_id(self.contact_id.as_deref())?,
            survey: optional_id(self.survey_id.as_deref())?,
            response: optional_id(self.response_id.as_deref())?,
            page_url: self.page_url,
            release: self.release,
            environment: self.environment,
            language: self.language,
            status: Status::parse(&self.status).ok_or_else(|| Error::internal("stored status", &self.status))?,
            assignee: optional_id(self.assignee.as_deref())?,
            tags,
            spam_reasons: serde_json::from_str(&self.spam_reasons)?,
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
            version: self.version,
        })
    }
}

/// A record with what else a query may ask about it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The record.
    pub feedback: Feedback,
    /// Linked to the backlog.
    pub linked: bool,
    /// Has a comment of the team.
    pub commented: bool,
    /// Something is known of the contact: a name, an address or an id.
    pub contact_known: bool,
    /// Of a ticket: how urgent it is.
    pub priority: Option<Priority>,
}

#[derive(FromRow)]
struct ListedRow {
    #[sqlx(flatten)]
    row: Row,
    linked: i64,
    commented: i64,
    known: i64,
    priority: Option<String>,
}

impl Store {
    /// Records of the scope's project by time, after one (its time and id): what the inbox lists while there is no index.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list_feedback(&self, scope: &Scope, newest: bool, after: Option<(i64, String)>, limit: i64) -> Result<Vec<Listed>> {
        let sql = if newest {
            "SELECT f.*, (SELECT COUNT(*) FROM links l WHERE l.feedback_id = f.id) AS linked, \
             (SELECT COUNT(*) FROM comments c WHERE c.feedback_id = f.id) AS commented, \
             (SELECT COUNT(*) FROM contacts p WHERE p.id = f.contact_id \
             AND COALESCE(p.name, '') || COALESCE(p.email, '') || COALESCE(p.external_id, '') <> '') AS known, \
             (SELECT t.priority FROM tickets t WHERE t.feedback_id = f.id) AS priority FROM feedback f \
             WHERE f.project_id = $1 AND (f.created_at < $2 OR (f.created_at = $2 AND f.id < $3)) \
             ORDER BY f.created_at DESC, f.id DESC LIMIT $4"
        } else {
            "SELECT f.*, (SELECT COUNT(*) FROM links l WHERE l.feedback_id = f.id) AS linked, \
             (SELECT COUNT(*) FROM comments c WHERE c.feedback_id = f.id) AS commented, \
             (SELECT COUNT(*) FROM contacts p WHERE p.id = f.contact_id \
             AND COALESCE(p.name, '') || COALESCE(p.email, '') || COALESCE(p.external_id, '') <> '') AS known, \
             (SELECT t.priority FROM tickets t WHERE t.feedback_id = f.id) AS priority FROM feedback f \
             WHERE f.project_id = $1 AND (f.created_at > $2 OR (f.created_at = $2 AND f.id > $3)) \
             ORDER BY f.created_at, f.id LIMIT $4"
        };
        let (at, id) = after.unwrap_or(if newest { (i64::MAX, String::new()) } else { (i64::MIN, String::new()) });
        let rows: Vec<ListedRow> =
            sqlx::query_as(sql).bind(scope.project().to_string()).bind(at).bind(id).bind(limit).fetch_all(self.reader()).await?;
        let ids: Vec<&str> = rows.iter().map(|r| r.row.id.as_str()).collect();
        let mut tags = self.tags_of(scope, &serde_json::to_string(&ids)?).await?;
        let listed = |r: ListedRow| -> Result<Listed> {
            let own = tags.remove(&r.row.id).unwrap_or_default();
            Ok(Listed {
                linked: r.linked > 0,
                commented: r.commented > 0,
                contact_known: r.known > 0,
                priority: r.priority.as_deref().and_then(Priority::parse),
                feedback: r.row.with_tags(own)?,
            })
        };
        rows.into_iter().map(listed).collect()
    }

    /// Whether there is anything in the scope's project that is not spam.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_more_than_spam(&self, scope: &Scope) -> Result<bool> {
        let found: Option<String> = sqlx::query_scalar("SELECT id FROM feedback WHERE project_id = $1 AND status <> $2 LIMIT 1")
            .bind(scope.project().to_string())
            .bind(Status::Spam.as_str())
            .fetch_optional(self.reader())
            .await?;
        Ok(found.is_some())
    }

    /// The tags of records, by id; `list` is their ids as JSON.
    async fn tags_of(&self, scope: &Scope, list: &str) -> Result<std::collections::HashMap<String, Vec<String>>> {
        let sql = match self.dialect() {
            // The sign keeps SQLite from going through the whole project's tags once for each record, by the index on project and tag.
            super::Dialect::Sqlite => {
                "SELECT t.feedback_id, t.tag FROM json_each($2) j CROSS JOIN feedback_tags t ON t.feedback_id = j.value WHERE +t.project_id = $1 ORDER BY t.tag"
            }
            super::Dialect::Postgres => {
                "SELECT t.feedback_id, t.tag FROM feedback_tags t JOIN json_array_elements_text(CAST($2 AS json)) j ON t.feedback_id = j WHERE t.project_id = $1 ORDER BY t.tag"
            }
        };
        let rows: Vec<(String, String)> =
            sqlx::query_as(sql).bind(scope.project().to_string()).bind(list.to_owned()).fetch_all(self.reader()).await?;
        let mut by_id: std::collections::HashMap<String, Vec<String>> = std::collections::HashMap::new();
        for (id, tag) in rows {
            by_id.entry(id).or_default().push(tag);
        }
        Ok(by_id)
    }

    /// The records of the scope's project with these ids, in the order asked; ids that are not there are left out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn feedback_by_ids(&self, scope: &Scope, ids: &[FeedbackId]) -> Result<Vec<Feedback>> {
        // Ids travel as one JSON list, so that the statement is the same text for any number of them.
        let list = serde_json::to_string(ids)?;
        let sql = match self.dialect() {
            super::Dialect::Sqlite => "SELECT f.* FROM json_each($2) j CROSS JOIN feedback f ON f.id = j.value WHERE f.project_id = $1",
            super::Dialect::Postgres => {
                "SELECT f.* FROM feedback f JOIN json_array_elements_text(CAST($2 AS json)) j ON f.id = j WHERE f.project_id = $1"
            }
        };
        let rows: Vec<Row> = sqlx::query_as(sql).bind(scope.project().to_string()).bind(list.clone()).fetch_all(self.reader()).await?;
        let mut tags = self.tags_of(scope, &list).await?;
        let mut by_id = std::collections::HashMap::with_capacity(rows.len());
        for row in rows {
            let own = tags.remove(&row.id).unwrap_or_default();
            let feedback = row.with_tags(own)?;
            by_id.insert(feedback.id, feedback);
        }
        Ok(ids.iter().filter_map(|id| by_id.remove(id)).collect())
    }
}

impl Tx<'_> {
    /// Adds a record with its tags and notes the change; `false` when `source_key` was added before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_feedback(&mut self, feedback: &Feedback, source_key: Option<&str>) -> Result<bool> {
        let done = sqlx::query(
            "INSERT INTO feedback (id, project_id, kind, text, score, score_max, contact_id, survey_id, response_id, source_key, page_url, release, \
             environment, language, status, assignee, spam_reasons, created_at, updated_at, version) \
             VALUES ($1, $2, $3, $4, CAST($5 AS DOUBLE PRECISION), CAST($6 AS DOUBLE PRECISION), $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, \
             $20) ON CONFLICT DO NOTHING",
        )
        .bind(feedback.id.to_string())
        .bind(feedback.project.to_string())
        .bind(feedback.kind.as_str())
        .bind(feedback.text.clone())
        .bind(optional_double(feedback.score))
        .bind(optional_double(feedback.score_max))
        .bind(feedback.contact.map(|c| c.to_string()))
        .bind(feedback.survey.map(|s| s.to_string()))
        .bind(feedback.response.map(|r| r.to_string()))
        .bind(source_key.map(ToOwned::to_owned))
        .bind(feedback.page_url.clone())
        .bind(feedback.release.clone())
        .bind(feedback.environment.clone())
        .bind(feedback.language.clone())
        .bind(feedback.status.as_str())
        .bind(feedback.assignee.map(|a| a.to_string()))
        .bind(serde_json::to_string(&feedback.spam_reasons)?)
        .bind(feedback.created_at.0)
        .bind(feedback.updated_at.0)
        .bind(feedback.version)
        .execute(self.conn())
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        for tag in &feedback.tags {
            sqlx::query("INSERT INTO feedback_tags (feedback_id, project_id, tag) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
                .bind(feedback.id.to_string())
                .bind(feedback.project.to_string())
                .bind(tag.clone())
                .execute(self.conn())
                .await?;
        }
        self.feedback_made(feedback.project, feedback.id).await?;
        Ok(true)
    }
}
