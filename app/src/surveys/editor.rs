//! The editor: one form with every question, and the real survey page beside it. Each button saves the whole form and then
//! performs its action, so the page needs no JavaScript; [`SurveyEditor`] adds autosave, shortcuts and dragging.

use domain::{
    FieldErrors,
    surveys::{SurveyBody, SurveyStatus},
};
use leptos::prelude::*;

use super::{
    Preview, Share, StatusBadge, SurveyRef, SurveyTab, SurveyTabs, VersionLine, Versions,
    fields::{AddMenu, QuestionFields, SettingsFields, StartFields},
};
use crate::{
    components::forms::{ErrorSummary, IdempotencyKey},
    islands::editor::SurveyEditor,
};

/// A concurrent save.
#[derive(Debug, Clone)]
pub struct EditConflict {
    /// Name and time.
    pub message: String,
    /// The current revision.
    pub revision: i64,
}

/// View model of the editor.
#[derive(Debug, Clone)]
pub struct EditorView {
    /// The survey.
    pub survey: SurveyRef,
    /// The draft, or the submitted values if they could not be saved.
    pub body: SurveyBody,
    /// The revision that the form was loaded from.
    pub revision: i64,
    /// A fresh idempotency key for the form.
    pub key: String,
    /// A fresh key for the status form.
    pub status_key: String,
    /// Errors that prevent the operation or the publication.
    pub errors: FieldErrors,
    /// A concurrent save: nothing of this form is saved.
    pub conflict: Option<EditConflict>,
    /// Whether undo is possible.
    pub can_undo: bool,
    /// Whether redo is possible.
    pub can_redo: bool,
    /// Whether the draft differs from what is published.
    pub has_changes: bool,
    /// The published versions, newest first.
    pub versions: Vec<VersionLine>,
    /// The public link, once published.
    pub link: Option<String>,
    /// Why this survey's button is not shown.
    pub button_note: Option<String>,
}

/// The page.
#[component]
pub fn EditorPage(
    /// Its content.
    editor: EditorView,
) -> impl IntoView {
    let EditorView {
        survey,
        body,
        revision,
        key,
        status_key,
        errors,
        conflict,
        can_undo,
        can_redo,
        has_changes,
        versions,
        link,
        button_note,
    } = editor;
    let action = survey.url("edit");
    let preview = survey.url(&format!("preview?r={revision}"));
    let published = !versions.is_empty();
    let of = body.questions.len();
    let questions = body.questions.iter().cloned().enumerate();
    let questions =
        questions.map(|(at, question)| view! { <QuestionFields question=question at=at of=of errors=errors.clone() /> }).collect_view();
    let add_error = errors.message_for("add-question").map(|text| view! { <p class="field-error">{text.to_owned()}</p> });
    view! {
        // Enter in a field activates the form's first button.
        <button type="submit" form="editor" name="action" value="save" class="visually-hidden" tabindex="-1" aria-hidden="true">"Save"</button>
        <div id="editor-head" data-part>
            <div class="page-head">
                <div>
                    <h1>{survey.name.clone()}</h1>
                    <p class="lead">
                        <StatusBadge status=survey.status />
                        " "
                        <span id="has-changes" class="muted small" data-published=published.then_some("") hidden={!has_changes || !published}>"Unpublished changes"</span>
                    </p>
                </div>
                <div class="page-actions">
                    <StatusForm survey=survey.clone() key=status_key />
                </div>
            </div>
        </div>
        <SurveyTabs survey=survey.clone() at=SurveyTab::Edit />
        <div class="editor-bar spread">
            <SurveyEditor />
            <div id="editor-buttons" data-part class="cluster">
                <a class="button button-quiet preview-link" href="#preview">"Preview"</a>
                <button type="submit" form="editor" id="editor-undo" name="action" value="undo" class="button" disabled=!can_undo>"Undo "<kbd>"Ctrl Z"</kbd></button>
                <button type="submit" form="editor" id="editor-redo" name="action" value="redo" class="button" disabled=!can_redo>"Redo "<kbd>"Ctrl ⇧ Z"</kbd></button>
                <button type="submit" form="editor" id="editor-save" name="action" value="save" class="button">"Save "<kbd>"Ctrl S"</kbd></button>
                <button type="submit" form="editor" id="editor-publish" name="action" value="publish" class="button button-primary">
                    {if published { "Publish changes" } else { "Publish" }}
                </button>
            </div>
        </div>
        <div class="survey-editor">
            <form id="editor" method="post" action=action autocomplete="off">
                <div id="editor-form" data-part class="stack">
                    <IdempotencyKey key=key />
                    <input type="hidden" name="revision" value=revision />
                    <input type="hidden" name="whole" value="1" />
                    {conflict.map(|conflict| view! { <ConflictNotice conflict=conflict url=survey.url("edit") /> })}
                    <ErrorSummary errors=errors.clone() />
                    <StartFields body=body.clone() errors=errors.clone() />
                    <h2 id="questions-title">"Questions"</h2>
                    <AddMenu at=0 text="Add here" class="add-here" />
                    <div class="questions">{questions}</div>
                    <div id="add-question" tabindex="-1">
                        {add_error}
                        <AddMenu at=of text="Add question" class="add-last" />
                    </div>
                    <SettingsFields body=body name=survey.name.clone() button_note=button_note errors=errors />
                    <div class="form-actions">
                        <button type="submit" name="action" value="save" class="button">"Save"</button>
                    </div>
                </div>
            </form>
            <Preview src=preview />
        </div>
        <div id="editor-foot" data-part class="stack editor-foot">
            <Share survey=survey.clone() link=link />
            <Versions survey=survey versions=versions />
        </div>
    }
    .into_any()
}

/// Buttons to pause, resume or close, depending on the survey's status.
#[component]
fn StatusForm(survey: SurveyRef, key: String) -> impl IntoView {
    let offered: &[(SurveyStatus, &str)] = match survey.status {
        SurveyStatus::Draft => &[],
        SurveyStatus::Live => &[(SurveyStatus::Paused, "Pause"), (SurveyStatus::Closed, "Close")],
        SurveyStatus::Paused => &[(SurveyStatus::Live, "Resume"), (SurveyStatus::Closed, "Close")],
        SurveyStatus::Closed => &[(SurveyStatus::Live, "Reopen")],
    };
    (!offered.is_empty()).then(|| {
        view! {
            <form method="post" action=survey.url("status") class="cluster">
                <IdempotencyKey key=key />
                <input type="hidden" name="was" value=survey.status.as_str() />
                {offered.iter().map(|(status, text)| view! {
                    <button type="submit" name="status" value=status.as_str() class="button">{*text}</button>
                }).collect_view()}
            </form>
        }
    })
}

/// The choice after a conflict.
#[component]
fn ConflictNotice(conflict: EditConflict, url: String) -> impl IntoView {
    view! {
        <div class="notice notice-warn stack-s" id="conflict" role="alert" tabindex="-1" data-conflict>
            <p><strong>{conflict.message}</strong>" Your version is below. It is not saved."</p>
            <div class="cluster">
                <button type="submit" name="action" value=format!("overwrite:{}", conflict.revision) class="button">"Keep mine"</button>
                <a class="button" href=url>"Discard mine, open theirs"</a>
            </div>
            <p class="small">"If you keep yours, Undo brings theirs back."</p>
        </div>
    }
    .into_any()
}
