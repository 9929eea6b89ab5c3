//! Canned replies.

use app::{
    replies::{RepliesPage, RepliesView, ReplyForm, ReplyPage, ReplyRow, ReplyView, picker::ReplyOptions},
    shell::{Flash, Nav},
};
use axum::{
    Router,
    extract::Path,
    http::StatusCode,
    routing::{get, post},
};
use domain::{
    DomainError as Refusal, FieldErrors,
    accounts::{Role, Scope},
    ids::CannedReplyId,
    replies::{CannedReply, PlaceholderValues, unknown_placeholders},
    tickets::Ticket,
};
use leptos::prelude::*;
use service::{
    error::{Error, Result},
    replies,
    state::App,
    tickets::LINK_PLACEHOLDER,
};

use super::{console::ConsoleRequest, error::PageResult, forms::Form};
use crate::http::WebState;

/// This capability's routes.
pub fn routes() -> Router<WebState> {
    Router::new()
        .route("/p/{slug}/replies", get(list).post(create))
        .route("/p/{slug}/replies/{id}", get(show).post(edit))
        .route("/p/{slug}/replies/{id}/delete", post(delete))
}

async fn list(console: ConsoleRequest) -> PageResult {
    list_page(&console, StatusCode::OK, ReplyForm::default()).await
}

async fn list_page(console: &ConsoleRequest, code: StatusCode, new: ReplyForm) -> PageResult {
    let scope = console.scope(Role::Viewer)?;
    let present = console.present();
    let row = |reply: CannedReply| ReplyRow {
        id: reply.id.to_string(),
        unknown: unknown_placeholders(&reply.body),
        name: reply.name,
        body: reply.body,
        updated: present.moment(reply.updated_at),
    };
    let view = RepliesView {
        slug: console.project()?.slug.clone(),
        rows: console.app.store.replies(&scope).await?.into_iter().map(row).collect(),
        new: scope.require(Role::Triager).is_ok().then(|| ReplyForm { form_key: console.form_key(), ..new }),
    };
    Ok(console.page_with(code, "Canned replies", Nav::Tickets, move || view! { <RepliesPage view=view /> }))
}

async fn create(console: ConsoleRequest, form: Form) -> PageResult {
    let scope = console.scope(Role::Viewer)?;
    let (name, body) = (form.get("name"), form.get("body"));
    match replies::create(&console.app, &scope, form.idempotency_key()?, name, body).await {
        Ok(_) => Ok(console.redirect_with_message(&format!("/p/{}/replies", console.project()?.slug), "Reply saved.")),
        Err(Error::Domain(Refusal::Invalid(errors))) => {
            let new = ReplyForm { name: name.to_owned(), body: body.to_owned(), errors, ..ReplyForm::default() };
            list_page(&console, StatusCode::UNPROCESSABLE_ENTITY, new).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn load(console: &ConsoleRequest, scope: &Scope, id: &str) -> Result<CannedReply> {
    let id: CannedReplyId = id.parse().map_err(|_| Refusal::NotFound)?;
    console.app.store.reply(scope, id).await?.ok_or_else(|| Refusal::NotFound.into())
}

async fn show(console: ConsoleRequest, Path((_, id)): Path<(String, String)>) -> PageResult {
    let scope = console.scope(Role::Triager)?;
    let reply = load(&console, &scope, &id).await?;
    reply_page(&console, reply, StatusCode::OK, None)
}

/// `typed`: name and text of a rejected form, with the reason.
fn reply_page(console: &ConsoleRequest, reply: CannedReply, code: StatusCode, typed: Option<ReplyForm>) -> PageResult {
    let typed = typed.unwrap_or_else(|| ReplyForm { name: reply.name.clone(), body: reply.body, ..ReplyForm::default() });
    let view = ReplyView {
        slug: console.project()?.slug.clone(),
        id: reply.id.to_string(),
        name: reply.name.clone(),
        form: ReplyForm { form_key: console.form_key(), version: reply.version, ..typed },
    };
    Ok(console.page_with(code, &reply.name, Nav::Tickets, move || view! { <ReplyPage view=view /> }))
}

async fn edit(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, form: Form) -> PageResult {
    let scope = console.scope(Role::Viewer)?;
    form.idempotency_key()?;
    let reply = load(&console, &scope, &id).await?;
    let (name, body) = (form.get("name"), form.get("body"));
    let version = form.version()?;
    let typed = |errors: FieldErrors, conflict| {
        Some(ReplyForm { name: name.to_owned(), body: body.to_owned(), errors, conflict, ..ReplyForm::default() })
    };
    match replies::edit(&console.app, &scope, reply.id, version, name, body).await {
        Ok(undo) => {
            let to = format!("/p/{}/replies", console.project()?.slug);
            let undo = console.undo(undo, &to)?;
            Ok(console.redirect(&to, &Flash { message: "Reply saved.".into(), is_error: false, undo }))
        }
        Err(Error::Domain(Refusal::Invalid(errors))) => reply_page(&console, reply, StatusCode::UNPROCESSABLE_ENTITY, typed(errors, None)),
        Err(Error::Domain(Refusal::Conflict(why))) => {
            // The current version: the next save is based on this response.
            let now = load(&console, &scope, &id).await?;
            reply_page(&console, now, StatusCode::CONFLICT, typed(FieldErrors::default(), Some(why)))
        }
        Err(error) => Err(error.into()),
    }
}

async fn delete(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, form: Form) -> PageResult {
    let scope = console.scope(Role::Viewer)?;
    form.idempotency_key()?;
    let id: CannedReplyId = id.parse().map_err(|_| Refusal::NotFound)?;
    let to = format!("/p/{}/replies", console.project()?.slug);
    match replies::delete(&console.app, &scope, id).await {
        Ok((name, undo)) => {
            let undo = console.undo(undo, &to)?;
            Ok(console.redirect(&to, &Flash { message: format!("Deleted “{name}”."), is_error: false, undo }))
        }
        Err(error) => Err(error.into()),
    }
}

/// The replies that a person can insert into an answer: none for those who cannot answer.
pub(super) async fn options(app: &App, scope: &Scope) -> Result<ReplyOptions> {
    if scope.require(Role::Triager).is_err() {
        return Ok(ReplyOptions::default());
    }
    Ok(ReplyOptions(app.store.replies(scope).await?.into_iter().map(|reply| (reply.id.to_string(), reply.name)).collect()))
}

/// The text of an answer with the chosen reply after it; `None` if none of the project's replies was chosen.
pub(super) async fn inserted(console: &ConsoleRequest, scope: &Scope, ticket: &Ticket, chosen: &str, text: &str) -> Result<Option<String>> {
    let Ok(id) = chosen.parse::<CannedReplyId>() else { return Ok(None) };
    let Some(reply) = console.app.store.reply(scope, id).await? else { return Ok(None) };
    // The link itself is only inserted when the requester reads the reply.
    let values = PlaceholderValues {
        name: ticket.name.as_deref(),
        number: ticket.number,
        subject: &ticket.subject,
        link: LINK_PLACEHOLDER,
        me: &console.staff.name,
    };
    let filled = values.fill(&reply.body);
    Ok(Some(if text.trim().is_empty() { filled } else { format!("{}\n\n{filled}", text.trim_end()) }))
}
