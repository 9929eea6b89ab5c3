//! `/invite/{token}`.

use app::{
    accounts::invitation::{InvitationAcceptView, InvitationGone, InvitationPage},
    shell::Flash,
};
use axum::{
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use domain::FieldErrors;
use leptos::prelude::*;
use service::{
    accounts::invitations,
    error::{Error, Result},
    state::AppState,
};
use store::{hash::hash_token, invitations::Invitation};
use tower_sessions::Session;

use super::{
    super::{
        address::ClientAddress,
        console::{ConsoleRequest, plain_page, redirect_with},
        error::{PageError, PageResult},
        forms::Form,
        security::Nonce,
    },
    begin_session,
};

fn gone(app: &AppState, nonce: &Nonce) -> Response {
    plain_page(app, nonce, StatusCode::NOT_FOUND, "Invitation", || view! { <InvitationGone /> })
}

struct InvitationForm<'f> {
    name: &'f str,
    email: Option<&'f str>,
    errors: FieldErrors,
}

fn page(
    app: &AppState,
    nonce: &Nonce,
    status: StatusCode,
    token: &str,
    invitation: &Invitation,
    who: Option<&ConsoleRequest>,
    typed: InvitationForm<'_>,
) -> Response {
    let model = InvitationAcceptView {
        token: token.to_owned(),
        project: invitation.project_name.clone(),
        by: invitation.by_name.clone(),
        role: invitation.role,
        signed_in: who.map(|c| format!("{} ({})", c.staff.name, c.staff.email)),
        name: typed.name.to_owned(),
        email: invitation.email.clone().or_else(|| typed.email.map(ToOwned::to_owned)).unwrap_or_default(),
        bound: invitation.email.is_some(),
        errors: typed.errors,
    };
    let key = app.ids.uuid().to_string();
    let mut response = plain_page(app, nonce, status, "Invitation", move || view! { <InvitationPage model=model idempotency_key=key /> });
    // The URL contains the secret.
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// `GET /invite/{token}`: shows the invitation without redeeming it.
pub(super) async fn show(
    State(app): State<AppState>,
    nonce: Nonce,
    console: Result<ConsoleRequest, PageError>,
    Path(token): Path<String>,
) -> PageResult {
    match invitations::find(&app, &token).await {
        Ok(invitation) => {
            let typed = InvitationForm { name: "", email: None, errors: FieldErrors::default() };
            Ok(page(&app, &nonce, StatusCode::OK, &token, &invitation, console.as_ref().ok(), typed))
        }
        Err(Error::Domain(domain::DomainError::NotFound)) => Ok(gone(&app, &nonce)),
        Err(error) => Err(error.into()),
    }
}

/// `POST /invite/{token}`.
#[expect(clippy::too_many_arguments, reason = "each is an extractor")]
pub(super) async fn accept(
    State(app): State<AppState>,
    nonce: Nonce,
    console: Result<ConsoleRequest, PageError>,
    address: ClientAddress,
    session: Session,
    headers: HeaderMap,
    Path(token): Path<String>,
    form: Form,
) -> PageResult {
    form.idempotency_key()?;
    let joined = match &console {
        Ok(console) => invitations::join(&app, &token, console.member.staff).await.map(|invitation| (console.member.staff, invitation)),
        Err(_) => {
            // Rate limited: a link's holder could otherwise probe quickly which addresses have an account.
            app.limits.sign_in(&hash_token(&token), address.bucket(), None, app.now()).await?;
            let new = invitations::join_as_new(&app, &token, form.get("name"), form.get("email"), form.get("password")).await;
            match new {
                Ok((staff, invitation)) => {
                    begin_session(&app, &session, staff, &headers, address).await?;
                    Ok((staff, invitation))
                }
                Err(error) => Err(error),
            }
        }
    };
    match joined {
        Ok((staff, invitation)) => {
            let project = app.store.project_by_id(invitation.project).await?.ok_or(domain::DomainError::NotFound)?;
            let message = format!("Welcome to {}.", project.name);
            Ok(redirect_with(&app, staff, &format!("/p/{}/inbox", project.slug), &Flash { message, is_error: false, undo: None }))
        }
        Err(Error::Domain(domain::DomainError::Invalid(errors))) => {
            let invitation = invitations::find(&app, &token).await?;
            let typed = InvitationForm { name: form.get("name"), email: Some(form.get("email")), errors };
            Ok(page(&app, &nonce, StatusCode::UNPROCESSABLE_ENTITY, &token, &invitation, console.as_ref().ok(), typed))
        }
        Err(Error::Domain(domain::DomainError::NotFound)) => Ok(gone(&app, &nonce)),
        Err(error) => Err(error.into()),
    }
}
