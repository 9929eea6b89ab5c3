//! Sign-in and sign-out.

use app::accounts::sign_in::{SignInPage, SignInView};
use axum::{
    extract::{Query, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use domain::{FieldErrors, accounts::safe_redirect_path, ids::StaffId};
use leptos::prelude::*;
use serde::Deserialize;
use service::{
    accounts::{setup, sign_in as use_case},
    error::{Error, Result},
    state::AppState,
};
use store::sessions::{ADDRESS, RENEWED_AT_KEY, STAFF, USER_AGENT_KEY};
use tower_sessions::Session;

use super::super::{
    address::ClientAddress,
    console::{ConsoleRequest, plain_page},
    cookies,
    error::{PageError, PageResult},
    forms::Form,
    respond::user_agent,
    security::Nonce,
};

/// Cookie that marks a browser that has signed in before; see [`use_case::new_device`].
const DEVICE: &str = "earshot_device";

#[derive(Debug, Default, Deserialize)]
pub(super) struct SignInQuery {
    #[serde(default)]
    next: String,
    changed: Option<String>,
}

/// `GET /sign-in`.
pub(super) async fn show(
    State(app): State<AppState>,
    nonce: Nonce,
    console: Result<ConsoleRequest, PageError>,
    Query(wanted): Query<SignInQuery>,
) -> PageResult {
    if console.is_ok() {
        return Ok(Redirect::to(safe_redirect_path(&wanted.next)).into_response());
    }
    if setup::is_empty(&app).await? {
        return Ok(Redirect::to("/setup").into_response());
    }
    Ok(page(
        &app,
        &nonce,
        StatusCode::OK,
        SignInView { next: safe_redirect_path(&wanted.next).to_owned(), changed: wanted.changed.is_some(), ..SignInView::default() },
    ))
}

fn page(app: &AppState, nonce: &Nonce, status: StatusCode, model: SignInView) -> Response {
    let key = app.ids.uuid().to_string();
    plain_page(app, nonce, status, "Sign in", move || view! { <SignInPage model=model idempotency_key=key /> })
}

/// `POST /sign-in`.
pub(super) async fn sign_in(
    State(app): State<AppState>,
    nonce: Nonce,
    address: ClientAddress,
    session: Session,
    headers: HeaderMap,
    form: Form,
) -> PageResult {
    form.idempotency_key()?;
    let known = cookies::value(&app, &headers, DEVICE);
    let (email, next) = (form.get("email"), safe_redirect_path(form.get("next")));
    let refused = match use_case::sign_in(&app, email, form.get("password"), address.bucket(), known).await {
        Ok(staff) => {
            begin_session(&app, &session, staff, &headers, address).await?;
            let mut response = Redirect::to(next).into_response();
            cookies::set(&app, &mut response, DEVICE, &use_case::new_device(&app, email)?, 31_536_000);
            return Ok(response);
        }
        Err(Error::Domain(refused)) => refused,
        Err(fault) => return Err(fault.into()),
    };
    let model = |errors| SignInView { email: email.to_owned(), next: next.to_owned(), changed: false, errors };
    match refused {
        domain::DomainError::Invalid(errors) => Ok(page(&app, &nonce, StatusCode::UNPROCESSABLE_ENTITY, model(errors))),
        domain::DomainError::RateLimited(seconds) => {
            let text = format!("Too many attempts. Try again in {}.", in_words(seconds));
            let model = model(FieldErrors::one("email", "rate_limited", text));
            let mut response = page(&app, &nonce, StatusCode::TOO_MANY_REQUESTS, model);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            Ok(response)
        }
        other => Err(other.into()),
    }
}

pub(super) fn in_words(seconds: u64) -> String {
    match seconds {
        ..90 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

/// Signs `staff` in with `session`, under a new ID and without its previous content.
///
/// # Errors
/// Returns an error if the database fails.
pub async fn begin_session(app: &AppState, session: &Session, staff: StaffId, headers: &HeaderMap, address: ClientAddress) -> Result<()> {
    let now = app.now();
    // Signing in is rare enough to delete expired sessions here.
    app.store.write(move |tx| Box::pin(async move { tx.delete_ended_sessions(now).await })).await?;
    session.clear().await;
    session.cycle_id().await?;
    session.insert(USER_AGENT_KEY, user_agent(headers).unwrap_or_default()).await?;
    session.insert(ADDRESS, address.0.to_canonical().to_string()).await?;
    session.insert(RENEWED_AT_KEY, now.0).await?;
    Ok(session.insert(STAFF, staff).await?)
}

/// `POST /sign-out`.
pub(super) async fn sign_out(session: Session, form: Form) -> PageResult {
    form.idempotency_key()?;
    session.flush().await?;
    let mut response = Redirect::to("/sign-in").into_response();
    // Cached pages and drafts belong to the person, and another person may use the browser next.
    response.headers_mut().insert(HeaderName::from_static("clear-site-data"), HeaderValue::from_static("\"cache\", \"storage\""));
    Ok(response)
}
