//! Surveys: drafts with their undo states, and published versions.

use std::collections::HashMap;

use domain::{
    Timestamp,
    accounts::Scope,
    ids::{ActorId, ProjectId, SurveyId, VersionId},
    surveys::{LaunchTrigger, SurveyBody, SurveyStatus},
};
use sqlx::FromRow;

use super::{Act, Dialect, Store, Tx, id, optional_id, or_instead, or_none};
use crate::error::{Error, Result};

/// Maximum number of draft states kept for undo.
pub const MAX_DRAFT_STATES: i64 = 50;

/// A survey with its draft.
#[derive(Debug, Clone)]
pub struct Survey {
    /// Its id.
    pub id: SurveyId,
    /// The project.
    pub project: ProjectId,
    /// The team's name for it.
    pub name: String,
    /// Whether it accepts responses.
    pub status: SurveyStatus,
    /// The draft shown in the editor.
    pub draft: SurveyBody,
    /// Increases with every change of the draft.
    pub revision: i64,
    /// Position of the draft among its undo states.
    pub position: i64,
    /// The highest number ever used in an id of a question or choice.
    pub last_number: u32,
    /// The version that respondents answer.
    pub live_version: Option<VersionId>,
    /// When it was created.
    pub created_at: Timestamp,
    /// The actor that last changed it.
    pub updated_by: Option<ActorId>,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A survey in the list.
#[derive(Debug, Clone)]
pub struct SurveySummary {
    /// The survey.
    pub survey: Survey,
    /// Responses not suspected as spam, including partial ones.
    pub responses: i64,
    /// When the last of them was submitted.
    pub last_response: Option<Timestamp>,
}

/// A live survey that opens by a button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveButton {
    /// Its id.
    pub id: SurveyId,
    /// The team's name for it.
    pub name: String,
    /// When it was created: of several, the newest one's button is shown.
    pub created_at: Timestamp,
}

/// One published version as respondents receive it. Contains no personal data.
#[derive(Debug, Clone)]
pub struct PublicSurvey {
    /// The project.
    pub project: ProjectId,
    /// The survey.
    pub id: SurveyId,
    /// Whether it accepts responses now.
    pub status: SurveyStatus,
    /// The version to answer.
    pub version: VersionId,
    /// Number of that version.
    pub number: i64,
    /// Content of that version.
    pub body: SurveyBody,
}

/// A published version.
#[derive(Debug, Clone)]
pub struct SurveyVersion {
    /// Its id.
    pub id: VersionId,
    /// The survey.
    pub survey: SurveyId,
    /// Version number, starting at 1.
    pub number: i64,
    /// Its content, which never changes.
    pub body: SurveyBody,
    /// Name of the publisher.
    pub published_by: Option<String>,
    /// When it was published.
    pub published_at: Timestamp,
}

/// A stored state of a draft, for undo.
#[derive(Debug, Clone)]
pub struct DraftState {
    /// Content of the draft.
    pub body: SurveyBody,
    /// Whether it resulted only from typing, so that further typing may overwrite it.
    pub is_typing: bool,
    /// The actor that saved it.
    pub saved_by: Option<ActorId>,
    /// When it was first saved.
    pub saved_at: Timestamp,
}

#[derive(FromRow)]
struct SurveyTableRow {
    id: String,
    project_id: String,
    name: String,
    status: String,
    draft: String,
    draft_revision: i64,
    draft_position: i64,
    last_number: i64,
    live_version_id: Option<String>,
    created_at: i64,
    updated_by: Option<String>,
    updated_at: i64,
}

fn status(word: &str) -> Result<SurveyStatus> {
    SurveyStatus::parse(word).ok_or_else(|| Error::internal("stored status", word))
}

impl TryFrom<SurveyTableRow> for Survey {
    type Error = Error;

    fn try_from(row: SurveyTableRow) -> Result<Self> {
        Ok(Self {
            id: id(&row.id)?,
            project: id(&row.project_id)?,
            name: row.name,
            status: status(&row.status)?,
            draft: serde_json::from_str(&row.draft)?,
            revision: row.draft_revision,
            position: row.draft_position,
            last_number: u32::try_from(row.last_number).map_err(|e| Error::internal("stored number", e))?,
            live_version: optional_id(row.live_version_id.as_deref())?,
            created_at: Timestamp(row.created_at),
            updated_by: optional_id(row.updated_by.as_deref())?,
            updated_at: Timestamp(row.updated_at),
        })
    }
}

impl SurveyTableRow {
    /// Converts to a survey for lists. Unreadable parts are empty, so that people see that the survey exists; loading it alone is an error,
    /// since a save would overwrite the draft.
    fn listed(mut self) -> Result<Survey> {
        let empty = SurveyBody {
            title: String::new(),
            intro: String::new(),
            questions: Vec::new(),
            thanks: String::new(),
            language: "en".into(),
            launch: LaunchTrigger::Code,
        };
        let draft = or_instead("draft of a survey", serde_json::from_str(&self.draft).ok(), empty);
        let status = or_instead("status of a survey", SurveyStatus::parse(&self.status), SurveyStatus::Paused);
        let live_version = or_none("version of a survey", optional_id::<VersionId>(self.live_version_id.as_deref()).ok()).flatten();
        self.draft = serde_json::to_string(&draft)?;
        self.status = status.as_str().to_owned();
        self.live_version_id = live_version.map(|version| version.to_string());
        self.try_into()
    }
}

macro_rules! survey_where {
    ($rest:literal) => {
        concat!(
            "SELECT id, project_id, name, status, draft, draft_revision, draft_position, last_number, live_version_id, created_at, \
             updated_by, updated_at FROM surveys WHERE ",
            $rest
        )
    };
}

const ONE: &str = survey_where!("project_id = $1 AND id = $2");
/// Locks the row on PostgreSQL, where writers run concurrently: the survey read here is written back as a whole.
const ONE_HELD: &str = survey_where!("project_id = $1 AND id = $2 FOR UPDATE");

#[derive(FromRow)]
struct PublicRow {
    project_id: String,
    survey_id: String,
    status: String,
    version_id: String,
    number: i64,
    body: String,
}

impl TryFrom<PublicRow> for PublicSurvey {
    type Error = Error;

    fn try_from(row: PublicRow) -> Result<Self> {
        Ok(Self {
            project: id(&row.project_id)?,
            id: id(&row.survey_id)?,
            status: status(&row.status)?,
            version: id(&row.version_id)?,
            number: row.number,
            body: serde_json::from_str(&row.body)?,
        })
    }
}

macro_rules! public_where {
    ($rest:literal) => {
        concat!(
            "SELECT s.project_id, s.id AS survey_id, s.status, v.id AS version_id, v.number, v.body \
             FROM surveys s JOIN survey_versions v ON v.id = s.live_version_id WHERE ",
            $rest
        )
    };
}

#[derive(FromRow)]
struct VersionRow {
    id: String,
    survey_id: String,
    number: i64,
    body: String,
    published_by: Option<String>,
    published_at: i64,
}

impl TryFrom<VersionRow> for SurveyVersion {
    type Error = Error;

    fn try_from(row: VersionRow) -> Result<Self> {
        Ok(Self {
            id: id(&row.id)?,
            survey: id(&row.survey_id)?,
            number: row.number,
            body: serde_json::from_str(&row.body)?,
            published_by: row.published_by,
            published_at: Timestamp(row.published_at),
        })
    }
}

impl SurveyVersion {
    /// Converts to a version, or `None` if its content is unreadable: lists omit it, and a look-up does not find it.
    fn readable(row: VersionRow) -> Option<Self> {
        or_none("version of a survey", Self::try_from(row).ok())
    }
}

macro_rules! version_where {
    ($rest:literal) => {
        concat!(
            "SELECT v.id, v.survey_id, v.number, v.body, p.name AS published_by, v.published_at \
             FROM survey_versions v LEFT JOIN actors p ON p.id = v.published_by WHERE ",
            $rest
        )
    };
}

impl Store {
    /// Returns a survey with its draft.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn survey(&self, scope: &Scope, survey: SurveyId) -> Result<Option<Survey>> {
        let row: Option<SurveyTableRow> =
            sqlx::query_as(ONE).bind(scope.project().to_string()).bind(survey.to_string()).fetch_optional(self.reader()).await?;
        row.map(Survey::try_from).transpose()
    }

    /// Returns a survey as in the list: unreadable parts are empty, so it must not be written back.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn listed_survey(&self, scope: &Scope, survey: SurveyId) -> Result<Option<Survey>> {
        let row: Option<SurveyTableRow> =
            sqlx::query_as(ONE).bind(scope.project().to_string()).bind(survey.to_string()).fetch_optional(self.reader()).await?;
        row.map(SurveyTableRow::listed).transpose()
    }

    /// Returns all surveys of the project with their response counts, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn surveys(&self, scope: &Scope) -> Result<Vec<SurveySummary>> {
        let project = scope.project().to_string();
        let rows: Vec<SurveyTableRow> = sqlx::query_as(survey_where!("project_id = $1 ORDER BY created_at DESC, id DESC"))
            .bind(project.clone())
            .fetch_all(self.reader())
            .await?;
        let counts: Vec<(String, i64, Option<i64>)> = sqlx::query_as(
            "SELECT survey_id, COUNT(*), MAX(updated_at) FROM responses WHERE project_id = $1 AND spam_reasons = '[]' GROUP BY survey_id",
        )
        .bind(project)
        .fetch_all(self.reader())
        .await?;
        let summary = |row: SurveyTableRow| {
            let (responses, last) = counts.iter().find(|(id, ..)| *id == row.id).map_or((0, None), |(_, n, last)| (*n, *last));
            Ok(SurveySummary { survey: row.listed()?, responses, last_response: last.map(Timestamp) })
        };
        rows.into_iter().map(summary).collect()
    }

    /// Returns the live version of a survey; `None` if it was never published. Public, by id alone: contains no personal data.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn public_survey(&self, survey: SurveyId) -> Result<Option<PublicSurvey>> {
        let row: Option<PublicRow> =
            sqlx::query_as(public_where!("s.id = $1")).bind(survey.to_string()).fetch_optional(self.reader()).await?;
        row.map(PublicSurvey::try_from).transpose()
    }

    /// Returns the surveys of a project that accept responses now, newest first. Public: contains no personal data.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn live_surveys(&self, project: ProjectId) -> Result<Vec<PublicSurvey>> {
        let rows: Vec<PublicRow> =
            sqlx::query_as(public_where!("s.project_id = $1 AND s.status = 'live' ORDER BY s.created_at DESC, s.id DESC"))
                .bind(project.to_string())
                .fetch_all(self.reader())
                .await?;
        // Omits unreadable surveys, so that the others are still offered.
        Ok(rows.into_iter().filter_map(|row| or_none("survey", PublicSurvey::try_from(row).ok())).collect())
    }

    /// Returns the live surveys that open by a button, in the widget's order: it shows the button of the first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn live_buttons(&self, scope: &Scope) -> Result<Vec<LiveButton>> {
        let rows: Vec<(String, String, i64, String)> = sqlx::query_as(
            "SELECT s.id, s.name, s.created_at, v.body FROM surveys s JOIN survey_versions v ON v.id = s.live_version_id \
             WHERE s.project_id = $1 AND s.status = 'live' ORDER BY s.created_at DESC, s.id DESC",
        )
        .bind(scope.project().to_string())
        .fetch_all(self.reader())
        .await?;
        let mut buttons = Vec::new();
        for (survey, name, created_at, body) in rows {
            let body: Option<SurveyBody> = or_none("survey", serde_json::from_str(&body).ok());
            if body.is_some_and(|body| matches!(body.launch, LaunchTrigger::Button { .. })) {
                buttons.push(LiveButton { id: id(&survey)?, name, created_at: Timestamp(created_at) });
            }
        }
        Ok(buttons)
    }

    /// Returns one published version.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn survey_version(&self, scope: &Scope, version: VersionId) -> Result<Option<SurveyVersion>> {
        let row: Option<VersionRow> = sqlx::query_as(version_where!("v.project_id = $1 AND v.id = $2"))
            .bind(scope.project().to_string())
            .bind(version.to_string())
            .fetch_optional(self.reader())
            .await?;
        Ok(row.and_then(SurveyVersion::readable))
    }

    /// Returns the live version of every survey of the project that was published.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn live_versions(&self, scope: &Scope) -> Result<HashMap<VersionId, SurveyVersion>> {
        let rows: Vec<VersionRow> = sqlx::query_as(version_where!(
            "v.project_id = $1 AND v.id IN (SELECT s.live_version_id FROM surveys s WHERE s.project_id = $1)"
        ))
        .bind(scope.project().to_string())
        .fetch_all(self.reader())
        .await?;
        Ok(rows.into_iter().filter_map(SurveyVersion::readable).map(|version| (version.id, version)).collect())
    }

    /// Returns all published versions of a survey, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn survey_versions(&self, scope: &Scope, survey: SurveyId) -> Result<Vec<SurveyVersion>> {
        let rows: Vec<VersionRow> = sqlx::query_as(version_where!("v.project_id = $1 AND v.survey_id = $2 ORDER BY v.number DESC"))
            .bind(scope.project().to_string())
            .bind(survey.to_string())
            .fetch_all(self.reader())
            .await?;
        Ok(rows.into_iter().filter_map(SurveyVersion::readable).collect())
    }

    /// Returns whether the draft can be undone, and redone.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn undo_availability(&self, survey: &Survey) -> Result<(bool, bool)> {
        let (first, last): (Option<i64>, Option<i64>) =
            sqlx::query_as("SELECT MIN(position), MAX(position) FROM survey_drafts WHERE survey_id = $1")
                .bind(survey.id.to_string())
                .fetch_one(self.reader())
                .await?;
        Ok((first.is_some_and(|n| n < survey.position), last.is_some_and(|n| n > survey.position)))
    }
}

impl Tx<'_> {
    /// Returns a survey with its draft, locked until this transaction ends.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn survey(&mut self, scope: &Scope, survey: SurveyId) -> Result<Option<Survey>> {
        let sql = match self.dialect() {
            Dialect::Sqlite => ONE,
            Dialect::Postgres => ONE_HELD,
        };
        let row: Option<SurveyTableRow> =
            sqlx::query_as(sql).bind(scope.project().to_string()).bind(survey.to_string()).fetch_optional(self.conn()).await?;
        row.map(Survey::try_from).transpose()
    }

    /// Writes name, status, draft and live version of a survey that still has the revision `seen`; `false` if another edit came first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn update_survey(&mut self, survey: &Survey, seen: i64) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE surveys SET name = $3, status = $4, draft = $5, draft_revision = $6, draft_position = $7, last_number = $8, \
             live_version_id = $9, updated_by = $10, updated_at = $11 WHERE id = $1 AND draft_revision = $2",
        )
        .bind(survey.id.to_string())
        .bind(seen)
        .bind(survey.name.clone())
        .bind(survey.status.as_str())
        .bind(serde_json::to_string(&survey.draft)?)
        .bind(survey.revision)
        .bind(survey.position)
        .bind(i64::from(survey.last_number))
        .bind(survey.live_version.map(|v| v.to_string()))
        .bind(survey.updated_by.map(|s| s.to_string()))
        .bind(survey.updated_at.0)
        .execute(self.conn())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Returns a stored state of a draft.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn draft_state(&mut self, survey: SurveyId, position: i64) -> Result<Option<DraftState>> {
        let row: Option<(String, String, Option<String>, i64)> =
            sqlx::query_as("SELECT body, step, actor_id, saved_at FROM survey_drafts WHERE survey_id = $1 AND position = $2")
                .bind(survey.to_string())
                .bind(position)
                .fetch_optional(self.conn())
                .await?;
        row.map(|(body, step, by, at)| {
            Ok(DraftState {
                body: serde_json::from_str(&body)?,
                is_typing: step == "text",
                saved_by: optional_id(by.as_deref())?,
                saved_at: Timestamp(at),
            })
        })
        .transpose()
    }

    /// Stores a state at a position, replacing the existing one, and deletes later states and those that are too old.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn save_draft_state(&mut self, survey: SurveyId, position: i64, state: &DraftState) -> Result<()> {
        sqlx::query("DELETE FROM survey_drafts WHERE survey_id = $1 AND (position >= $2 OR position <= $3)")
            .bind(survey.to_string())
            .bind(position)
            .bind(position - MAX_DRAFT_STATES)
            .execute(self.conn())
            .await?;
        sqlx::query("INSERT INTO survey_drafts (survey_id, position, body, step, actor_id, saved_at) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(survey.to_string())
            .bind(position)
            .bind(serde_json::to_string(&state.body)?)
            .bind(if state.is_typing { "text" } else { "edit" })
            .bind(state.saved_by.map(|actor| actor.to_string()))
            .bind(state.saved_at.0)
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// Returns the live version of a survey, inside the transaction.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn live_version(&mut self, survey: &Survey) -> Result<Option<SurveyVersion>> {
        let row: Option<VersionRow> = sqlx::query_as(version_where!("v.survey_id = $1 AND v.id = $2"))
            .bind(survey.id.to_string())
            .bind(survey.live_version.map_or_else(String::new, |v| v.to_string()))
            .fetch_optional(self.conn())
            .await?;
        row.map(SurveyVersion::try_from).transpose()
    }
}

impl Act<'_, '_> {
    /// Adds a survey and the first state of its draft.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_survey(&mut self, name: String, draft: SurveyBody) -> Result<SurveyId> {
        let (id, project, updated_by, now) = (self.id(), self.project(), self.actor_id(), self.now());
        let survey = Survey {
            id,
            project,
            name,
            status: SurveyStatus::Draft,
            last_number: draft.highest_id_number(),
            draft,
            revision: 1,
            position: 1,
            live_version: None,
            created_at: now,
            updated_by,
            updated_at: now,
        };
        sqlx::query(
            "INSERT INTO surveys (id, project_id, name, status, draft, draft_revision, draft_position, last_number, live_version_id, \
             created_by, created_at, updated_by, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $10, $12)",
        )
        .bind(survey.id.to_string())
        .bind(survey.project.to_string())
        .bind(survey.name.clone())
        .bind(survey.status.as_str())
        .bind(serde_json::to_string(&survey.draft)?)
        .bind(survey.revision)
        .bind(survey.position)
        .bind(i64::from(survey.last_number))
        .bind(survey.live_version.map(|v| v.to_string()))
        .bind(survey.updated_by.map(|s| s.to_string()))
        .bind(survey.created_at.0)
        .bind(survey.updated_at.0)
        .execute(self.conn())
        .await?;
        let state = DraftState { body: survey.draft, is_typing: false, saved_by: updated_by, saved_at: now };
        self.save_draft_state(id, survey.position, &state).await?;
        Ok(id)
    }

    /// Publishes the draft of a survey that still has the revision `seen` as its next version, and writes the survey itself like
    /// [`Tx::update_survey`]. Returns the version and its number; `None` if another edit came first, and then `survey` is of no more use.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn publish_version(&mut self, survey: &mut Survey, seen: i64) -> Result<Option<(VersionId, i64)>> {
        let version: VersionId = self.id();
        survey.live_version = Some(version);
        // First, because it locks the survey's row.
        if !self.update_survey(survey, seen).await? {
            return Ok(None);
        }
        let last: i64 = sqlx::query_scalar("SELECT COALESCE(MAX(number), 0) FROM survey_versions WHERE survey_id = $1")
            .bind(survey.id.to_string())
            .fetch_one(self.conn())
            .await?;
        sqlx::query(
            "INSERT INTO survey_versions (id, project_id, survey_id, number, body, published_by, published_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(version.to_string())
        .bind(survey.project.to_string())
        .bind(survey.id.to_string())
        .bind(last + 1)
        .bind(serde_json::to_string(&survey.draft)?)
        .bind(self.actor_id().map(|actor| actor.to_string()))
        .bind(self.now().0)
        .execute(self.conn())
        .await?;
        Ok(Some((version, last + 1)))
    }
}
