//! Survey updates by programs: whole drafts instead of single editor steps.

use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
    ids::SurveyId,
    surveys::{LaunchTrigger, Question, SurveyBody, templates},
};
use serde::Serialize;
use store::Fingerprint;

use super::{
    check_name,
    edit::{self, DraftHistory},
    load, make, sign, store,
};
use crate::{error::Result, state::App};

/// Changes to a draft; `None` leaves a value unchanged. A question or choice with an empty id is new.
#[derive(Debug, Clone, Default, Serialize)]
pub struct DraftPatch {
    /// The team's name for the survey.
    pub name: Option<String>,
    /// The heading.
    pub title: Option<String>,
    /// The introduction.
    pub intro: Option<String>,
    /// All questions, in order.
    pub questions: Option<Vec<Question>>,
    /// The thank-you message.
    pub thanks: Option<String>,
    /// Language of the texts.
    pub language: Option<String>,
    /// The trigger that makes the widget show it.
    pub launch: Option<LaunchTrigger>,
}

impl DraftPatch {
    fn applied_to(self, mut body: SurveyBody, used: &mut u32) -> Result<SurveyBody, Refusal> {
        if let Some(questions) = self.questions {
            body.questions = body.numbered(questions, used)?;
        }
        body.title = self.title.unwrap_or(body.title);
        body.intro = self.intro.unwrap_or(body.intro);
        body.thanks = self.thanks.unwrap_or(body.thanks);
        body.language = self.language.map_or(body.language, |tag| tag.trim().to_owned());
        body.launch = self.launch.unwrap_or(body.launch);
        Ok(body)
    }
}

/// Creates a survey from a template in the project's language, with the changes in `wanted`. A retry with the same key returns the same
/// survey.
///
/// # Errors
/// Returns an error if the role is too low, the template unknown, the name empty or too long, or the questions are inconsistent.
pub async fn create_from(app: &App, scope: &Scope, name: &str, template: &str, wanted: DraftPatch, key: &str) -> Result<SurveyId> {
    scope.require(Role::Admin)?;
    let template = templates::find(template).ok_or_else(|| Refusal::field("template", "unknown", "There is no such template."))?;
    let project = app.store.project_by_id(scope.project()).await?.ok_or(Refusal::NotFound)?;
    let content = Fingerprint::of(["program", name, template.key, &serde_json::to_string(&wanted)?]);
    let mut body = SurveyBody { language: project.language, ..(template.body)() };
    if wanted.questions.is_some() {
        // The template's questions have no ids that a caller could name.
        body.questions.clear();
    }
    let draft = wanted.applied_to(body, &mut 0)?;
    make(app, scope, name, draft, (key, content)).await
}

/// Changes the draft at revision `seen`. The editor can undo to the earlier state.
///
/// # Errors
/// Returns an error if the role is too low or the survey does not exist; [`Refusal::Conflict`] if the draft has changed;
/// [`Refusal::Invalid`] for an invalid name or invalid questions.
pub async fn patch_draft(app: &App, scope: &Scope, survey: SurveyId, seen: i64, wanted: DraftPatch) -> Result<()> {
    scope.require(Role::Admin)?;
    let name = wanted.name.as_deref().map(check_name).transpose()?;
    app.store
        .act(app.context(scope), move |act| {
            Box::pin(async move {
                let mut row = load(act, survey).await?;
                if row.revision != seen {
                    return Err(edit::conflict(act, &row).await?.into());
                }
                let mut steps = DraftHistory::default();
                if let Some(name) = name.filter(|name| *name != row.name) {
                    row.name = name;
                    steps.changed = true;
                }
                let body = wanted.applied_to(row.draft.clone(), &mut row.last_number)?;
                steps.push(act, &mut row, body, false);
                if !steps.changed {
                    return Ok(());
                }
                row.revision = seen + 1;
                sign(act, &mut row);
                store(act, &row, seen).await?;
                steps.write(act, survey).await
            })
        })
        .await
}
