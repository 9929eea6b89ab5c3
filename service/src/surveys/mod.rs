//! Use cases of surveys: creating, editing, publishing.

mod edit;
mod patch;
pub mod results;

use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
    ids::{SurveyId, VersionId},
    surveys::{SurveyBody, SurveyStatus, draft::MAX_TITLE, templates},
    text::{self, cut, is_blank},
};
use serde::{Deserialize, Serialize};

pub use edit::{EditorSubmission, SurveyEditOutcome, edit};
pub use patch::{DraftPatch, create_from, patch_draft};

use crate::{error::Result, state::App};
use store::{Act, Fingerprint, IdempotencyScope, IdempotentWrite, surveys::Survey};

/// Result of publishing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishOutcome {
    /// The live version.
    pub version: VersionId,
    /// Its number.
    pub number: i64,
    /// Whether a new version was created; the draft may already be published.
    pub is_new: bool,
}

/// Normalizes and checks a survey's name.
fn check_name(name: &str) -> Result<String> {
    text::name("name", name, MAX_TITLE, "survey name").map_err(|found| Refusal::Invalid(found).into())
}

async fn load(act: &mut Act<'_, '_>, survey: SurveyId) -> Result<Survey> {
    let scope = act.scope();
    act.survey(&scope, survey).await?.ok_or_else(|| Refusal::NotFound.into())
}

/// Notes who changes a survey, and when.
fn sign(act: &Act<'_, '_>, survey: &mut Survey) {
    survey.updated_by = act.actor_id();
    survey.updated_at = act.now();
}

/// Stores a survey that this transaction read at revision `seen`.
async fn store(act: &mut Act<'_, '_>, survey: &Survey, seen: i64) -> Result<()> {
    if act.update_survey(survey, seen).await? { Ok(()) } else { Err(saved_at_once().into()) }
}

/// Another transaction changed the survey between reading and writing.
fn saved_at_once() -> Refusal {
    Refusal::Conflict("Someone else saved this survey at the same time, so your change was not applied. Try again.".into())
}

/// Creates a survey from a template in the project's language, named after it if `name` is empty. A retry with the same key returns the
/// same survey.
///
/// # Errors
/// Returns an error if the role is too low, the template unknown or the name too long.
pub async fn create(app: &App, scope: &Scope, template: &str, name: &str, key: &str) -> Result<SurveyId> {
    let template = templates::find(template)
        .ok_or_else(|| Refusal::field("template", "unknown", "Choose one of the templates or the blank survey."))?;
    let name = match template.key {
        _ if !is_blank(name) => name,
        "blank" => "Untitled survey",
        _ => template.name,
    };
    // Templates are written in English; the survey gets the project's language, and so do our texts around it.
    let project = app.store.project_by_id(scope.project()).await?.ok_or(Refusal::NotFound)?;
    let content = Fingerprint::of(["template", template.key, name]);
    make(app, scope, name, SurveyBody { language: project.language, ..(template.body)() }, (key, content)).await
}

/// Creates a survey with this draft. A retry with the same key returns the same survey.
///
/// # Errors
/// Returns an error if the role is too low or the name is empty or too long.
pub async fn create_with(app: &App, scope: &Scope, name: &str, draft: SurveyBody, key: &str) -> Result<SurveyId> {
    let content = Fingerprint::of(["draft", name, &serde_json::to_string(&draft)?]);
    make(app, scope, name, draft, (key, content)).await
}

async fn make(app: &App, scope: &Scope, name: &str, draft: SurveyBody, (key, content): (&str, Fingerprint)) -> Result<SurveyId> {
    scope.require(Role::Admin)?;
    let name = check_name(name)?;
    let once = IdempotentWrite::form(&IdempotencyScope::Survey(scope.project()), key, content);
    app.store.act_once(app.context(scope), once, move |act| Box::pin(async move { act.insert_survey(name, draft).await })).await
}

/// Copies a survey's draft to a new survey.
///
/// # Errors
/// Returns an error if the role is too low or the survey does not exist.
pub async fn duplicate(app: &App, scope: &Scope, survey: SurveyId, key: &str) -> Result<SurveyId> {
    scope.require(Role::Admin)?;
    let original = app.store.survey(scope, survey).await?.ok_or(Refusal::NotFound)?;
    let name = format!("{} (copy)", cut(&original.name, MAX_TITLE - 7));
    // Excludes the copied content: it may have changed between an attempt and its retry.
    let content = Fingerprint::of(["copy", &survey.to_string()]);
    make(app, scope, &name, original.draft, (key, content)).await
}

/// Publishes the draft at revision `seen`: validates it, freezes it as a version, and opens the survey for answers.
///
/// # Errors
/// [`Refusal::Invalid`] with the obstacles; [`Refusal::Conflict`] if the draft has changed.
pub async fn publish(app: &App, scope: &Scope, survey: SurveyId, seen: i64, key: &str) -> Result<PublishOutcome> {
    scope.require(Role::Admin)?;
    // The content is the draft of this revision, which the scope already names.
    let once = IdempotentWrite::form(&IdempotencyScope::SurveyPublication(survey, seen), key, Fingerprint::of([seen.to_string()]));
    app.store
        .act_once(app.context(scope), once, move |act| {
            Box::pin(async move {
                let mut row = load(act, survey).await?;
                if row.revision != seen {
                    return Err(edit::conflict(act, &row).await?.into());
                }
                row.draft.check().into_result(())?;
                row.status = SurveyStatus::Live;
                sign(act, &mut row);
                if let Some(live) = act.live_version(&row).await?.filter(|v| v.body == row.draft) {
                    store(act, &row, seen).await?;
                    return Ok(PublishOutcome { version: live.id, number: live.number, is_new: false });
                }
                let (version, number) = act.publish_version(&mut row, seen).await?.ok_or_else(saved_at_once)?;
                Ok(PublishOutcome { version, number, is_new: true })
            })
        })
        .await
}

/// Another live survey with a button, where a site shows only one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompetingButton {
    /// The team's name for it.
    pub name: String,
    /// Whether its button is the one shown.
    pub is_shown: bool,
}

/// Returns the live survey whose button competes with this one's.
///
/// # Errors
/// When the database fails.
pub async fn competing_button(app: &App, scope: &Scope, survey: &Survey) -> Result<Option<CompetingButton>> {
    let buttons = app.store.live_buttons(scope).await?;
    let other = buttons.into_iter().find(|b| b.id != survey.id);
    Ok(other.map(|other| CompetingButton { is_shown: (other.created_at, other.id) > (survey.created_at, survey.id), name: other.name }))
}

/// Pauses, resumes or closes a published survey. `was` is the status shown to the person.
///
/// # Errors
/// Returns an error if the role is too low, the survey does not exist, or it was never published; [`Refusal::Conflict`] if its status is
/// neither `was` nor the new one.
pub async fn set_status(app: &App, scope: &Scope, survey: SurveyId, was: Option<SurveyStatus>, status: SurveyStatus) -> Result<()> {
    scope.require(Role::Admin)?;
    app.store
        .act(app.context(scope), move |act| {
            Box::pin(async move {
                let mut row = load(act, survey).await?;
                if row.live_version.is_none() || status == SurveyStatus::Draft {
                    return Err(Refusal::field("status", "not_published", "Publish the survey first.").into());
                }
                if row.status == status {
                    return Ok(());
                }
                if was.is_some_and(|was| was != row.status) {
                    let is = row.status.label().to_lowercase();
                    return Err(Refusal::Conflict(format!("Someone else changed the survey: it is now {is}.")).into());
                }
                row.status = status;
                row.updated_at = act.now();
                let seen = row.revision;
                store(act, &row, seen).await
            })
        })
        .await
}
