//! Links between feedback and backlog items: the panel, and the routes of its forms.

use app::{
    backlog::{LinkCandidate, LinkPageView, LinkPanelView, LinkedItemView, link_panel::LinkPage},
    shell::{Flash, Nav, Undo},
};
use axum::{
    Router,
    extract::{Path, Query},
    http::StatusCode,
    response::Response,
    routing::post,
};
use domain::{
    DomainError as Refusal, FieldErrors,
    accounts::{Role, Scope},
    backlog::{Importance, suggest_title},
    feedback::{Feedback, FeedbackStatus},
    ids::FeedbackId,
};
use leptos::prelude::*;
use serde::Deserialize;
use service::{
    backlog::{self, LinkInput, UnlinkOptions},
    error::{Error, Result},
};

use crate::http::{WebState, console::ConsoleRequest, error::PageResult, forms::Form, return_to};

/// Items offered by the link panel.
const HITS: i64 = 6;

/// The routes of links.
pub fn routes() -> Router<WebState> {
    Router::new()
        .route("/p/{slug}/feedback/{id}/link", post(link).get(link_page))
        .route("/p/{slug}/feedback/{id}/unlink", post(unlink))
        .route("/p/{slug}/feedback/{id}/backlog", post(create_from))
}

/// Context of a link panel.
pub struct LinkPanelRequest<'a> {
    /// The feedback to link.
    pub feedback: &'a Feedback,
    /// Path and query of the page.
    pub here: &'a str,
    /// Return path of posts; usually [`LinkPanelRequest::here`].
    pub return_to: &'a str,
    /// The page's `link_q`.
    pub query: &'a str,
}

/// The link panel for a page that shows feedback, rendered by [`app::backlog::LinkPanel`].
///
/// # Errors
/// Returns an error if the database fails.
pub async fn link_panel(console: &ConsoleRequest, scope: &Scope, on: &LinkPanelRequest<'_>) -> Result<LinkPanelView> {
    let linked = console.app.store.linked_items(scope, on.feedback.id).await?;
    let linked = linked
        .into_iter()
        .map(|l| LinkedItemView { number: l.number, title: l.title, status: l.status, quote: l.quote, importance: l.importance })
        .collect();
    let can_edit = scope.require(Role::Triager).is_ok();
    let mut hits = Vec::new();
    if can_edit {
        let mut filter = backlog::filter(on.query, None);
        filter.not_linked_to = Some(on.feedback.id);
        let found = console.app.store.backlog_list(scope, &filter, HITS, 0).await?;
        hits = found
            .into_iter()
            .map(|i| LinkCandidate { number: i.number, title: i.title, status: i.status, people: i.evidence.people })
            .collect();
    }
    let (path, query) = on.here.split_once('?').unwrap_or((on.here, ""));
    let keeps = |query: &str| -> Vec<(String, String)> {
        url::form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| name != "link_q")
            .map(|(n, v)| (n.into_owned(), v.into_owned()))
            .collect()
    };
    Ok(LinkPanelView {
        slug: console.project()?.slug.clone(),
        feedback: on.feedback.id.to_string(),
        return_to: on.return_to.to_owned(),
        form_key: console.form_key(),
        can_edit,
        linked,
        search_path: path.to_owned(),
        search_keeps: keeps(query),
        query: on.query.to_owned(),
        hits,
        new_title: suggest_title(&on.feedback.text),
        quote: String::new(),
        importance: Importance::Normal,
        errors: FieldErrors::default(),
    })
}

fn feedback_id(text: &str) -> Result<FeedbackId> {
    text.parse().map_err(|_| Refusal::NotFound.into())
}

async fn feedback(console: &ConsoleRequest, scope: &Scope, id: FeedbackId) -> Result<Feedback> {
    console.app.store.feedback_by_ids(scope, &[id]).await?.pop().ok_or_else(|| Refusal::NotFound.into())
}

/// Return path within the project; the feedback's own page for anything else.
fn return_to(console: &ConsoleRequest, wanted: &str, id: FeedbackId) -> Result<String> {
    let slug = &console.project()?.slug;
    Ok(return_to::return_to(slug, wanted).unwrap_or_else(|| format!("/p/{slug}/feedback/{id}")))
}

#[derive(Debug, Deserialize)]
struct LinkQuery {
    #[serde(default)]
    return_to: String,
    #[serde(default)]
    link_q: String,
}

async fn link_page(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, Query(query): Query<LinkQuery>) -> PageResult {
    let scope = console.scope(Role::Viewer)?;
    let feedback = feedback(&console, &scope, feedback_id(&id)?).await?;
    let back = return_to(&console, &query.return_to, feedback.id)?;
    let panel = standalone_panel(&console, &scope, &feedback, &back, &query.link_q).await?;
    let view = LinkPageView { text: feedback.text, panel };
    Ok(console.page("Link feedback", Nav::Inbox, move || view! { <LinkPage view=view /> }))
}

async fn standalone_panel(console: &ConsoleRequest, scope: &Scope, feedback: &Feedback, back: &str, query: &str) -> Result<LinkPanelView> {
    let slug = &console.project()?.slug;
    let return_query = url::form_urlencoded::Serializer::new(String::new()).append_pair("return_to", back).finish();
    let here = format!("/p/{slug}/feedback/{}/link?{return_query}", feedback.id);
    link_panel(console, scope, &LinkPanelRequest { feedback, here: &here, return_to: back, query }).await
}

fn quoting(form: &Form) -> LinkInput {
    let importance = Importance::parse(form.get("importance")).unwrap_or(Importance::Normal);
    LinkInput { quote: form.get("quote").to_owned(), importance }
}

fn item_number(form: &Form) -> Result<i64> {
    form.get("item").parse().map_err(|_| Refusal::NotFound.into())
}

/// Shows a rejected form again with its message; returns any other error.
async fn again(console: &ConsoleRequest, scope: &Scope, id: FeedbackId, form: &Form, error: Error) -> PageResult {
    let errors = match error {
        Error::Domain(Refusal::Invalid(errors)) => errors,
        other => return Err(other.into()),
    };
    let feedback = feedback(console, scope, id).await?;
    let back = return_to(console, form.get("return_to"), id)?;
    let mut panel = standalone_panel(console, scope, &feedback, &back, "").await?;
    let LinkInput { quote, importance } = quoting(form);
    (panel.quote, panel.importance, panel.errors) = (quote, importance, errors);
    panel.new_title = form.get("title").to_owned();
    let view = LinkPageView { text: feedback.text, panel };
    Ok(console.page_with(StatusCode::UNPROCESSABLE_ENTITY, "Link feedback", Nav::Inbox, move || view! { <LinkPage view=view /> }))
}

async fn link(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, form: Form) -> PageResult {
    let scope = console.scope(Role::Triager)?;
    form.idempotency_key()?;
    let (id, number) = (feedback_id(&id)?, item_number(&form)?);
    let back = return_to(&console, form.get("return_to"), id)?;
    match backlog::link(&console.app, &scope, id, number, quoting(&form)).await {
        Ok(done) if done.is_new => Ok(linked(&console, id, &back, &done, "Linked to", false)?),
        Ok(done) => {
            let verb = done.changed.as_deref().unwrap_or("Already linked to");
            let flash =
                Flash { message: format!("{verb} #{number} {}.", done.title), is_error: false, undo: console.undo(done.undo, &back)? };
            Ok(console.redirect(&back, &flash))
        }
        Err(error) => again(&console, &scope, id, &form, error).await,
    }
}

async fn create_from(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, form: Form) -> PageResult {
    let scope = console.scope(Role::Triager)?;
    let id = feedback_id(&id)?;
    let back = return_to(&console, form.get("return_to"), id)?;
    match backlog::create_from(&console.app, &scope, form.idempotency_key()?, id, form.get("title"), quoting(&form)).await {
        Ok(done) => Ok(linked(&console, id, &back, &done, "Created and linked", true)?),
        Err(error) => again(&console, &scope, id, &form, error).await,
    }
}

fn linked(
    console: &ConsoleRequest,
    id: FeedbackId,
    back: &str,
    done: &backlog::LinkOutcome,
    verb: &str,
    with_item: bool,
) -> Result<Response> {
    let slug = &console.project()?.slug;
    let message = format!("{verb} #{} {}.", done.number, done.title);
    let mut fields = vec![
        ("item".into(), done.number.to_string()),
        ("restore".into(), done.before.as_str().to_owned()),
        ("return_to".into(), back.to_owned()),
    ];
    if with_item {
        fields.push(("with_item".into(), "1".into()));
    }
    let undo = Some(Undo { url: format!("/p/{slug}/feedback/{id}/unlink"), fields });
    Ok(console.redirect(back, &Flash { message, is_error: false, undo }))
}

async fn unlink(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, form: Form) -> PageResult {
    let scope = console.scope(Role::Triager)?;
    form.idempotency_key()?;
    let (id, number) = (feedback_id(&id)?, item_number(&form)?);
    let back = return_to(&console, form.get("return_to"), id)?;
    let undoes = UnlinkOptions { restore: FeedbackStatus::parse(form.get("restore")), with_item: !form.get("with_item").is_empty() };
    let done = backlog::unlink(&console.app, &scope, id, number, undoes).await?;
    let undo = console.undo(done.undo, &back)?;
    let what = if done.gone { "Removed" } else { "Unlinked from" };
    Ok(console.redirect(&back, &Flash { message: format!("{what} #{number} {}.", done.title), is_error: false, undo }))
}
