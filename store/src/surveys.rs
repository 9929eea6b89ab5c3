//! Surveys: drafts with their kept states, published versions.

use domain::{
    Timestamp,
    accounts::Scope,
    ids::{ProjectId, StaffId, SurveyId, VersionId},
    surveys::{LaunchTrigger, SurveyBody, SurveyStatus},
};
use sqlx::FromRow;

use super::{Dialect, Store, Tx, id, optional_id, or_instead, or_none};
use crate::error::{Error, Result};

/// States of a draft that are kept for undo.
pub const MAX_DRAFT_STATES: i64 = 50;

/// A survey with its draft.
#[derive(Debug, Clone)]
pub struct Survey {
    /// Identity.
    pub id: SurveyId,
    /// The project.
    pub project: ProjectId,
    /// What the team calls it.
    pub name: String,
    /// Whether people can answer.
    pub status: SurveyStatus,
    /// What the editor shows.
    pub draft: SurveyBody,
    /// Grows with every change of the draft.
    pub revision: i64,
    /// The draft's place among its kept states.
    pub position: i64,
    /// The highest number that an id of a question or choice ever had.
    pub last_number: u32,
    /// The version that people answer.
    pub live_version: Option<VersionId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who changed it last.
    pub updated_by: Option<StaffId>,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// A survey in the list.
#[derive(Debug, Clone)]
pub struct SurveySummary {
    /// The survey.
    pub survey: Survey,
    /// Responses that are not suspected spam, partial ones included.
    pub responses: i64,
    /// When the last of them was given.
    pub last_response: Option<Timestamp>,
}

/// A live survey that opens by a button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveButton {
    /// Which.
    pub id: SurveyId,
    /// What the team calls it.
    pub name: String,
    /// When it was made: of several, the newest one's button is shown.
    pub created_at: Timestamp,
}

/// What respondents get: one published version. Holds nothing of people.
#[derive(Debug, Clone)]
pub struct PublicSurvey {
    /// The project.
    pub project: ProjectId,
    /// The survey.
    pub id: SurveyId,
    /// Whether it takes answers now.
    pub status: SurveyStatus,
    /// The version to answer.
    pub version: VersionId,
    /// Its number.
    pub number: i64,
    /// Its content.
    pub body: SurveyBody,
}

/// A published version.
#[derive(Debug, Clone)]
pub struct SurveyVersion {
    /// Identity.
    pub id: VersionId,
    /// The survey.
    pub survey: SurveyId,
    /// 1, 2, …
    pub number: i64,
    /// Never changes.
    pub body: SurveyBody,
    /// The name of who published it.
    pub published_by: Option<String>,
    /// When.
    pub published_at: Timestamp,
}

/// A kept state of a draft.
#[derive(Debug, Clone)]
pub struct DraftState {
    /// What the draft held.
    pub body: SurveyBody,
    /// Whether it came from typing only, and more typing may overwrite it.
    pub is_typing: bool,
    /// Who saved it.
    pub staff: Option<StaffId>,
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
    /// The survey in a list. What cannot be read of it is empty, so that people see that it is there; by itself it is an error, since a
    /// save would overwrite the draft.
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
/// On PostgreSQL, where writers run side by side: what is read is written back whole.
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
    /// The version, unless what it asks cannot be read: lists leave it out, and by itself it is not there.
    fn readable(row: VersionRow) -> Option<Self> {
        or_none("version of a survey", Self::try_from(row).ok())
    }
}

macro_rules! version_where {
    ($rest:literal) => {
        concat!(
            "SELECT v.id, v.survey_id, v.number, v.body, p.name AS published_by, v.published_at \
             FROM survey_versions v LEFT JOIN staff p ON p.id = v.published_by WHERE ",
            $rest
        )
    };
}

impl Store {
    /// A survey with its draft.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn survey(&self, scope: &Scope, survey: SurveyId) -> Result<Option<Survey>> {
        let row: Option<SurveyTableRow> =
            sqlx::query_as(ONE).bind(scope.project().to_string()).bind(survey.to_string()).fetch_optional(self.reader()).await?;
        row.map(Survey::try_from).transpose()
    }

    /// A survey as the list shows it: what cannot be read of it is empty, so it is not for changing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn listed_survey(&self, scope: &Scope, survey: SurveyId) -> Result<Option<Survey>> {
        let row: Option<SurveyTableRow> =
            sqlx::query_as(ONE).bind(scope.project().to_string()).bind(survey.to_string()).fetch_optional(self.reader()).await?;
        row.map(SurveyTableRow::listed).transpose()
    }

    /// All surveys of the project with how often they were answered, the newest first.
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

    /// The version of a survey that people answer; nothing when it was never published. Public, by id alone: holds nothing of people.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn public_survey(&self, survey: SurveyId) -> Result<Option<PublicSurvey>> {
        let row: Option<PublicRow> =
            sqlx::query_as(public_where!("s.id = $1")).bind(survey.to_string()).fetch_optional(self.reader()).await?;
        row.map(PublicSurvey::try_from).transpose()
    }

    /// The surveys of a project that take answers now, the newest first. Public: holds nothing of people.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn live_surveys(&self, project: ProjectId) -> Result<Vec<PublicSurvey>> {
        let rows: Vec<PublicRow> =
            sqlx::query_as(public_where!("s.project_id = $1 AND s.status = 'live' ORDER BY s.created_at DESC, s.id DESC"))
                .bind(project.to_string())
                .fetch_all(self.reader())
                .await?;
        // One that cannot be read is left out: the others are still offered.
        Ok(rows.into_iter().filter_map(|row| or_none("survey", PublicSurvey::try_from(row).ok())).collect())
    }

    /// The live surveys that open by a button, in the order in which the widget looks for one: it shows that of the first.
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

    /// One published version.
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

    /// All published versions of a survey, the newest first.
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

    /// Whether the draft can go a step back, and a step forward.
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
    /// A survey with its draft, held until this transaction ends.
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

    /// Adds a survey and the first state of its draft.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_survey(&mut self, survey: &Survey) -> Result<()> {
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
        let state = DraftState { body: survey.draft.clone(), is_typing: false, staff: survey.updated_by, saved_at: survey.updated_at };
        self.save_draft_state(survey.id, survey.position, &state).await
    }

    /// Writes name, status, draft and live version of a survey that still has the revision `seen`; `false` when someone was faster.
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

    /// A kept state of a draft.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn draft_state(&mut self, survey: SurveyId, position: i64) -> Result<Option<DraftState>> {
        let row: Option<(String, String, Option<String>, i64)> =
            sqlx::query_as("SELECT body, step, staff_id, saved_at FROM survey_drafts WHERE survey_id = $1 AND position = $2")
                .bind(survey.to_string())
                .bind(position)
                .fetch_optional(self.conn())
                .await?;
        row.map(|(body, step, staff, at)| {
            Ok(DraftState {
                body: serde_json::from_str(&body)?,
                is_typing: step == "text",
                staff: optional_id(staff.as_deref())?,
                saved_at: Timestamp(at),
            })
        })
        .transpose()
    }

    /// Keeps a state at a position, in place of the one that was there, and forgets what came after it and what is too old.
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
        sqlx::query("INSERT INTO survey_drafts (survey_id, position, body, step, staff_id, saved_at) VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(survey.to_string())
            .bind(position)
            .bind(serde_json::to_string(&state.body)?)
            .bind(if state.is_typing { "text" } else { "edit" })
            .bind(state.staff.map(|s| s.to_string()))
            .bind(state.saved_at.0)
            .execute(self.conn())
            .await?;
        Ok(())
    }

    /// The version that a survey points to, inside the transaction.
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

    /// Freezes a survey's draft as its next version, whose number it gives.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn insert_version(&mut self, version: VersionId, survey: &Survey, by: Option<StaffId>, now: Timestamp) -> Result<i64> {
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
        .bind(by.map(|s| s.to_string()))
        .bind(now.0)
        .execute(self.conn())
        .await?;
        Ok(last + 1)
    }

    /// Someone's name, for a message.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn staff_name(&mut self, staff: Option<StaffId>) -> Result<Option<String>> {
        let Some(staff) = staff else { return Ok(None) };
        Ok(sqlx::query_scalar("SELECT name FROM staff WHERE id = $1").bind(staff.to_string()).fetch_optional(self.conn()).await?)
    }
}
