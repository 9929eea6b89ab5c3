//! URLs without a project: they redirect to the current one.

use axum::{
    extract::{RawQuery, State},
    response::{IntoResponse, Redirect, Response},
};
use service::{accounts::setup, error::Result, state::AppState};

use super::super::{
    console::ConsoleRequest,
    error::{PageError, PageResult},
};

fn lead_on(console: &ConsoleRequest, page: &str, query: Option<&str>) -> Response {
    let Some(project) = console.current_project() else { return Redirect::to("/projects/new").into_response() };
    let query = query.map(|q| format!("?{q}")).unwrap_or_default();
    Redirect::to(&format!("/p/{}/{page}{query}", project.slug)).into_response()
}

/// `GET /`.
pub(super) async fn home(State(app): State<AppState>, console: Result<ConsoleRequest, PageError>) -> PageResult {
    match console {
        Ok(console) => Ok(lead_on(&console, "inbox", None)),
        Err(error) if matches!(error.0.refusal(), Some(domain::DomainError::SignedOut)) => {
            let to = if setup::is_empty(&app).await? { "/setup" } else { "/sign-in" };
            Ok(Redirect::to(to).into_response())
        }
        Err(error) => Err(error),
    }
}

/// `GET /inbox`.
pub(super) async fn inbox(console: ConsoleRequest, RawQuery(query): RawQuery) -> Response {
    lead_on(&console, "inbox", query.as_deref())
}

/// `GET /backlog`.
pub(super) async fn backlog(console: ConsoleRequest, RawQuery(query): RawQuery) -> Response {
    lead_on(&console, "backlog", query.as_deref())
}

/// `GET /surveys`.
pub(super) async fn surveys(console: ConsoleRequest, RawQuery(query): RawQuery) -> Response {
    lead_on(&console, "surveys", query.as_deref())
}
