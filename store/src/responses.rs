//! Existing responses and answers, and updates to them. [`super::submissions`] adds new ones.

use domain::{
    Timestamp,
    accounts::Scope,
    feedback::FeedbackStatus,
    identity::Claim,
    ids::{ContactId, FeedbackId, ProjectId, ResponseId, SurveyId, VersionId},
    responses::ResponseSummary,
    surveys::Answer,
};

use super::{
    Dialect, Store, Tx,
    bulk_insert::{all_new, rows},
    id, optional_double, or_instead,
};
use crate::error::Result;

/// State of a response needed for an update.
#[derive(Debug, Clone)]
pub struct ResponseState {
    /// Its contact.
    pub contact: ContactId,
    /// Why it is suspected as spam.
    pub spam_reasons: Vec<String>,
    /// When it was completed, if it is.
    pub finished_at: Option<Timestamp>,
    /// Trust level of the identity claim; `None` if no contact was named.
    pub identity: Option<Claim>,
}

/// What an update of a response writes into it and into its feedback.
#[derive(Debug, Clone, Copy)]
pub struct ResponseUpdate<'a> {
    /// The contact who responded.
    pub contact: ContactId,
    /// Language of the answers.
    pub language: &'a str,
    /// Why it is suspected as spam.
    pub spam_reasons: &'a [String],
    /// When the update was made.
    pub now: Timestamp,
}

/// The answers of one response.
pub(super) struct ResponseAnswers<'a> {
    pub(super) project: ProjectId,
    pub(super) survey: SurveyId,
    pub(super) response: ResponseId,
    pub(super) answers: &'a [(String, Answer)],
    pub(super) now: Timestamp,
}

rows! {
    /// One answer.
    struct AnswerRow<'a> in "answers" {
        response_id: ResponseId as "TEXT",
        project_id: ProjectId as "TEXT",
        survey_id: SurveyId as "TEXT",
        question_id: &'a str as "TEXT",
        value: String as "TEXT",
        number: Option<u8> as "DOUBLE PRECISION",
        answered_at: i64 as "BIGINT",
    }
}

impl<'a> ResponseAnswers<'a> {
    pub(super) fn rows(&self) -> impl Iterator<Item = Result<AnswerRow<'a>>> + use<'a> {
        let (response_id, project_id, survey_id, answered_at) = (self.response, self.project, self.survey, self.now.0);
        self.answers.iter().map(move |(question_id, answer)| {
            let (value, number) = (serde_json::to_string(answer)?, answer.number());
            Ok(AnswerRow { response_id, project_id, survey_id, question_id, value, number, answered_at })
        })
    }
}

impl Store {
    /// Returns the survey and version that a response answers.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn version_of_response(&self, scope: &Scope, response: ResponseId) -> Result<Option<(SurveyId, VersionId)>> {
        let row: Option<(String, String)> = sqlx::query_as("SELECT survey_id, version_id FROM responses WHERE id = $1 AND project_id = $2")
            .bind(response.to_string())
            .bind(scope.project().to_string())
            .fetch_optional(self.reader())
            .await?;
        row.map(|(survey, version)| Ok((id(&survey)?, id(&version)?))).transpose()
    }
}

impl Tx<'_> {
    /// Returns the state of a response, locked until this transaction ends.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lock_response(&mut self, scope: &Scope, response: ResponseId) -> Result<Option<ResponseState>> {
        // Writing a row locks it on PostgreSQL; SQLite has only one writer.
        sqlx::query("UPDATE responses SET updated_at = updated_at WHERE id = $1 AND project_id = $2")
            .bind(response.to_string())
            .bind(scope.project().to_string())
            .execute(self.conn())
            .await?;
        let row: Option<(String, String, Option<i64>, Option<String>)> = sqlx::query_as(
            "SELECT contact_id, spam_reasons, finished_at, identity FROM responses WHERE id = $1 AND project_id = $2 AND contact_id IS NOT NULL",
        )
        .bind(response.to_string())
        .bind(scope.project().to_string())
        .fetch_optional(self.conn())
        .await?;
        row.map(|(contact, reasons, finished, identity)| {
            Ok(ResponseState {
                contact: id(&contact)?,
                spam_reasons: or_instead("list of spam reasons", serde_json::from_str(&reasons).ok(), Vec::new()),
                finished_at: finished.map(Timestamp),
                identity: identity.as_deref().and_then(Claim::parse),
            })
        })
        .transpose()
    }

    /// Updates the stored fields of a response.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn update_response(
        &mut self,
        scope: &Scope,
        response: ResponseId,
        update: ResponseUpdate<'_>,
        finished_at: Option<Timestamp>,
    ) -> Result<()> {
        sqlx::query(
            "UPDATE responses SET contact_id = $2, language = $3, spam_reasons = $4, finished_at = $5, updated_at = $6 \
             WHERE id = $1 AND project_id = $7",
        )
        .bind(response.to_string())
        .bind(update.contact.to_string())
        .bind(update.language.to_owned())
        .bind(serde_json::to_string(update.spam_reasons)?)
        .bind(finished_at.map(|t| t.0))
        .bind(update.now.0)
        .bind(scope.project().to_string())
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// Records the trust level of a response's identity claim, and its data that conflicts with the contact.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_identity(&mut self, scope: &Scope, response: ResponseId, identity: Claim, claimed: Option<String>) -> Result<()> {
        sqlx::query("UPDATE responses SET identity = $3, claimed = $4 WHERE id = $1 AND project_id = $2")
            .bind(response.to_string())
            .bind(scope.project().to_string())
            .bind(identity.as_str())
            .bind(claimed)
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Returns whether these are exactly the answers of a response.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn has_same_answers(&mut self, scope: &Scope, response: ResponseId, answers: &[(String, Answer)]) -> Result<bool> {
        let mut stored: Vec<(String, String)> =
            sqlx::query_as("SELECT question_id, value FROM answers WHERE response_id = $1 AND project_id = $2")
                .bind(response.to_string())
                .bind(scope.project().to_string())
                .fetch_all(self.conn())
                .await?;
        let mut given =
            answers.iter().map(|(question, answer)| Ok((question.clone(), serde_json::to_string(answer)?))).collect::<Result<Vec<_>>>()?;
        stored.sort_unstable();
        given.sort_unstable();
        Ok(stored == given)
    }

    /// Replaces all answers of a response by `answers`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn replace_answers(
        &mut self,
        scope: &Scope,
        survey: SurveyId,
        response: ResponseId,
        answers: &[(String, Answer)],
        now: Timestamp,
    ) -> Result<()> {
        sqlx::query("DELETE FROM answers WHERE response_id = $1 AND project_id = $2")
            .bind(response.to_string())
            .bind(scope.project().to_string())
            .execute(self.conn())
            .await?;
        self.insert_answers(&ResponseAnswers { project: scope.project(), survey, response, answers, now }).await
    }

    /// Adds the answers of a response that has none yet.
    ///
    /// # Errors
    /// When the database fails.
    async fn insert_answers(&mut self, given: &ResponseAnswers<'_>) -> Result<()> {
        let rows = given.rows().collect::<Result<Vec<_>>>()?;
        all_new(self.insert_rows(&rows).await?, rows.len(), "answers")
    }

    /// Returns the feedback of a response, locked until this transaction ends: its status is written back.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn feedback_of_response(&mut self, scope: &Scope, response: ResponseId) -> Result<Option<(FeedbackId, FeedbackStatus)>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => "SELECT id, status FROM feedback WHERE response_id = $1 AND project_id = $2",
            Dialect::Postgres => "SELECT id, status FROM feedback WHERE response_id = $1 AND project_id = $2 FOR NO KEY UPDATE",
        };
        let row: Option<(String, String)> =
            sqlx::query_as(sql).bind(response.to_string()).bind(scope.project().to_string()).fetch_optional(self.conn()).await?;
        row.map(|(feedback, status)| {
            Ok((id(&feedback)?, or_instead("status of feedback", FeedbackStatus::parse(&status), FeedbackStatus::New)))
        })
        .transpose()
    }

    /// Updates feedback from its response.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn update_feedback_of_response(
        &mut self,
        scope: &Scope,
        feedback: FeedbackId,
        update: ResponseUpdate<'_>,
        summary: &ResponseSummary,
        status: FeedbackStatus,
    ) -> Result<()> {
        sqlx::query(
            "UPDATE feedback SET text = $2, score = CAST($3 AS DOUBLE PRECISION), score_max = CAST($4 AS DOUBLE PRECISION), contact_id = $5, language = $6, status = $7, spam_reasons = $8, \
             updated_at = $9, version = version + 1 WHERE id = $1 AND project_id = $10",
        )
        .bind(feedback.to_string())
        .bind(summary.text.clone())
        .bind(optional_double(summary.score))
        .bind(optional_double(summary.score_max))
        .bind(update.contact.to_string())
        .bind(update.language.to_owned())
        .bind(status.as_str())
        .bind(serde_json::to_string(update.spam_reasons)?)
        .bind(update.now.0)
        .bind(scope.project().to_string())
        .execute(self.conn())
        .await?;
        Ok(())
    }
}
