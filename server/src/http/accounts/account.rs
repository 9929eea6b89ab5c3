//! `/account`: a person's own settings and sessions.

use app::{
    accounts::account::{AccountPage, AccountView, SessionView},
    shell::Nav,
};
use axum::{
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use domain::{
    FieldErrors, Timestamp,
    accounts::{device::device_name, safe_redirect_path},
    projects::ThemeMode,
    zone::UTC,
};
use leptos::prelude::*;
use service::{
    accounts::own_account,
    error::{Error, Result},
};
use store::sessions::session_hash;

use super::super::{console::ConsoleRequest, error::PageResult, forms::Form};

fn this_session(console: &ConsoleRequest) -> String {
    console.session.id().as_ref().map(session_hash).unwrap_or_default()
}

async fn page(console: &ConsoleRequest, status: StatusCode, name: Option<&str>, errors: FieldErrors) -> Result<Response> {
    let (now, this) = (console.app.now(), this_session(console));
    let shown = |ms: i64| (Timestamp(ms).rfc3339(), UTC.ago(Timestamp(ms), now));
    let sessions = console.app.store.sessions_of(console.member.staff, now).await?;
    let sessions = sessions
        .into_iter()
        .map(|s| SessionView {
            is_this: s.id_hash == this,
            device: device_name(s.user_agent.as_deref()),
            address: s.address.unwrap_or_default(),
            created: shown(s.created_at),
            seen: shown(s.seen_at),
            id: s.id_hash,
        })
        .collect();
    let model = AccountView {
        email: console.staff.email.clone(),
        name: name.unwrap_or(&console.staff.name).to_owned(),
        theme: console.staff.theme.clone(),
        sessions,
        errors,
    };
    let key = console.form_key();
    Ok(console.page_with(status, "Account", Nav::Account, move || view! { <AccountPage model=model idempotency_key=key /> }))
}

/// `GET /account`.
pub(super) async fn show(console: ConsoleRequest) -> PageResult {
    Ok(page(&console, StatusCode::OK, None, FieldErrors::default()).await?)
}

/// Redirects a reload of the page that shows a rejected form.
pub(super) async fn home() -> Redirect {
    Redirect::to("/account")
}

/// `POST /account`: changes the name.
pub(super) async fn rename(console: ConsoleRequest, form: Form) -> PageResult {
    form.idempotency_key()?;
    match own_account::rename(&console.app, console.member.staff, form.get("name")).await {
        Ok(()) => Ok(console.redirect_with_message("/account", "Name saved.")),
        Err(Error::Domain(domain::DomainError::Invalid(errors))) => {
            Ok(page(&console, StatusCode::UNPROCESSABLE_ENTITY, Some(form.get("name")), errors).await?)
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /account/password`.
pub(super) async fn change_password(console: ConsoleRequest, form: Form) -> PageResult {
    form.idempotency_key()?;
    let this = this_session(&console);
    match own_account::change_password(&console.app, &console.staff, form.get("current"), form.get("password"), &this).await {
        Ok(()) => {
            // The current session gets a new ID too, so that nobody with the old one stays signed in.
            console.session.cycle_id().await?;
            Ok(console.redirect_with_message("/account", "Password changed. All other sessions were signed out."))
        }
        Err(Error::Domain(domain::DomainError::Invalid(errors))) => {
            Ok(page(&console, StatusCode::UNPROCESSABLE_ENTITY, None, errors).await?)
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /account/theme`: from the account page or the menu of any page; redirects back to that page.
pub(super) async fn set_theme(console: ConsoleRequest, headers: HeaderMap, form: Form) -> PageResult {
    form.idempotency_key()?;
    own_account::set_theme(&console.app, console.member.staff, ThemeMode::parse(form.get("theme"))).await?;
    let from = headers.get(header::REFERER).and_then(|h| h.to_str().ok()).and_then(|text| url::Url::parse(text).ok());
    let back =
        from.map_or_else(|| "/account".to_owned(), |url| url.query().map_or_else(|| url.path().into(), |q| format!("{}?{q}", url.path())));
    Ok(Redirect::to(safe_redirect_path(&back)).into_response())
}

/// `POST /account/sessions/end`.
pub(super) async fn end_session(console: ConsoleRequest, form: Form) -> PageResult {
    form.idempotency_key()?;
    let session = form.get("session");
    if session == this_session(&console) {
        console.session.flush().await?;
        return Ok(Redirect::to("/sign-in").into_response());
    }
    own_account::end_session(&console.app, console.member.staff, session).await?;
    Ok(console.redirect_with_message("/account", "Session signed out."))
}

/// `POST /account/sessions/end-others`.
pub(super) async fn end_other_sessions(console: ConsoleRequest, form: Form) -> PageResult {
    form.idempotency_key()?;
    let n = own_account::end_other_sessions(&console.app, console.member.staff, &this_session(&console)).await?;
    let message = if n == 1 { "1 session signed out.".to_owned() } else { format!("{n} sessions signed out.") };
    Ok(console.redirect_with_message("/account", &message))
}
