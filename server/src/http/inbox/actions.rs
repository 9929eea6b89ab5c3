//! Changes of feedback, one item or many, and undo. Every response redirects to the page that the form came from.

use app::{
    components::numbers::thousands,
    inbox::{RejectedBulkEdit, detail::NEW_TAG},
};
use axum::{extract::Path, http::StatusCode};
use domain::{
    DomainError as Refusal, FieldErrors,
    accounts::{Role, Scope},
    feedback::FeedbackStatus,
    ids::{FeedbackId, StaffId},
    triage::TriageQuery,
};
use service::{
    error::{Error, Result},
    state::AppState,
    triage::{self, FeedbackEdit, FeedbackEditOutcome, ItemVersion},
    undo,
};

use super::{
    detail::RejectedItemForm,
    item, page,
    params::InboxParams,
    redirects::{back, redirect_with_error},
};
use crate::http::{console::ConsoleRequest, error::PageResult, forms::Form};

/// `POST …/feedback/{id}/status`.
pub async fn status(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, form: Form) -> PageResult {
    let to = read_status(form.get("status"))?;
    one(&console, &id, &form, FeedbackEdit::Status(to), &format!("Status set to {}.", to.label())).await
}

/// `POST …/feedback/{id}/assign`.
pub async fn assign(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, form: Form) -> PageResult {
    let to = read_staff(form.get("assignee"))?;
    one(&console, &id, &form, FeedbackEdit::Assign(to), if to.is_some() { "Assigned." } else { "Unassigned." }).await
}

/// `POST …/feedback/{id}/tags`: removes the tag `remove`; without it, adds the tag `add`, or `create`, which need not exist in the project
/// yet.
pub async fn tags(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, form: Form) -> PageResult {
    let remove: Vec<String> = form.all("remove").filter(|t| !t.is_empty()).map(ToOwned::to_owned).collect();
    let (edit, message) = if remove.is_empty() {
        let scope = console.scope(Role::Triager)?;
        if let Some(errors) = new_tag(&console, &scope, &form, "add").await? {
            let refused =
                RejectedItemForm { errors, tag: form.get("add"), status: StatusCode::UNPROCESSABLE_ENTITY, ..RejectedItemForm::default() };
            return item::refused(&console, &scope, read_id(&id)?, form.get("return_to"), refused).await;
        }
        (FeedbackEdit::Tags { add: vec![tag_of(&form, "add").to_owned()], remove }, "Tag added.")
    } else {
        (FeedbackEdit::Tags { add: Vec::new(), remove }, "Tag removed.")
    };
    one(&console, &id, &form, edit, message).await
}

/// The tag that a form adds: the `create` button's, otherwise the text in `field`.
fn tag_of<'f>(form: &'f Form, field: &str) -> &'f str {
    Some(form.get("create")).filter(|tag| !tag.is_empty()).unwrap_or_else(|| form.get(field))
}

/// The error for a tag that does not exist in the project yet, unless the form says to create it. Otherwise keystrokes in the wrong field
/// would create tags.
async fn new_tag(console: &ConsoleRequest, scope: &Scope, form: &Form, field: &str) -> Result<Option<FieldErrors>> {
    if !form.get("create").is_empty() {
        return Ok(None);
    }
    let new = triage::new_tags(&console.app, scope, form.get(field)).await?;
    let message = match new.as_slice() {
        [] => return Ok(None),
        [tag] => format!("There is no tag “{tag}” yet. Choose another one or create it."),
        tags => format!("There are no tags “{}” yet. Choose others or create them.", tags.join("”, “")),
    };
    Ok(Some(FieldErrors::one("add", NEW_TAG, message)))
}

/// `POST …/feedback/{id}/comments`.
pub async fn comment(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, form: Form) -> PageResult {
    let (scope, id) = (console.scope(Role::Triager)?, read_id(&id)?);
    let key = form.idempotency_key()?;
    match triage::comment(&console.app, &scope, id, form.get("body"), key).await {
        Ok(_) => Ok(back(&console, &form, Some(id), "Comment added.", None).await?),
        Err(Error::Domain(Refusal::Invalid(errors))) => {
            let refused = RejectedItemForm {
                errors,
                comment: form.get("body"),
                status: StatusCode::UNPROCESSABLE_ENTITY,
                ..RejectedItemForm::default()
            };
            item::refused(&console, &scope, id, form.get("return_to"), refused).await
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST …/feedback/bulk`: changes each `item` (`id:version`, repeated), or with `all` all items that match the query `q`; `do` is the
/// change.
pub async fn bulk(console: ConsoleRequest, form: Form) -> PageResult {
    let scope = console.scope(Role::Triager)?;
    form.idempotency_key()?;
    let wanted = if form.get("create").is_empty() { form.get("do") } else { "tag" };
    if wanted == "tag"
        && let Some(errors) = new_tag(&console, &scope, &form, "tag").await?
    {
        let items = form.all("item").filter_map(|item| Some(item.split_once(':')?.0.to_owned())).collect();
        let bulk = RejectedBulkEdit { message: sentences(&errors), tag: form.get("tag").to_owned(), items };
        let refused = RejectedItemForm { status: StatusCode::UNPROCESSABLE_ENTITY, bulk: Some(bulk), ..RejectedItemForm::default() };
        let params = InboxParams::of_inbox(&console.project()?.slug, form.get("return_to")).unwrap_or_default();
        return Ok(page::answer(&console, params, Some(refused)).await?);
    }
    let (edit, done) = if let Some(status) = wanted.strip_prefix("status:") {
        let to = read_status(status)?;
        (FeedbackEdit::Status(to), format!("set to {}", to.label()))
    } else {
        match wanted {
            "assign" => (FeedbackEdit::Assign(read_staff(form.get("assignee"))?), "assigned".to_owned()),
            "tag" => (FeedbackEdit::Tags { add: vec![tag_of(&form, "tag").to_owned()], remove: vec![] }, "tagged".to_owned()),
            "untag" => {
                let tag = domain::feedback::normalize_tag(form.get("tag")).into_iter().collect();
                (FeedbackEdit::Tags { add: vec![], remove: tag }, "updated: tag removed".to_owned())
            }
            _ => return Err(Refusal::field("do", "unknown", "Choose what to do with the selected items.").into()),
        }
    };
    let result = if form.get("all").is_empty() {
        let items = form.all("item").map(read_seen).collect::<Result<Vec<_>>>()?;
        triage::edit(&console.app, &scope, &items, edit).await
    } else {
        let query = TriageQuery::parse(form.get("q")).map_err(|e| Refusal::field("q", "query", e.message))?;
        edit_matching(&console.app, &scope, query, edit).await
    };
    let outcome = match result {
        Ok(outcome) => outcome,
        Err(Error::Domain(Refusal::Invalid(errors))) => return Ok(redirect_with_error(&console, &form, None, &sentences(&errors))?),
        Err(Error::Domain(Refusal::Conflict(why))) => return Ok(redirect_with_error(&console, &form, None, &why)?),
        Err(Error::Domain(Refusal::SearchUnavailable)) => {
            let why = "The search index is not up to date, so nothing was changed. Select the items of one page, or try again in a moment.";
            return Ok(redirect_with_error(&console, &form, None, why)?);
        }
        Err(error) => return Err(error.into()),
    };
    if outcome.changed + outcome.same + outcome.conflicts.len() == 0 {
        return Ok(redirect_with_error(&console, &form, None, "Nothing matches this search anymore.")?);
    }
    let left = match outcome.conflicts.as_slice() {
        [] => String::new(),
        [why] => format!(" 1 was skipped: {why}"),
        [why, rest @ ..] => format!(" {} were skipped because other people changed them. The first: {why}", rest.len() + 1),
    };
    let message = match outcome.changed {
        0 => format!("No changes needed.{left}"),
        1 => format!("1 item {done}.{left}"),
        n => format!("{} items {done}.{left}", thousands(n)),
    };
    Ok(back(&console, &form, None, &message, Some(&outcome)).await?)
}

/// [`triage::edit_matching`] in a task of its own, so that it completes even if the response times out.
async fn edit_matching(app: &AppState, scope: &Scope, query: TriageQuery, edit: FeedbackEdit) -> Result<FeedbackEditOutcome> {
    let (app, scope) = (app.clone(), *scope);
    let work = tokio::spawn(async move { triage::edit_matching(&app, &scope, &query, edit).await });
    work.await.unwrap_or_else(|panic| Err(Error::internal("bulk change", panic)))
}

/// `POST …/undo`: undoes the change that `token` identifies.
pub async fn undo(console: ConsoleRequest, form: Form) -> PageResult {
    let scope = console.scope(Role::Triager)?;
    form.idempotency_key()?;
    let token = form.get("token").parse().map_err(|_| Refusal::NotFound)?;
    match undo::undo(&console.app, &scope, token).await {
        Ok(outcome) if outcome.conflicts.is_empty() => Ok(back(&console, &form, None, "Undone.", None).await?),
        Ok(outcome) => {
            // The message goes into a cookie of limited size, so only a few conflicts are listed.
            let (listed, more) = outcome.conflicts.split_at(outcome.conflicts.len().min(3));
            let more = if more.is_empty() { String::new() } else { format!(" And {} more.", thousands(more.len())) };
            let message =
                format!("Undone for {}. Skipped because they changed since: {}{more}", thousands(outcome.changed), listed.join(" "));
            Ok(back(&console, &form, None, &message, None).await?)
        }
        Err(Error::Domain(Refusal::Conflict(why))) => Ok(redirect_with_error(&console, &form, None, &why)?),
        Err(Error::Domain(Refusal::NotFound)) => Ok(redirect_with_error(&console, &form, None, "There is nothing left to undo.")?),
        Err(error) => Err(error.into()),
    }
}

async fn one(console: &ConsoleRequest, id: &str, form: &Form, edit: FeedbackEdit, message: &str) -> PageResult {
    let (scope, id): (Scope, _) = (console.scope(Role::Triager)?, read_id(id)?);
    form.idempotency_key()?;
    let version = form.version()?;
    let is_tags = matches!(edit, FeedbackEdit::Tags { .. });
    match triage::edit(&console.app, &scope, &[ItemVersion { id, version }], edit).await {
        Ok(outcome) if outcome.changed == 0 => Ok(back(console, form, Some(id), "No change: it already had this value.", None).await?),
        Ok(outcome) => Ok(back(console, form, Some(id), message, Some(&outcome)).await?),
        Err(Error::Domain(Refusal::Conflict(why))) => Ok(redirect_with_error(console, form, Some(id), &why)?),
        Err(Error::Domain(Refusal::Invalid(errors))) if is_tags => {
            let refused =
                RejectedItemForm { errors, tag: form.get("add"), status: StatusCode::UNPROCESSABLE_ENTITY, ..RejectedItemForm::default() };
            item::refused(console, &scope, id, form.get("return_to"), refused).await
        }
        Err(error) => Err(error.into()),
    }
}

fn sentences(errors: &FieldErrors) -> String {
    errors.0.iter().map(|e| e.message.as_str()).collect::<Vec<_>>().join(" ")
}

fn read_id(text: &str) -> Result<FeedbackId> {
    text.parse().map_err(|_| Refusal::NotFound.into())
}

fn read_status(text: &str) -> Result<FeedbackStatus> {
    FeedbackStatus::parse(text).ok_or_else(|| Refusal::field("status", "unknown", "Choose new, triaged, resolved or spam.").into())
}

fn read_staff(text: &str) -> Result<Option<StaffId>> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| Refusal::field("assignee", "unknown", "Choose a member of this project.").into())
}

fn read_seen(text: &str) -> Result<ItemVersion> {
    let (id, version) = text.split_once(':').ok_or(Refusal::NotFound)?;
    Ok(ItemVersion { id: read_id(id)?, version: version.parse().map_err(|_| Refusal::NotFound)? })
}
