//! Rows for exports: keyset pages with the stored values, so that one invalid row breaks nothing.

use domain::{accounts::Scope, ids::SurveyId};
use sqlx::FromRow;

use super::{Dialect, Store, id};
use crate::error::Result;

/// Cursor of a page: time or number, and id, of the last row before it.
pub type ExportCursor = (i64, String);

/// Feedback with its related data.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the names are those of the columns")]
pub struct ExportedFeedback {
    pub id: String,
    pub kind: String,
    pub text: String,
    pub score: Option<f64>,
    pub score_max: Option<f64>,
    pub status: String,
    pub assignee: Option<String>,
    pub contact_id: Option<String>,
    pub contact_name: Option<String>,
    pub contact_email: Option<String>,
    pub contact_external: Option<String>,
    pub survey_id: Option<String>,
    pub survey: Option<String>,
    pub response_id: Option<String>,
    pub ticket: Option<i64>,
    pub page_url: Option<String>,
    pub release: Option<String>,
    pub environment: Option<String>,
    pub language: String,
    pub spam_reasons: String,
    pub created_at: i64,
    pub updated_at: i64,
    pub version: i64,
}

/// A response with its related data.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the names are those of the columns")]
pub struct ExportedResponse {
    pub id: String,
    pub version: Option<i64>,
    pub version_id: String,
    pub contact_id: Option<String>,
    pub contact_name: Option<String>,
    pub contact_email: Option<String>,
    pub contact_external: Option<String>,
    pub feedback_id: Option<String>,
    pub source: String,
    pub language: String,
    pub page_url: Option<String>,
    pub referrer: Option<String>,
    pub release: Option<String>,
    pub environment: Option<String>,
    pub spam_reasons: String,
    pub started_at: i64,
    pub updated_at: i64,
    pub finished_at: Option<i64>,
}

/// A backlog item.
#[derive(Debug, Clone, FromRow)]
#[expect(missing_docs, reason = "the names are those of the columns")]
pub struct ExportedItem {
    pub id: String,
    pub number: i64,
    pub title: String,
    pub body: String,
    pub status: String,
    pub created_by: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
    pub version: i64,
}

/// Selects the columns of [`ExportedFeedback`] from a given source, with given conditions.
macro_rules! feedback_rows {
    ($from:literal, $asked:literal) => {
        concat!(
            "SELECT f.id, f.kind, f.text, f.score, f.score_max, f.status, s.email AS assignee, f.contact_id, c.name AS contact_name, \
             c.email AS contact_email, c.external_id AS contact_external, f.survey_id, v.name AS survey, f.response_id, t.number AS ticket, \
             f.page_url, f.release, f.environment, f.language, f.spam_reasons, f.created_at, f.updated_at, f.version FROM ",
            $from,
            " LEFT JOIN accounts s ON s.id = f.assignee LEFT JOIN contacts c ON c.id = f.contact_id LEFT JOIN surveys v ON v.id = f.survey_id \
             LEFT JOIN tickets t ON t.feedback_id = f.id ",
            $asked
        )
    };
}

impl Store {
    /// Returns feedback of the scope's project after a cursor, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn export_feedback(&self, scope: &Scope, after: &ExportCursor, limit: i64) -> Result<Vec<ExportedFeedback>> {
        Ok(sqlx::query_as(feedback_rows!(
            "feedback f",
            "WHERE f.project_id = $1 AND (f.created_at > $2 OR (f.created_at = $2 AND f.id > $3)) ORDER BY f.created_at, f.id LIMIT $4"
        ))
        .bind(scope.project().to_string())
        .bind(after.0)
        .bind(after.1.clone())
        .bind(limit)
        .fetch_all(self.reader())
        .await?)
    }

    /// Returns these records of the scope's project, oldest first; omits deleted records.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn export_feedback_by_ids(&self, scope: &Scope, ids: &[String]) -> Result<Vec<ExportedFeedback>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => feedback_rows!(
                "json_each($2) j CROSS JOIN feedback f ON f.id = j.value",
                "WHERE f.project_id = $1 ORDER BY f.created_at, f.id"
            ),
            Dialect::Postgres => feedback_rows!(
                "json_array_elements_text(CAST($2 AS json)) j JOIN feedback f ON f.id = j",
                "WHERE f.project_id = $1 ORDER BY f.created_at, f.id"
            ),
        };
        Ok(sqlx::query_as(sql).bind(scope.project().to_string()).bind(serde_json::to_string(ids)?).fetch_all(self.reader()).await?)
    }

    /// Returns the tags of these records of the scope's project: record, tag.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn export_tags(&self, scope: &Scope, ids: &[&str]) -> Result<Vec<(String, String)>> {
        let sql = match self.dialect() {
            // The unary plus keeps SQLite from scanning the whole project's tags once for each record, by the index on project and tag.
            Dialect::Sqlite => {
                "SELECT t.feedback_id, t.tag FROM json_each($2) j CROSS JOIN feedback_tags t ON t.feedback_id = j.value \
                 WHERE +t.project_id = $1 ORDER BY t.tag"
            }
            Dialect::Postgres => {
                "SELECT t.feedback_id, t.tag FROM feedback_tags t JOIN json_array_elements_text(CAST($2 AS json)) j ON t.feedback_id = j \
                 WHERE t.project_id = $1 ORDER BY t.tag"
            }
        };
        Ok(sqlx::query_as(sql).bind(scope.project().to_string()).bind(serde_json::to_string(ids)?).fetch_all(self.reader()).await?)
    }

    /// Returns the links of these records, or of these backlog items, of the scope's project: record, item id, item number.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn export_links(&self, scope: &Scope, ids: &[&str]) -> Result<Vec<(String, String, i64)>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => {
                "SELECT l.feedback_id, l.backlog_id, b.number FROM links l JOIN backlog_items b ON b.id = l.backlog_id \
                 WHERE l.project_id = $1 AND (l.feedback_id IN (SELECT j.value FROM json_each($2) j) \
                 OR l.backlog_id IN (SELECT j.value FROM json_each($2) j)) ORDER BY b.number, l.feedback_id"
            }
            Dialect::Postgres => {
                "SELECT l.feedback_id, l.backlog_id, b.number FROM links l JOIN backlog_items b ON b.id = l.backlog_id \
                 WHERE l.project_id = $1 AND (l.feedback_id IN (SELECT json_array_elements_text(CAST($2 AS json))) \
                 OR l.backlog_id IN (SELECT json_array_elements_text(CAST($2 AS json)))) ORDER BY b.number, l.feedback_id"
            }
        };
        Ok(sqlx::query_as(sql).bind(scope.project().to_string()).bind(serde_json::to_string(ids)?).fetch_all(self.reader()).await?)
    }

    /// Returns responses to a survey of the scope's project after a cursor, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn export_responses(
        &self,
        scope: &Scope,
        survey: SurveyId,
        after: &ExportCursor,
        limit: i64,
    ) -> Result<Vec<ExportedResponse>> {
        Ok(sqlx::query_as(
            "SELECT r.id, v.number AS version, r.version_id, r.contact_id, c.name AS contact_name, c.email AS contact_email, \
             c.external_id AS contact_external, f.id AS feedback_id, r.source, r.language, r.page_url, r.referrer, r.release, r.environment, \
             r.spam_reasons, r.started_at, r.updated_at, r.finished_at FROM responses r LEFT JOIN survey_versions v ON v.id = r.version_id \
             LEFT JOIN contacts c ON c.id = r.contact_id LEFT JOIN feedback f ON f.response_id = r.id \
             WHERE r.project_id = $1 AND r.survey_id = $2 AND (r.started_at > $3 OR (r.started_at = $3 AND r.id > $4)) \
             ORDER BY r.started_at, r.id LIMIT $5",
        )
        .bind(scope.project().to_string())
        .bind(survey.to_string())
        .bind(after.0)
        .bind(after.1.clone())
        .bind(limit)
        .fetch_all(self.reader())
        .await?)
    }

    /// Returns the stored answers of these responses: response, question, value.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn export_answers(&self, scope: &Scope, responses: &[&str]) -> Result<Vec<(String, String, String)>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => {
                "SELECT a.response_id, a.question_id, a.value FROM json_each($2) j CROSS JOIN answers a ON a.response_id = j.value \
                 WHERE a.project_id = $1 ORDER BY a.question_id"
            }
            Dialect::Postgres => {
                "SELECT a.response_id, a.question_id, a.value FROM answers a JOIN json_array_elements_text(CAST($2 AS json)) j ON a.response_id = j \
                 WHERE a.project_id = $1 ORDER BY a.question_id"
            }
        };
        Ok(sqlx::query_as(sql).bind(scope.project().to_string()).bind(serde_json::to_string(responses)?).fetch_all(self.reader()).await?)
    }

    /// Returns id and name of the surveys of the scope's project, oldest first. Reads no drafts, so that a broken one hides no responses.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn export_surveys(&self, scope: &Scope) -> Result<Vec<(SurveyId, String)>> {
        let rows: Vec<(String, String)> = sqlx::query_as("SELECT id, name FROM surveys WHERE project_id = $1 ORDER BY created_at, id")
            .bind(scope.project().to_string())
            .fetch_all(self.reader())
            .await?;
        rows.into_iter().map(|(survey, name)| Ok((id(&survey)?, name))).collect()
    }

    /// Returns id and stored content of all versions of a survey of the scope's project, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn export_versions(&self, scope: &Scope, survey: SurveyId) -> Result<Vec<(String, String)>> {
        Ok(sqlx::query_as("SELECT id, body FROM survey_versions WHERE project_id = $1 AND survey_id = $2 ORDER BY number DESC")
            .bind(scope.project().to_string())
            .bind(survey.to_string())
            .fetch_all(self.reader())
            .await?)
    }

    /// Returns backlog items of the scope's project after a number. The creator of an item made by an API key is `key:` and the key's id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn export_items(&self, scope: &Scope, after: i64, limit: i64) -> Result<Vec<ExportedItem>> {
        Ok(sqlx::query_as(
            "SELECT b.id, b.number, b.title, b.body, b.status, COALESCE(s.email, 'key:' || k.id) AS created_by, b.created_at, b.updated_at, \
             b.version FROM backlog_items b LEFT JOIN accounts s ON s.id = b.created_by LEFT JOIN api_keys k ON k.id = b.created_by \
             WHERE b.project_id = $1 AND b.number > $2 ORDER BY b.number LIMIT $3",
        )
        .bind(scope.project().to_string())
        .bind(after)
        .bind(limit)
        .fetch_all(self.reader())
        .await?)
    }
}
