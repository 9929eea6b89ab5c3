//! The ticket of an inbox item: its conversation, replies, notes, priority, files.

use app::{
    desk::{AnswerDraft, conversation::NewLinkPage},
    shell::{Flash, Nav, Undo},
};
use axum::{Extension, extract::Path, http::StatusCode};
use domain::{
    DomainError as Refusal, FieldErrors,
    accounts::{Role, Scope},
    ids::FeedbackId,
    tickets::{Priority, Ticket},
};
use leptos::prelude::*;
use service::{
    accounts::authority::Authority,
    error::{Error, Result},
    limits::budget::QuotaOwner,
    tickets::{self, StaffReply, files::is_room},
};

use super::{
    detail::RejectedItemForm,
    item,
    redirects::{INDEX_WAIT, back, redirect_with_error, target},
};
use crate::http::{
    address::BaseUrl,
    attachments::{self, FilePolicy, FormWithFiles},
    console::ConsoleRequest,
    error::PageResult,
    forms::Form,
    limits::BodyMemory,
    portal::{self, PortalRequest},
    refusal::CapturedForm,
    replies,
    upload::MultipartForm,
};

async fn held(console: &ConsoleRequest, scope: &Scope, id: &str) -> Result<(FeedbackId, Ticket)> {
    let id: FeedbackId = id.parse().map_err(|_| Refusal::NotFound)?;
    let ticket = console.app.store.ticket_for_feedback(scope, id).await?.ok_or(Refusal::NotFound)?;
    Ok((id, ticket))
}

/// `POST …/feedback/{id}/note`.
pub async fn note(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, form: Form) -> PageResult {
    let scope = console.scope(Role::Triager)?;
    let (id, ticket) = held(&console, &scope, &id).await?;
    let key = form.idempotency_key()?;
    match tickets::add_note(&console.app, &scope, ticket.id, key, form.get("note"), Vec::new()).await {
        Ok(_) => Ok(back(&console, &form, Some(id), "Note added. Only your team can see it.", None).await?),
        Err(Error::Domain(Refusal::Invalid(errors))) => {
            let errors = FieldErrors::one("note", "invalid", errors.message_for("message").unwrap_or("Enter a note first."));
            let typed = AnswerDraft { note: form.get("note").to_owned(), errors, ..AnswerDraft::default() };
            let refused = RejectedItemForm { status: StatusCode::UNPROCESSABLE_ENTITY, ticket: Some(typed), ..RejectedItemForm::default() };
            item::refused(&console, &scope, id, form.get("return_to"), refused).await
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST …/feedback/{id}/priority`.
pub async fn priority(console: ConsoleRequest, Path((slug, id)): Path<(String, String)>, form: Form) -> PageResult {
    let scope = console.scope(Role::Triager)?;
    let (id, ticket) = held(&console, &scope, &id).await?;
    form.idempotency_key()?;
    let to = Priority::parse(form.get("priority"))
        .ok_or_else(|| Refusal::field("priority", "unknown", "Choose low, normal, high or urgent."))?;
    let done = match tickets::change_priority(&console.app, &scope, ticket.id, to, Some(form.version()?)).await {
        Ok(done) => done,
        Err(Error::Domain(Refusal::Conflict(why))) => return Ok(redirect_with_error(&console, &form, Some(id), &why)?),
        Err(error) => return Err(error.into()),
    };
    let Some(done) = done else { return Ok(back(&console, &form, Some(id), "No change: it already had this value.", None).await?) };
    let to_place = target(&console, &form, Some(id))?;
    let fields = [("priority", done.from.as_str().to_owned()), ("version", done.version.to_string()), ("return_to", to_place)];
    let undo = Undo { url: format!("/p/{slug}/feedback/{id}/priority"), fields: fields.map(|(n, v)| (n.to_owned(), v)).to_vec() };
    followed(&console, &form, id, &format!("Priority set to {}.", to.label()), Some(undo)).await
}

/// `POST …/feedback/{id}/reopen`.
pub async fn reopen(console: ConsoleRequest, Path((slug, id)): Path<(String, String)>, form: Form) -> PageResult {
    let scope = console.scope(Role::Triager)?;
    let (id, ticket) = held(&console, &scope, &id).await?;
    form.idempotency_key()?;
    if !tickets::reopen(&console.app, &scope, ticket.id).await? {
        return Ok(back(&console, &form, Some(id), "No change: it is already open.", None).await?);
    }
    let now = console.app.store.feedback_by_ids(&scope, &[id]).await?.pop().ok_or(Refusal::NotFound)?;
    let fields =
        [("status", "resolved".to_owned()), ("version", now.version.to_string()), ("return_to", target(&console, &form, Some(id))?)];
    let undo = Undo { url: format!("/p/{slug}/feedback/{id}/status"), fields: fields.map(|(n, v)| (n.to_owned(), v)).to_vec() };
    followed(&console, &form, id, "Reopened.", Some(undo)).await
}

/// Redirects back once the index is up to date, with an undo button.
async fn followed(console: &ConsoleRequest, form: &Form, id: FeedbackId, message: &str, undo: Option<Undo>) -> PageResult {
    console.app.search.wait_until_caught_up(INDEX_WAIT).await;
    let flash = Flash { message: message.to_owned(), is_error: false, undo };
    Ok(console.redirect(&target(console, form, Some(id))?, &flash))
}

/// `GET …/feedback/{id}/files/{file}`: for members of the project; also serves files of notes.
pub async fn file(console: ConsoleRequest, Path((_, id, file)): Path<(String, String, String)>) -> PageResult {
    let scope = console.scope(Role::Viewer)?;
    let (_, ticket) = held(&console, &scope, &id).await?;
    Ok(attachments::send(&console.app, &scope, ticket.id, &file, true).await?)
}

/// `GET …/feedback/{id}/as-requester`: the requester's view, for members of the project.
pub async fn as_requester(console: ConsoleRequest, visit: PortalRequest, Path((slug, id)): Path<(String, String)>) -> PageResult {
    let scope = console.scope(Role::Viewer)?;
    let (id, ticket) = held(&console, &scope, &id).await?;
    Ok(portal::preview(&console.app, &visit, console.project()?, ticket, format!("/p/{slug}/feedback/{id}")).await?)
}

/// `POST …/feedback/{id}/new-link`: renews the requester's link; `do` is `mail` or `show`.
pub async fn new_link(console: ConsoleRequest, BaseUrl(base): BaseUrl, Path((slug, id)): Path<(String, String)>, form: Form) -> PageResult {
    let scope = console.scope(Role::Triager)?;
    let (id, ticket) = held(&console, &scope, &id).await?;
    let (key, shown) = (form.idempotency_key()?, form.get("do") == "show");
    let generation = match tickets::renew_link(&console.app, &scope, ticket.id, key, shown).await {
        Ok(generation) => generation,
        Err(Error::Domain(Refusal::Conflict(why))) => return Ok(redirect_with_error(&console, &form, Some(id), &why)?),
        Err(error) => return Err(error.into()),
    };
    if !shown {
        return Ok(back(&console, &form, Some(id), "The requester gets a new link by e-mail.", None).await?);
    }
    let link = format!("{base}/p/{slug}/t/{}", tickets::link_token(&console.app, ticket.id, generation)?);
    let (number, back) = (ticket.number, format!("/p/{slug}/feedback/{id}"));
    Ok(console.page("New link", Nav::Inbox, move || view! { <NewLinkPage number=number link=link back=back /> }))
}

/// `POST …/feedback/{id}/answer`: `do` is `send`, `close` (send and close), or `insert`, which only inserts a canned reply into the text,
/// so that canned replies work without scripts.
pub async fn answer(
    console: ConsoleRequest,
    Path((_, id)): Path<(String, String)>,
    Extension(sent): Extension<CapturedForm>,
    room: BodyMemory,
    body: MultipartForm,
) -> PageResult {
    let (reader, app) = (console.scope(Role::Viewer)?, &console.app);
    let wanted = if is_room(app, reader.project(), QuotaOwner::Team).await? { FilePolicy::Kept } else { FilePolicy::NoRoom };
    // Read before checking the role, so that a person who just lost it still gets their text back.
    let FormWithFiles { form, files, refused, .. } = attachments::receive(&room, body, wanted).await;
    sent.keep(&form.0, false);
    let scope = console.scope(Role::Triager)?;
    // Reading may have taken minutes.
    Authority::new(&scope, console.session_hash()).ensure_role(app, Role::Triager).await?;
    let (id, ticket) = held(&console, &scope, &id).await?;
    let key = form.idempotency_key()?.to_owned();
    let waiting = tickets::pending_form_key(console.project()?, &format!("desk {}", ticket.id), &key);
    let text = form.get("message").to_owned();
    let again = RejectedAnswer { console: &console, scope: &scope, id, form: &form, key: &key, waiting: &waiting };
    let prepared = match refused {
        Some(refused) => Err(refused),
        None => files.prepare(app, QuotaOwner::Team).await.map_err(|error| {
            let is_busy = matches!(error.refusal(), Some(Refusal::Busy(_)));
            (if is_busy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::UNPROCESSABLE_ENTITY }, error)
        }),
    };
    let files = match prepared {
        Ok(files) => files,
        Err((status, error)) => {
            let errors = match error {
                Error::Domain(Refusal::Invalid(errors)) => errors,
                Error::Domain(Refusal::Busy(_)) => busy(),
                error => return Err(error.into()),
            };
            return again.show(status, AnswerDraft { answer: text, errors, ..AnswerDraft::default() }).await;
        }
    };
    if form.get("do") == "insert" {
        tickets::store_pending_files(app, QuotaOwner::Team, console.project()?, &waiting, files).await?;
        let (status, answer, errors) = match replies::inserted(&console, &scope, &ticket, form.get("reply"), &text).await? {
            Some(answer) => (StatusCode::OK, answer, FieldErrors::default()),
            None => (StatusCode::UNPROCESSABLE_ENTITY, text, FieldErrors::one("reply", "required", "Choose a canned reply first.")),
        };
        return again.show(status, AnswerDraft { answer, errors, ..AnswerDraft::default() }).await;
    }
    let close = form.get("do") == "close";
    let reply = StaffReply { body: text.clone(), close, seen: Some(form.version()?), files: files.clone(), held: waiting.clone() };
    match tickets::staff_reply(app, &scope, ticket.id, &key, reply).await {
        Ok(_) => Ok(back(&console, &form, Some(id), if close { "Reply sent, ticket closed." } else { "Reply sent." }, None).await?),
        Err(Error::Domain(refusal @ (Refusal::Invalid(_) | Refusal::Conflict(_)))) => {
            tickets::store_pending_files(app, QuotaOwner::Team, console.project()?, &waiting, files).await?;
            let (status, errors, conflict) = match refusal {
                Refusal::Conflict(why) => (StatusCode::CONFLICT, FieldErrors::default(), Some(why)),
                Refusal::Invalid(errors) => (StatusCode::UNPROCESSABLE_ENTITY, errors, None),
                _ => (StatusCode::UNPROCESSABLE_ENTITY, FieldErrors::default(), None),
            };
            again.show(status, AnswerDraft { answer: text, errors, conflict, ..AnswerDraft::default() }).await
        }
        Err(error) => Err(error.into()),
    }
}

/// There was no memory for the files, or no capacity to process them.
fn busy() -> FieldErrors {
    let text = "We couldn’t accept the files. Your reply is still here: attach them again and send it in a moment.";
    FieldErrors::one("files", "busy", text)
}

/// The page of a rejected reply, with its text and files.
struct RejectedAnswer<'a> {
    console: &'a ConsoleRequest,
    scope: &'a Scope,
    id: FeedbackId,
    form: &'a Form,
    key: &'a str,
    waiting: &'a str,
}

impl RejectedAnswer<'_> {
    async fn show(&self, status: StatusCode, typed: AnswerDraft) -> PageResult {
        let app = &self.console.app;
        let files = app.store.pending_attachments(self.scope, self.waiting, app.now()).await?;
        let typed = AnswerDraft { key: self.key.to_owned(), files: files.into_iter().map(|f| f.name).collect(), ..typed };
        let refused = RejectedItemForm { status, ticket: Some(typed), ..RejectedItemForm::default() };
        item::refused(self.console, self.scope, self.id, self.form.get("return_to"), refused).await
    }
}
