//! `/p/{slug}/identity`: secrets for signed identity.

use app::{
    identity::{IdentityPage, IdentityView, SecretView},
    shell::{Flash, Nav},
};
use axum::{
    Router,
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use domain::{DomainError as Refusal, accounts::Role, identity::UnsignedClaimPolicy, ids::IdentitySecretId};
use leptos::prelude::*;
use service::{
    error::Result,
    identity::{self, MAX_VALID},
};

use super::{console::ConsoleRequest, error::PageResult, forms::Form};
use crate::http::WebState;

/// This capability's routes.
pub fn routes() -> Router<WebState> {
    Router::new()
        .route("/p/{slug}/identity", get(show).post(create))
        .route("/p/{slug}/identity/retire", post(retire))
        .route("/p/{slug}/identity/unsigned", post(unsigned))
}

async fn page(console: &ConsoleRequest, made: Option<String>) -> Result<Response> {
    let scope = console.scope(Role::Viewer)?;
    let may_manage = scope.require(Role::Admin).is_ok();
    let stored = if may_manage { console.app.store.identity_secrets(&scope).await? } else { Vec::new() };
    let present = console.present();
    let valid = stored.iter().filter(|secret| secret.retired_at.is_none()).count();
    let project = console.project()?;
    let model = IdentityView {
        slug: project.slug.clone(),
        has_room: i64::try_from(valid).is_ok_and(|n| n < MAX_VALID),
        secrets: stored
            .into_iter()
            .map(|secret| SecretView {
                id: secret.id.to_string(),
                ending: secret.ending,
                made: format!("{} by {}", present.ago(secret.created_at), secret.by.as_deref().unwrap_or("the command line")),
                retired: secret.retired_at.map(|at| format!("Retired {}", present.ago(at))),
            })
            .collect(),
        may_manage,
        made,
        unsigned: project.unsigned_identity,
    };
    let key = console.form_key();
    Ok(console.page_with(StatusCode::OK, "Identity", Nav::Settings, move || view! { <IdentityPage model=model idempotency_key=key /> }))
}

fn page_path(console: &ConsoleRequest) -> Result<String> {
    Ok(format!("/p/{}/identity", console.project()?.slug))
}

/// `GET /p/{slug}/identity`.
async fn show(console: ConsoleRequest) -> PageResult {
    Ok(page(&console, None).await?)
}

/// `POST /p/{slug}/identity`: creates a secret. The response is the page with the secret, which is never shown again.
async fn create(console: ConsoleRequest, form: Form) -> PageResult {
    let scope = console.scope(Role::Admin)?;
    match identity::create(&console.app, &scope, form.idempotency_key()?).await? {
        Some((_, secret)) => Ok(page(&console, Some(secret)).await?),
        None => {
            let message = "This secret was already created and was shown once. If you lost it, retire it and create another one.".into();
            Ok(console.redirect(&page_path(&console)?, &Flash { message, is_error: true, undo: None }))
        }
    }
}

/// `POST /p/{slug}/identity/retire`.
async fn retire(console: ConsoleRequest, form: Form) -> PageResult {
    let scope = console.scope(Role::Admin)?;
    form.idempotency_key()?;
    let secret: IdentitySecretId = form.get("secret").parse().map_err(|_| Refusal::NotFound)?;
    identity::retire(&console.app, &scope, secret).await?;
    Ok(console.redirect_with_message(&page_path(&console)?, "Secret retired. Claims signed with it now count as unverified."))
}

/// `POST /p/{slug}/identity/unsigned`.
async fn unsigned(console: ConsoleRequest, form: Form) -> PageResult {
    let scope = console.scope(Role::Admin)?;
    form.idempotency_key()?;
    let to = UnsignedClaimPolicy::parse(form.get("unsigned"))
        .ok_or_else(|| Refusal::field("unsigned", "unknown", "Choose how to handle unsigned claims."))?;
    identity::set_unsigned(&console.app, &scope, to).await?;
    Ok(console.redirect_with_message(&page_path(&console)?, "Saved."))
}
