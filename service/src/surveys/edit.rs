//! One editor request: saves the whole form, then applies the button's action.

use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
    ids::SurveyId,
    surveys::{
        SurveyBody,
        draft::{DraftEdit, EditorAction, MAX_TITLE},
    },
    text::{cut, spaced},
    zone::UTC,
};
use serde::{Deserialize, Serialize};
use store::{
    Act, Fingerprint, IdempotencyScope, IdempotentWrite, Tx,
    surveys::{DraftState, MAX_DRAFT_STATES, Survey},
};

use super::{load, sign, store};
use crate::{error::Result, state::App};

/// Typing within this time counts as one undo step.
const TYPING_MS: i64 = 15_000;

/// The editor's submission.
#[derive(Debug, Clone)]
pub struct EditorSubmission {
    /// The form's fields in order. Without the field `whole` this is not the editor's form, and only the action counts.
    pub pairs: Vec<(String, String)>,
    /// The revision shown to the person.
    pub revision: i64,
    /// The button's action.
    pub action: EditorAction,
}

/// Result of an editor request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SurveyEditOutcome {
    /// The draft's current revision.
    pub revision: i64,
    /// The element to focus.
    pub focus: Option<String>,
    /// The message to show, if any.
    pub message: Option<String>,
    /// The action that undoes this one, if the message should offer it.
    pub undo: Option<String>,
}

/// Describes who saved first, and when.
pub(super) async fn conflict(act: &mut Act<'_, '_>, survey: &Survey) -> Result<Refusal> {
    let who = act.actor_name(survey.updated_by).await?.unwrap_or_else(|| "Someone".into());
    Ok(Refusal::Conflict(format!("{who} saved this survey on {}, after you opened it.", UTC.readable(survey.updated_at))))
}

/// Saves the form and applies its button. [`EditorAction::Publish`] only saves here; see [`super::publish`].
///
/// # Errors
/// [`Refusal::Conflict`] if someone else saved meanwhile (then nothing is written); [`Refusal::Invalid`] if the operation is
/// not possible.
pub async fn edit(app: &App, scope: &Scope, survey: SurveyId, posted: EditorSubmission, key: &str) -> Result<SurveyEditOutcome> {
    scope.require(Role::Admin)?;
    let content = Fingerprint::of([format!("{:?}", (&posted.action, &posted.pairs))]);
    app.store
        .act_once(app.context(scope), IdempotentWrite::form(&IdempotencyScope::SurveyEdit(survey), key, content), move |act| {
            Box::pin(async move {
                let mut row = load(act, survey).await?;
                let seen = row.revision;
                let shown = if let EditorAction::Overwrite(revision) = posted.action { revision } else { posted.revision };
                let whole = posted.pairs.iter().any(|(name, _)| name == "whole");
                if whole && shown != seen {
                    return Err(conflict(act, &row).await?.into());
                }
                let mut steps = DraftHistory::default();
                if whole
                    && let Some(name) = posted.pairs.iter().find(|(n, _)| n == "name").map(|(_, name)| spaced(name))
                    && !name.is_empty()
                    && name != row.name
                {
                    row.name = cut(&name, MAX_TITLE).to_owned();
                    steps.changed = true;
                }
                if whole {
                    let typed = SurveyBody::read_form(&posted.pairs, &row.draft, row.last_number);
                    let was = act.draft_state(survey, row.position).await?;
                    steps.save(act, &mut row, typed, was);
                }
                let mut edited = SurveyEditOutcome { revision: seen, focus: None, message: None, undo: None };
                match &posted.action {
                    EditorAction::Save | EditorAction::Autosave | EditorAction::Overwrite(_) | EditorAction::Publish => {}
                    EditorAction::Edit(operation) => {
                        let mut body = row.draft.clone();
                        edited.focus = Some(body.apply(operation, &mut row.last_number)?);
                        steps.push(act, &mut row, body, false);
                        if let DraftEdit::Delete(question) = operation {
                            edited.message = Some("Question deleted.".into());
                            edited.undo = Some(format!("restore:{question}"));
                        }
                    }
                    EditorAction::Restore(question) => {
                        let body = restored(act, &row, question).await?;
                        edited.focus = Some(question.clone());
                        edited.message = Some("Question restored.".into());
                        steps.push(act, &mut row, body, false);
                    }
                    EditorAction::Undo | EditorAction::Redo => {
                        // The form's own changes are a state like any other: undo keeps them available for redo.
                        let is_undo = posted.action == EditorAction::Undo;
                        let to = if is_undo { row.position - 1 } else { row.position + 1 };
                        let gone = !is_undo && !steps.states.is_empty();
                        match if gone { None } else { act.draft_state(survey, to).await? } {
                            Some(state) => {
                                row.draft = state.body;
                                row.position = to;
                                steps.changed = true;
                                edited.message = Some(if is_undo { "Undone." } else { "Redone." }.into());
                            }
                            None => edited.message = Some(if is_undo { "Nothing to undo." } else { "Nothing to redo." }.into()),
                        }
                    }
                }
                if !steps.changed {
                    return Ok(edited);
                }
                row.revision = seen + 1;
                sign(act, &mut row);
                store(act, &row, seen).await?;
                steps.write(act, survey).await?;
                edited.revision = row.revision;
                Ok(edited)
            })
        })
        .await
}

/// Returns the draft with a question restored from a stored state, at its former position.
async fn restored(act: &mut Act<'_, '_>, row: &Survey, question: &str) -> Result<SurveyBody> {
    let mut body = row.draft.clone();
    if body.questions.iter().any(|q| q.id == question) {
        return Ok(body);
    }
    for position in (row.position - MAX_DRAFT_STATES..=row.position).rev() {
        let Some(state) = act.draft_state(row.id, position).await? else { continue };
        if let Some(at) = state.body.questions.iter().position(|q| q.id == question) {
            let found = state.body.questions[at].clone();
            body.questions.insert(at.min(body.questions.len()), found);
            return Ok(body);
        }
    }
    Err(Refusal::field("questions", "gone", "This question was deleted too long ago to restore it.").into())
}

/// The states that a request adds to the stored history.
#[derive(Default)]
pub(super) struct DraftHistory {
    /// Whether there are changes to write.
    pub(super) changed: bool,
    states: Vec<(i64, DraftState)>,
}

impl DraftHistory {
    /// Adds the next state, unless it equals the draft.
    pub(super) fn push(&mut self, act: &Act<'_, '_>, row: &mut Survey, body: SurveyBody, is_typing: bool) {
        if body == row.draft {
            return;
        }
        row.position += 1;
        row.draft = body.clone();
        self.states.push((row.position, DraftState { body, is_typing, saved_by: act.actor_id(), saved_at: act.now() }));
        self.changed = true;
    }

    /// Adds the submitted form, as a new step or merged into the previous typing step.
    fn save(&mut self, act: &Act<'_, '_>, row: &mut Survey, typed: SurveyBody, was: Option<DraftState>) {
        let is_typing = typed.has_same_questions(&row.draft);
        let is_recent = |was: &DraftState| was.saved_by == act.actor_id() && act.now().0 - was.saved_at.0 < TYPING_MS;
        let more = was.filter(|was| is_typing && was.is_typing && is_recent(was));
        match more {
            Some(was) if typed != row.draft => {
                row.draft = typed.clone();
                self.states.push((row.position, DraftState { body: typed, ..was }));
                self.changed = true;
            }
            _ => self.push(act, row, typed, is_typing),
        }
    }

    /// Stores the states.
    pub(super) async fn write(&mut self, tx: &mut Tx<'_>, survey: SurveyId) -> Result<()> {
        for (position, state) in self.states.drain(..) {
            tx.save_draft_state(survey, position, &state).await?;
        }
        Ok(())
    }
}
