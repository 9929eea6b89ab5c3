//! The backlog and links.

mod links;

use app::{
    backlog::{
        item::{EditItemForm, ItemHistoryLine, ItemPage, ItemView, LinkedFeedbackView},
        list::{BacklogPage, BacklogRow, BacklogView, NewItemInput, StatusTab},
    },
    shell::{Flash, Nav, Undo},
};
use axum::{
    Router,
    extract::{Path, Query},
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use domain::{
    DomainError as Refusal, FieldErrors, ZonedNow,
    accounts::{Role, Scope},
    backlog::{BacklogItem, BacklogStatus, find_quote},
    feedback::Feedback,
    history::HistoryChange,
    text::{shorten, shorten_start},
};
use leptos::prelude::*;
use serde::Deserialize;

use crate::http::WebState;

pub use self::links::{LinkPanelRequest, link_panel};
use super::{
    console::ConsoleRequest,
    error::{PageError, PageResult},
    forms::Form,
};
use service::{
    backlog,
    error::{Error, Result},
};
use store::backlog::LinkedFeedback;

/// The filter value for all items; without a filter the list shows unfinished ones.
const ALL: &str = "all";
/// Items per page of the list.
const PAGE: i64 = 50;
/// Linked feedback per page of an item.
const SAID: i64 = 50;
/// Characters shown on each side of a quote; twice as many of a text without a quote.
const AROUND: usize = 400;

/// This capability's routes.
pub fn routes() -> Router<WebState> {
    Router::new()
        .route("/p/{slug}/backlog", get(list).post(create))
        .route("/p/{slug}/backlog/{number}", get(item).post(edit))
        .route("/p/{slug}/backlog/{number}/status", post(set_status))
        .merge(links::routes())
}

#[derive(Debug, Default, Deserialize)]
struct ListQuery {
    #[serde(default)]
    status: String,
    #[serde(default)]
    q: String,
    #[serde(default)]
    page: String,
}

impl ListQuery {
    fn page(&self) -> i64 {
        self.page.parse().unwrap_or(1).clamp(1, 10_000)
    }
}

async fn list(console: ConsoleRequest, Query(query): Query<ListQuery>) -> PageResult {
    list_page(&console, &query, StatusCode::OK, NewItemInput::default()).await
}

async fn list_page(console: &ConsoleRequest, query: &ListQuery, code: StatusCode, new: NewItemInput) -> PageResult {
    let scope = console.scope(Role::Viewer)?;
    let slug = console.project()?.slug.clone();
    let status = BacklogStatus::parse(&query.status);
    let all = query.status == ALL;
    let mut filter = backlog::filter(&query.q, status);
    filter.only_active = status.is_none() && !all;
    let store = &console.app.store;
    let counts = store.backlog_counts(&scope, &filter).await?;
    let page = query.page();
    let mut items = store.backlog_list(&scope, &filter, PAGE + 1, (page - 1) * PAGE).await?;
    let more = items.len() > usize::try_from(PAGE).unwrap_or(usize::MAX);
    items.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
    let is_empty = counts.is_empty() && query.q.trim().is_empty();
    let url = |status: &str, page: i64| {
        let mut pairs = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in [("status", status), ("q", query.q.as_str())] {
            if !value.is_empty() {
                pairs.append_pair(name, value);
            }
        }
        if page > 1 {
            pairs.append_pair("page", &page.to_string());
        }
        let pairs = pairs.finish();
        if pairs.is_empty() { format!("/p/{slug}/backlog") } else { format!("/p/{slug}/backlog?{pairs}") }
    };
    let count = |s: BacklogStatus| counts.iter().find(|(c, _)| *c == s).map_or(0, |(_, n)| *n);
    let active = counts.iter().filter(|(s, _)| s.is_active()).map(|(_, n)| n).sum();
    let mut tabs = vec![StatusTab { label: "Active", href: url("", 1), count: active, is_current: filter.only_active }];
    tabs.extend(BacklogStatus::ALL.iter().map(|s| StatusTab {
        label: s.label(),
        href: url(s.as_str(), 1),
        count: count(*s),
        is_current: status == Some(*s),
    }));
    tabs.push(StatusTab { label: "All", href: url(ALL, 1), count: counts.iter().map(|(_, n)| n).sum(), is_current: all });
    let present = console.present();
    let word = status.map_or(if all { ALL } else { "" }, BacklogStatus::as_str);
    let view = BacklogView {
        tabs,
        status: word.to_owned(),
        all: url(ALL, 1),
        query: query.q.clone(),
        rows: items
            .into_iter()
            .map(|i| BacklogRow {
                number: i.number,
                title: i.title,
                status: i.status,
                people: i.evidence.people,
                said: i.evidence.said,
                critical: i.evidence.critical,
                updated: present.moment(i.updated_at),
            })
            .collect(),
        is_empty,
        earlier: (page > 1).then(|| url(word, page - 1)),
        later: more.then(|| url(word, page + 1)),
        new: scope.require(Role::Triager).is_ok().then(|| NewItemInput { form_key: console.form_key(), ..new }),
        slug,
    };
    Ok(console.page_with(code, "Backlog", Nav::Backlog, move || view! { <BacklogPage view=view /> }))
}

async fn create(console: ConsoleRequest, form: Form) -> PageResult {
    let scope = console.scope(Role::Viewer)?;
    let (title, body) = (form.get("title"), form.get("body"));
    match backlog::create(&console.app, &scope, form.idempotency_key()?, title, body).await {
        Ok(number) => {
            Ok(console.redirect_with_message(&format!("/p/{}/backlog/{number}", console.project()?.slug), &format!("Created #{number}.")))
        }
        Err(Error::Domain(Refusal::Invalid(errors))) => {
            let new = NewItemInput { form_key: String::new(), title: title.to_owned(), body: body.to_owned(), errors };
            list_page(&console, &ListQuery::default(), StatusCode::UNPROCESSABLE_ENTITY, new).await
        }
        Err(error) => Err(error.into()),
    }
}

fn number(text: &str) -> Result<i64> {
    text.parse().map_err(|_| Refusal::NotFound.into())
}

async fn load(console: &ConsoleRequest, scope: &Scope, text: &str) -> Result<BacklogItem> {
    console.app.store.backlog_item(scope, number(text)?).await?.ok_or_else(|| Refusal::NotFound.into())
}

#[derive(Debug, Default, Deserialize)]
struct ItemQuery {
    #[serde(default)]
    page: String,
}

async fn item(console: ConsoleRequest, Path((_, n)): Path<(String, String)>, Query(query): Query<ItemQuery>) -> PageResult {
    let scope = console.scope(Role::Viewer)?;
    let item = load(&console, &scope, &n).await?;
    let page = query.page.parse().unwrap_or(1).clamp(1, 10_000);
    item_page(&console, &scope, item, page, StatusCode::OK, None).await
}

/// `typed`: fields of a rejected edit form.
async fn item_page(
    console: &ConsoleRequest,
    scope: &Scope,
    item: BacklogItem,
    page: i64,
    code: StatusCode,
    typed: Option<EditItemForm>,
) -> PageResult {
    let (store, slug, present) = (&console.app.store, console.project()?.slug.clone(), console.present());
    let evidence = store.backlog_evidence(scope, &item).await?;
    let mut links = store.linked_feedback(scope, &item, None, SAID + 1, (page - 1) * SAID).await?;
    let more = links.len() > usize::try_from(SAID).unwrap_or(usize::MAX);
    links.truncate(usize::try_from(SAID).unwrap_or(usize::MAX));
    let ids: Vec<_> = links.iter().map(|l| l.feedback).collect();
    let pieces = store.feedback_by_ids(scope, &ids).await?;
    let said = pieces.into_iter().filter_map(|f| links.iter().find(|l| l.feedback == f.id).map(|l| said(&f, l, &present))).collect();
    let history = store.history_entries(scope, item.id).await?;
    let history = history
        .into_iter()
        .map(|entry| {
            let (what, feedback) = match entry.change {
                HistoryChange::Linked { feedback, .. } => ("linked feedback".to_owned(), Some(feedback)),
                HistoryChange::Unlinked { feedback, .. } => ("unlinked feedback".to_owned(), Some(feedback)),
                HistoryChange::Requoted { feedback, .. } => ("changed the quote of feedback".to_owned(), Some(feedback)),
                HistoryChange::Reweighed { feedback, to, .. } => (format!("changed the importance of feedback to {to}"), Some(feedback)),
                other => (other.sentence(), None),
            };
            ItemHistoryLine {
                who: entry.by.unwrap_or_else(|| "Earshot".into()),
                what,
                href: feedback.map(|id| format!("/p/{slug}/feedback/{id}")),
                at: present.moment(entry.at),
            }
        })
        .collect();
    let edit = scope.require(Role::Triager).is_ok().then(|| {
        typed.unwrap_or_else(|| EditItemForm {
            form_key: console.form_key(),
            version: item.version,
            title: item.title.clone(),
            body: item.body.clone(),
            errors: FieldErrors::default(),
            conflict: None,
        })
    });
    let url = |page: i64| format!("/p/{slug}/backlog/{}?page={page}", item.number);
    let view = ItemView {
        number: item.number,
        title: item.title.clone(),
        body: item.body,
        status: item.status,
        people: evidence.people,
        pieces: evidence.said,
        critical: evidence.critical,
        said,
        earlier: (page > 1).then(|| url(page - 1)),
        later: more.then(|| url(page + 1)),
        history,
        edit,
        slug: slug.clone(),
    };
    let title = format!("#{} {}", item.number, item.title);
    Ok(console.page_with(code, &title, Nav::Backlog, move || view! { <ItemPage view=view /> }))
}

fn said(feedback: &Feedback, link: &LinkedFeedback, present: &ZonedNow) -> LinkedFeedbackView {
    let place = link.quote.as_deref().and_then(|q| find_quote(&feedback.text, q));
    let text = match &place {
        Some(at) => (
            shorten_start(&feedback.text[..at.start], AROUND),
            feedback.text[at.clone()].to_owned(),
            shorten(&feedback.text[at.end..], AROUND),
        ),
        None => (shorten(&feedback.text, 2 * AROUND), String::new(), String::new()),
    };
    let score = feedback.score.map(|score| match feedback.score_max {
        Some(max) => format!("{score} of {max}"),
        None => score.to_string(),
    });
    LinkedFeedbackView {
        id: feedback.id.to_string(),
        text,
        lost_quote: if place.is_none() { link.quote.clone() } else { None },
        importance: link.importance,
        who: link.who.clone(),
        kind: feedback.kind,
        status: feedback.status,
        score,
        at: present.moment(feedback.created_at),
    }
}

/// Shows a rejected change again with the submitted text and the reason; returns any other error.
async fn again(console: &ConsoleRequest, scope: &Scope, item: BacklogItem, form: Option<&Form>, error: Error) -> PageResult {
    let (code, errors, conflict) = match error {
        Error::Domain(Refusal::Invalid(errors)) => (StatusCode::UNPROCESSABLE_ENTITY, errors, None),
        Error::Domain(Refusal::Conflict(text)) => (StatusCode::CONFLICT, FieldErrors::default(), Some(text)),
        other => return Err(PageError(other)),
    };
    let typed = |name: &str, stored: &str| form.map_or_else(|| stored.to_owned(), |f| f.get(name).to_owned());
    let edit = EditItemForm {
        form_key: console.form_key(),
        version: item.version,
        title: typed("title", &item.title),
        body: typed("body", &item.body),
        errors,
        conflict,
    };
    item_page(console, scope, item, 1, code, Some(edit)).await
}

async fn edit(console: ConsoleRequest, Path((_, n)): Path<(String, String)>, form: Form) -> PageResult {
    let scope = console.scope(Role::Viewer)?;
    form.idempotency_key()?;
    let version = form.get("version").parse().unwrap_or(0);
    match backlog::edit(&console.app, &scope, number(&n)?, version, form.get("title"), form.get("body")).await {
        Ok(undo) => {
            let url = format!("/p/{}/backlog/{n}", console.project()?.slug);
            let undo = console.undo(undo, &url)?;
            Ok(console.redirect(&url, &Flash { message: "Saved.".into(), is_error: false, undo }))
        }
        Err(error) => {
            let item = load(&console, &scope, &n).await?;
            again(&console, &scope, item, Some(&form), error).await
        }
    }
}

async fn set_status(console: ConsoleRequest, Path((_, n)): Path<(String, String)>, form: Form) -> PageResult {
    let scope = console.scope(Role::Viewer)?;
    form.idempotency_key()?;
    let status = BacklogStatus::parse(form.get("status")).ok_or_else(|| Refusal::field("status", "unknown", "Choose a status."))?;
    let before = load(&console, &scope, &n).await?;
    let version = form.get("version").parse().unwrap_or(0);
    match backlog::set_status(&console.app, &scope, before.number, version, status).await {
        Ok(after) => status_done(&console, &before, &after),
        Err(error) => again(&console, &scope, before, None, error).await,
    }
}

fn status_done(console: &ConsoleRequest, before: &BacklogItem, after: &BacklogItem) -> PageResult<Response> {
    let url = format!("/p/{}/backlog/{}", console.project()?.slug, after.number);
    let fields = vec![("status".into(), before.status.as_str().into()), ("version".into(), after.version.to_string())];
    let undo = (before.status != after.status).then(|| Undo { url: format!("{url}/status"), fields });
    Ok(console.redirect(&url, &Flash { message: format!("Status: {}.", after.status.label()), is_error: false, undo }))
}
