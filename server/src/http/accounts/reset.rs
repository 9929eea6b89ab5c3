//! `/forgot` and `/reset/{token}`.

use app::accounts::reset::{ForgotPage, ForgotSentPage, ResetGone, ResetPage};
use axum::{
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use domain::FieldErrors;
use leptos::prelude::*;
use service::{accounts::reset, error::Error, state::AppState};

use super::{
    super::{address::ClientAddress, console::plain_page, error::PageResult, forms::Form, security::Nonce},
    session::in_words,
};

fn ask_page(app: &AppState, nonce: &Nonce, status: StatusCode, email: &str, errors: FieldErrors) -> Response {
    let (mail, email, key) = (app.settings.mail.is_some(), email.to_owned(), app.ids.uuid().to_string());
    plain_page(app, nonce, status, "Forgot your password?", move || {
        view! { <ForgotPage mail=mail email=email errors=errors idempotency_key=key /> }
    })
}

/// `GET /forgot`.
pub(super) async fn show(State(app): State<AppState>, nonce: Nonce) -> Response {
    ask_page(&app, &nonce, StatusCode::OK, "", FieldErrors::default())
}

/// `POST /forgot`.
pub(super) async fn ask(State(app): State<AppState>, nonce: Nonce, address: ClientAddress, form: Form) -> PageResult {
    let (email, key) = (form.get("email"), form.idempotency_key()?);
    match reset::ask(&app, email, address.bucket(), key).await {
        Ok(()) => Ok(Redirect::to("/forgot/sent").into_response()),
        Err(Error::Domain(domain::DomainError::Invalid(errors))) => {
            Ok(ask_page(&app, &nonce, StatusCode::UNPROCESSABLE_ENTITY, email, errors))
        }
        Err(Error::Domain(domain::DomainError::RateLimited(seconds))) => {
            let text = format!("Too many attempts. Try again in {}.", in_words(seconds));
            let errors = FieldErrors::one("email", "rate_limited", text);
            let mut response = ask_page(&app, &nonce, StatusCode::TOO_MANY_REQUESTS, email, errors);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            Ok(response)
        }
        Err(error) => Err(error.into()),
    }
}

/// `GET /forgot/sent`.
pub(super) async fn sent(State(app): State<AppState>, nonce: Nonce) -> Response {
    plain_page(&app, &nonce, StatusCode::OK, "Check your inbox", || view! { <ForgotSentPage /> })
}

fn gone(app: &AppState, nonce: &Nonce) -> Response {
    plain_page(app, nonce, StatusCode::NOT_FOUND, "Set a new password", || view! { <ResetGone /> })
}

fn page(app: &AppState, nonce: &Nonce, status: StatusCode, token: &str, email: String, errors: FieldErrors) -> Response {
    let (token, key) = (token.to_owned(), app.ids.uuid().to_string());
    let mut response = plain_page(app, nonce, status, "Set a new password", move || {
        view! { <ResetPage token=token email=email errors=errors idempotency_key=key /> }
    });
    // The URL contains the secret.
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// `GET /reset/{token}`: shows the form without using up the link.
pub(super) async fn form(State(app): State<AppState>, nonce: Nonce, Path(token): Path<String>) -> PageResult {
    match reset::find(&app, &token).await {
        Ok(staff) => Ok(page(&app, &nonce, StatusCode::OK, &token, staff.email, FieldErrors::default())),
        Err(Error::Domain(domain::DomainError::NotFound)) => Ok(gone(&app, &nonce)),
        Err(error) => Err(error.into()),
    }
}

/// `POST /reset/{token}`.
pub(super) async fn set(
    State(app): State<AppState>,
    nonce: Nonce,
    address: ClientAddress,
    Path(token): Path<String>,
    form: Form,
) -> PageResult {
    form.idempotency_key()?;
    match reset::set(&app, &token, form.get("password"), address.bucket()).await {
        Ok(_) => Ok(Redirect::to("/sign-in?changed").into_response()),
        Err(Error::Domain(domain::DomainError::Invalid(errors))) => {
            let staff = reset::find(&app, &token).await?;
            Ok(page(&app, &nonce, StatusCode::UNPROCESSABLE_ENTITY, &token, staff.email, errors))
        }
        Err(Error::Domain(domain::DomainError::NotFound)) => Ok(gone(&app, &nonce)),
        Err(error) => Err(error.into()),
    }
}
