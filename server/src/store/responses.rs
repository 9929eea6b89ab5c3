//! Contacts, responses, answers, and what respondents may see of surveys.

use domain::{
    Timestamp,
    accounts::Scope,
    feedback::Status,
    ids::{ContactId, FeedbackId, ProjectId, ResponseId, SurveyId, VersionId},
    responses::Digest,
    surveys::Answer,
};

use super::{Dialect, Store, Tx, id, optional_double};
use crate::{
    error::{Error, Result},
    responses::{Context, Person},
};

/// A response to store.
#[expect(missing_docs, reason = "the columns")]
pub struct NewResponse<'a> {
    pub id: ResponseId,
    pub project: ProjectId,
    pub survey: SurveyId,
    pub version: VersionId,
    pub contact: ContactId,
    pub language: String,
    pub context: &'a Context,
    pub spam_reasons: &'a [String],
    pub now: Timestamp,
    pub finished: bool,
}

/// What an update must know of a response.
#[derive(Debug, Clone)]
pub struct ResponseState {
    /// Who gave it.
    pub contact: ContactId,
    /// Why it is suspected.
    pub spam_reasons: Vec<String>,
    /// Whether it takes no more answers.
    pub finished: bool,
}

impl Store {
    /// Which survey and version a response answers.
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
    /// The contact that a person is: by the site's id, else by e-mail address, else a new one. `at` is when they said something: what
    /// is newer than all we have of them counts, what is older only fills gaps.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn contact_for(&mut self, scope: &Scope, person: &Person, new: ContactId, at: Timestamp) -> Result<ContactId> {
        if let Some(known) = self.find_contact(scope, person).await? {
            self.update_contact(scope, known, person, at).await?;
            return Ok(known);
        }
        let added = sqlx::query(
            "INSERT INTO contacts (id, project_id, external_id, email, name, attributes, created_at, seen_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT DO NOTHING",
        )
        .bind(new.to_string())
        .bind(scope.project().to_string())
        .bind(person.external_id.clone())
        .bind(person.email.clone())
        .bind(person.name.clone())
        .bind(person.attributes.clone().unwrap_or_else(|| "{}".into()))
        .bind(at.0)
        .execute(self.conn())
        .await?
        .rows_affected();
        if added == 1 {
            return Ok(new);
        }
        // Somebody else added the same external id meanwhile.
        self.find_contact(scope, person).await?.ok_or_else(|| Error::internal("contact", "neither added nor found"))
    }

    /// As [`Tx::contact_for`], for a response that has a contact: an anonymous one becomes the person they turn out to be.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn contact_again(
        &mut self,
        scope: &Scope,
        current: ContactId,
        person: &Person,
        new: ContactId,
        at: Timestamp,
    ) -> Result<ContactId> {
        if person.is_anonymous() {
            return Ok(current);
        }
        let (external, email): (Option<String>, Option<String>) =
            sqlx::query_as("SELECT external_id, email FROM contacts WHERE id = $1 AND project_id = $2")
                .bind(current.to_string())
                .bind(scope.project().to_string())
                .fetch_one(self.conn())
                .await?;
        let same = external.is_some() && (person.external_id.is_none() || external == person.external_id);
        let anonymous = external.is_none() && email.is_none();
        if !same && (!anonymous || self.find_contact(scope, person).await?.is_some()) {
            return self.contact_for(scope, person, new, at).await;
        }
        self.update_contact(scope, current, person, at).await?;
        Ok(current)
    }

    async fn find_contact(&mut self, scope: &Scope, person: &Person) -> Result<Option<ContactId>> {
        let (sql, wanted) = match (&person.external_id, &person.email) {
            (Some(external), _) => ("SELECT id FROM contacts WHERE project_id = $1 AND external_id = $2", external),
            (None, Some(email)) => ("SELECT id FROM contacts WHERE project_id = $1 AND email = $2 ORDER BY created_at, id LIMIT 1", email),
            (None, None) => return Ok(None),
        };
        let row: Option<String> =
            sqlx::query_scalar(sql).bind(scope.project().to_string()).bind(wanted.clone()).fetch_optional(self.conn()).await?;
        row.as_deref().map(id).transpose()
    }

    /// Adds what is not known yet. A name that is known stays: whoever has the public key may claim to be anybody.
    async fn update_contact(&mut self, scope: &Scope, contact: ContactId, person: &Person, at: Timestamp) -> Result<()> {
        type Called = (Option<String>, Option<String>);
        let before: Called = sqlx::query_as("SELECT name, email FROM contacts WHERE id = $1 AND project_id = $2")
            .bind(contact.to_string())
            .bind(scope.project().to_string())
            .fetch_one(self.conn())
            .await?;
        let after: Called = sqlx::query_as(
            "UPDATE contacts SET external_id = COALESCE(external_id, $3), email = COALESCE(email, $4), \
             name = COALESCE(name, $5), \
             attributes = CASE WHEN seen_at <= $7 OR attributes = '{}' THEN COALESCE($6, attributes) ELSE attributes END, \
             seen_at = CASE WHEN seen_at < $7 THEN $7 ELSE seen_at END WHERE id = $1 AND project_id = $2 RETURNING name, email",
        )
        .bind(contact.to_string())
        .bind(scope.project().to_string())
        .bind(person.external_id.clone())
        .bind(person.email.clone())
        .bind(person.name.clone())
        .bind(person.attributes.clone())
        .bind(at.0)
        .fetch_one(self.conn())
        .await?;
        if before != after {
            self.contact_changed(scope.project(), contact).await?;
        }
        Ok(())
    }

    /// Takes away an anonymous contact that nothing points to any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_anonymous(&mut self, scope: &Scope, contact: ContactId) -> Result<()> {
        sqlx::query(
            "DELETE FROM contacts WHERE id = $1 AND project_id = $2 AND external_id IS NULL AND email IS NULL \
             AND NOT EXISTS (SELECT 1 FROM responses WHERE contact_id = $1) AND NOT EXISTS (SELECT 1 FROM feedback WHERE contact_id = $1)",
        )
        .bind(contact.to_string())
        .bind(scope.project().to_string())
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// Adds a response.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_response(&mut self, new: &NewResponse<'_>) -> Result<()> {
        sqlx::query(
            "INSERT INTO responses (id, project_id, survey_id, version_id, contact_id, source, language, page_url, referrer, release, environment, \
             user_agent, spam_reasons, started_at, updated_at, finished_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14, $15)",
        )
        .bind(new.id.to_string())
        .bind(new.project.to_string())
        .bind(new.survey.to_string())
        .bind(new.version.to_string())
        .bind(new.contact.to_string())
        .bind(new.context.source.clone())
        .bind(new.language.clone())
        .bind(new.context.page_url.clone())
        .bind(new.context.referrer.clone())
        .bind(new.context.release.clone())
        .bind(new.context.environment.clone())
        .bind(new.context.user_agent.clone())
        .bind(serde_json::to_string(new.spam_reasons)?)
        .bind(new.now.0)
        .bind(new.finished.then_some(new.now.0))
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// A response's state; the response is this transaction's until its end.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lock_response(&mut self, scope: &Scope, response: ResponseId) -> Result<Option<ResponseState>> {
        // Writing a row locks it on PostgreSQL; SQLite has one writer.
        sqlx::query("UPDATE responses SET updated_at = updated_at WHERE id = $1 AND project_id = $2")
            .bind(response.to_string())
            .bind(scope.project().to_string())
            .execute(self.conn())
            .await?;
        let row: Option<(String, String, Option<i64>)> = sqlx::query_as(
            "SELECT contact_id, spam_reasons, finished_at FROM responses WHERE id = $1 AND project_id = $2 AND contact_id IS NOT NULL",
        )
        .bind(response.to_string())
        .bind(scope.project().to_string())
        .fetch_optional(self.conn())
        .await?;
        row.map(|(contact, reasons, finished)| {
            Ok(ResponseState { contact: id(&contact)?, spam_reasons: serde_json::from_str(&reasons)?, finished: finished.is_some() })
        })
        .transpose()
    }

    /// Notes what changed about a response.
    ///
    /// # Errors
    /// When the database fails.
    #[expect(clippy::too_many_arguments, reason = "the columns")]
    pub async fn update_response(
        &mut self,
        scope: &Scope,
        response: ResponseId,
        contact: ContactId,
        language: &str,
        spam_reasons: &[String],
        finished_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<()> {
        sqlx::query(
            "UPDATE responses SET contact_id = $2, language = $3, spam_reasons = $4, finished_at = $5, updated_at = $6 \
             WHERE id = $1 AND project_id = $7",
        )
        .bind(response.to_string())
        .bind(contact.to_string())
        .bind(language.to_owned())
        .bind(serde_json::to_string(spam_reasons)?)
        .bind(finished_at.map(|t| t.0))
        .bind(now.0)
        .bind(scope.project().to_string())
        .execute(self.conn())
        .await?;
        Ok(())
    }

    /// Puts `answers` in place of all answers of a response.
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
        for (question, answer) in answers {
            sqlx::query(
                "INSERT INTO answers (response_id, project_id, survey_id, question_id, value, number, answered_at) VALUES ($1, $2, $3, $4, $5, CAST($6 AS DOUBLE PRECISION), $7)",
            )
            .bind(response.to_string())
            .bind(scope.project().to_string())
            .bind(survey.to_string())
            .bind(question.clone())
            .bind(serde_json::to_string(answer)?)
            .bind(optional_double(answer.number().map(f64::from)))
            .bind(now.0)
            .execute(self.conn())
            .await?;
        }
        Ok(())
    }

    /// The feedback that a response made, held until this transaction ends: its status is written back.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn feedback_of_response(&mut self, scope: &Scope, response: ResponseId) -> Result<Option<(FeedbackId, Status)>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => "SELECT id, status FROM feedback WHERE response_id = $1 AND project_id = $2",
            Dialect::Postgres => "SELECT id, status FROM feedback WHERE response_id = $1 AND project_id = $2 FOR NO KEY UPDATE",
        };
        let row: Option<(String, String)> =
            sqlx::query_as(sql).bind(response.to_string()).bind(scope.project().to_string()).fetch_optional(self.conn()).await?;
        row.map(|(feedback, status)| Ok((id(&feedback)?, Status::parse(&status).ok_or_else(|| Error::internal("stored status", &status))?)))
            .transpose()
    }

    /// Brings feedback up to date with its response.
    ///
    /// # Errors
    /// When the database fails.
    #[expect(clippy::too_many_arguments, reason = "the columns")]
    pub async fn update_feedback_of_response(
        &mut self,
        scope: &Scope,
        feedback: FeedbackId,
        digest: &Digest,
        contact: ContactId,
        language: &str,
        status: Status,
        spam_reasons: &[String],
        now: Timestamp,
    ) -> Result<()> {
        sqlx::query(
            "UPDATE feedback SET text = $2, score = CAST($3 AS DOUBLE PRECISION), score_max = CAST($4 AS DOUBLE PRECISION), contact_id = $5, language = $6, status = $7, spam_reasons = $8, \
             updated_at = $9, version = version + 1 WHERE id = $1 AND project_id = $10",
        )
        .bind(feedback.to_string())
        .bind(digest.text.clone())
        .bind(optional_double(digest.score))
        .bind(optional_double(digest.score_max))
        .bind(contact.to_string())
        .bind(language.to_owned())
        .bind(status.as_str())
        .bind(serde_json::to_string(spam_reasons)?)
        .bind(now.0)
        .bind(scope.project().to_string())
        .execute(self.conn())
        .await?;
        Ok(())
    }
}
