//! One item: beside the list, or as its own page.

use app::{
    inbox::{DetailView, FeedbackPage},
    shell::Nav,
};
use axum::{
    extract::{Path, Query},
    http::StatusCode,
    response::Response,
};
use domain::{
    accounts::{Role, Scope},
    ids::FeedbackId,
    triage::TriageQuery,
};
use leptos::prelude::*;

use super::{
    detail::{RejectedItemForm, view},
    names::DisplayNames,
    page::answer,
    params::InboxParams,
};
use crate::http::{console::ConsoleRequest, error::PageResult};

/// `GET /p/{slug}/feedback/{id}`.
pub async fn show(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, Query(params): Query<InboxParams>) -> PageResult {
    let scope = console.scope(Role::Viewer)?;
    let id = id.parse().map_err(|_| domain::DomainError::NotFound)?;
    let names = DisplayNames::read(&console, &scope).await?;
    let view =
        view(&console, &scope, &names, id, &TriageQuery::default(), None, &params.link_q).await?.ok_or(domain::DomainError::NotFound)?;
    Ok(page(&console, StatusCode::OK, view))
}

/// Shows the page of a form again with errors and submitted text: the list with the item, or the item's own page.
pub(super) async fn refused(
    console: &ConsoleRequest,
    scope: &Scope,
    id: FeedbackId,
    return_to: &str,
    refused: RejectedItemForm<'_>,
) -> PageResult {
    if let Some(params) = InboxParams::of_inbox(&console.project()?.slug, return_to) {
        let params = InboxParams { item: id.to_string(), ..params };
        return Ok(answer(console, params, Some(refused)).await?);
    }
    let names = DisplayNames::read(console, scope).await?;
    let mut view = view(console, scope, &names, id, &TriageQuery::default(), None, "").await?.ok_or(domain::DomainError::NotFound)?;
    let status = refused.status;
    refused.put_on(&mut view);
    Ok(page(console, status, view))
}

fn page(console: &ConsoleRequest, status: StatusCode, view: DetailView) -> Response {
    console.page_with(status, "Feedback", Nav::Inbox, move || view! { <FeedbackPage view=view /> })
}
