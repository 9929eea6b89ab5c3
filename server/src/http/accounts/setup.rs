//! Set-up of an empty installation.

use app::{
    accounts::setup::{SetupForm, SetupLocked, SetupPage},
    shell::Flash,
};
use axum::{
    extract::{Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
};
use leptos::prelude::*;
use serde::Deserialize;
use service::{
    accounts::setup::{self, SetupInput},
    error::Error,
    state::AppState,
};
use tower_sessions::Session;

use super::{
    super::{
        address::ClientAddress,
        console::{plain_page, redirect_with},
        error::PageResult,
        forms::Form,
        security::Nonce,
    },
    begin_session,
};

#[derive(Debug, Default, Deserialize)]
pub(super) struct SetupQuery {
    #[serde(default)]
    token: String,
}

/// `GET /setup?token=…`. Does not use up the token.
pub(super) async fn show(State(app): State<AppState>, nonce: Nonce, Query(link): Query<SetupQuery>) -> PageResult {
    if !setup::is_empty(&app).await? {
        return Ok(Redirect::to("/").into_response());
    }
    if !setup::is_setup_token(&app, &link.token).await? {
        return Ok(locked(&app, &nonce));
    }
    Ok(page(&app, &nonce, StatusCode::OK, SetupForm { token: link.token, ..SetupForm::default() }))
}

fn locked(app: &AppState, nonce: &Nonce) -> Response {
    plain_page(app, nonce, StatusCode::FORBIDDEN, "Set up", || view! { <SetupLocked /> })
}

fn page(app: &AppState, nonce: &Nonce, status: StatusCode, model: SetupForm) -> Response {
    let model = SetupForm { nonce: nonce.0.clone(), ..model };
    let key = app.ids.uuid().to_string();
    plain_page(app, nonce, status, "Set up", move || view! { <SetupPage model=model idempotency_key=key /> })
}

/// `POST /setup`.
pub(super) async fn run(
    State(app): State<AppState>,
    nonce: Nonce,
    address: ClientAddress,
    session: Session,
    headers: HeaderMap,
    form: Form,
) -> PageResult {
    form.idempotency_key()?;
    if !setup::is_empty(&app).await? {
        return Ok(Redirect::to("/").into_response());
    }
    let input: SetupInput = form.read()?;
    match setup::run(&app, form.get("token"), input).await {
        Ok((owner, project)) => {
            begin_session(&app, &session, owner, &headers, address).await?;
            let message = format!("{} is ready. Create its first survey.", project.name);
            Ok(redirect_with(&app, owner, &format!("/p/{}/surveys", project.slug), &Flash { message, is_error: false, undo: None }))
        }
        Err(Error::Domain(domain::DomainError::Invalid(errors))) => {
            let field = |name| form.get(name).to_owned();
            let model = SetupForm {
                token: field("token"),
                name: field("name"),
                email: field("email"),
                project: field("project"),
                origins: field("origins"),
                time_zone: field("time_zone"),
                nonce: String::new(),
                errors,
            };
            Ok(page(&app, &nonce, StatusCode::UNPROCESSABLE_ENTITY, model))
        }
        Err(Error::Domain(domain::DomainError::NotFound)) => Ok(locked(&app, &nonce)),
        Err(error) => Err(error.into()),
    }
}
