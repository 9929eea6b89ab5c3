//! `/p/{slug}/keys`: API keys.

use app::{
    keys::{CreatedKeyView, KeyView, KeysPage, KeysView},
    shell::{Flash, Nav},
};
use axum::{
    Router,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
    routing::{get, post},
};
use domain::{
    DomainError as Refusal, FieldErrors, ZonedNow,
    accounts::{Role, authority::AuthoritySource, key::Access},
    ids::ApiKeyId,
};
use leptos::prelude::*;
use service::{
    error::{Error, Result},
    keys::{self, ApiKeyInput, DEFAULT_LIFETIME_DAYS, LIFETIME_CHOICES},
};
use store::keys::ApiKey;

use super::{address::BaseUrl, console::ConsoleRequest, error::PageResult, forms::Form};
use crate::http::WebState;

/// This capability's routes.
pub fn routes() -> Router<WebState> {
    Router::new()
        .route("/p/{slug}/keys", get(show).post(create))
        .route("/p/{slug}/keys/revoke", get(home).post(revoke))
        .route("/p/{slug}/keys/hand-over", post(hand_over))
}

/// Page state besides the stored keys.
struct KeysPageState {
    made: Option<CreatedKeyView>,
    name: String,
    access: Access,
    days: String,
    errors: FieldErrors,
}

impl Default for KeysPageState {
    fn default() -> Self {
        Self {
            made: None,
            name: String::new(),
            access: Access::Read,
            days: DEFAULT_LIFETIME_DAYS.to_string(),
            errors: FieldErrors::default(),
        }
    }
}

/// A note on the key's authority; `None` for the usual one.
fn authority(key: &ApiKey) -> Option<String> {
    let who = key.backer.as_deref().unwrap_or("the person it acts for");
    match (key.backing, key.role()) {
        (AuthoritySource::Project, _) => key.by.is_some().then(|| "Handed over to the project".to_owned()),
        (AuthoritySource::Person(..), None) => Some(format!("Stopped: {who} is no longer a member")),
        (AuthoritySource::Person(_, Some(role)), Some(now)) if now < key.access.role() => {
            Some(format!("Limited: {who} is now {}", role.label()))
        }
        (AuthoritySource::Person(..), Some(_)) if key.backer != key.by => Some(format!("Acts for {who}")),
        (AuthoritySource::Person(..), Some(_)) => None,
    }
}

fn view(key: ApiKey, present: &ZonedNow, may_hand_over: bool) -> KeyView {
    let in_time = key.is_active(present.now);
    let works = in_time && key.role().is_some();
    let end = match (key.revoked_at, key.expires_at) {
        (Some(at), _) => Some(format!("Revoked {}", present.ago(at))),
        (None, Some(end)) if in_time => Some(format!("Expires {}", present.day(end))),
        (None, Some(end)) => Some(format!("Expired {}", present.day(end))),
        (None, None) => None,
    };
    KeyView {
        authority: if in_time { authority(&key) } else { None },
        can_be_handed_over: may_hand_over && in_time && matches!(key.backing, AuthoritySource::Person(..)),
        id: key.id.to_string(),
        name: key.name,
        prefix: key.prefix,
        access: key.access,
        made: format!("{} by {}", present.ago(key.created_at), key.by.as_deref().unwrap_or("the command line")),
        used: key.used_at.map_or_else(|| "Never".to_owned(), |at| present.ago(at)),
        end,
        works,
        revocable: in_time,
    }
}

async fn page(console: &ConsoleRequest, status: StatusCode, extra: KeysPageState) -> Result<Response> {
    let scope = console.scope(Role::Viewer)?;
    let may_manage = scope.require(Role::Admin).is_ok();
    let stored = if may_manage { console.app.store.api_keys(&scope).await? } else { Vec::new() };
    let present = console.present();
    let model = KeysView {
        slug: console.project()?.slug.clone(),
        keys: stored.into_iter().map(|key| view(key, &present, scope.role() == Role::Owner)).collect(),
        may_manage,
        made: extra.made,
        name: extra.name,
        access: extra.access,
        days: extra.days,
        lifetimes: LIFETIME_CHOICES.to_vec(),
        errors: extra.errors,
    };
    let key = console.form_key();
    Ok(console.page_with(status, "API keys", Nav::Settings, move || view! { <KeysPage model=model idempotency_key=key /> }))
}

fn page_path(console: &ConsoleRequest) -> Result<String> {
    Ok(format!("/p/{}/keys", console.project()?.slug))
}

/// `GET /p/{slug}/keys`.
async fn show(console: ConsoleRequest) -> PageResult {
    Ok(page(&console, StatusCode::OK, KeysPageState::default()).await?)
}

/// Redirects a reload of the page that shows a rejected form.
async fn home(console: ConsoleRequest) -> PageResult {
    Ok(Redirect::to(&page_path(&console)?).into_response())
}

/// `POST /p/{slug}/keys`: creates a key. The response is the page with the key, which is never shown again.
async fn create(console: ConsoleRequest, BaseUrl(base): BaseUrl, form: Form) -> PageResult {
    let scope = console.scope(Role::Admin)?;
    let once = form.idempotency_key()?;
    let (name, days) = (form.get("name"), form.get("days"));
    let chosen = Access::parse(form.get("scope"));
    let lifetime = LIFETIME_CHOICES.into_iter().find(|n| n.to_string() == days);
    let made = match chosen {
        None => Err(Refusal::field("scope", "unknown", "Choose a scope for the key.").into()),
        Some(_) if lifetime.is_none() && !days.is_empty() => {
            Err(Refusal::field("days", "unknown", "Choose one of the listed times.").into())
        }
        Some(access) => keys::create(&console.app, &scope, &ApiKeyInput { name, access, days: lifetime }, once).await,
    };
    match made {
        Ok(Some(made)) => {
            let example = format!("curl {base}/api/v1/me \\\n  -H 'Authorization: Bearer {}'", made.secret);
            let made = CreatedKeyView { name: made.key.name, secret: made.secret, example };
            Ok(page(&console, StatusCode::OK, KeysPageState { made: Some(made), ..KeysPageState::default() }).await?)
        }
        Ok(None) => {
            let text = "This key was already created and was shown once. If you lost it, revoke it and create another one.";
            Ok(console.redirect(&page_path(&console)?, &Flash { message: text.into(), is_error: true, undo: None }))
        }
        Err(Error::Domain(Refusal::Invalid(errors))) => {
            let access = chosen.unwrap_or(Access::Read);
            let extra = KeysPageState { made: None, name: name.to_owned(), access, days: days.to_owned(), errors };
            Ok(page(&console, StatusCode::UNPROCESSABLE_ENTITY, extra).await?)
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /p/{slug}/keys/revoke`.
async fn revoke(console: ConsoleRequest, form: Form) -> PageResult {
    let scope = console.scope(Role::Admin)?;
    form.idempotency_key()?;
    let key: ApiKeyId = form.get("key").parse().map_err(|_| Refusal::NotFound)?;
    keys::revoke(&console.app, &scope, key).await?;
    Ok(console.redirect_with_message(&page_path(&console)?, "Key revoked. Programs that use it no longer have access."))
}

/// `POST /p/{slug}/keys/hand-over`: makes the key act for the project from now on.
async fn hand_over(console: ConsoleRequest, form: Form) -> PageResult {
    let scope = console.scope(Role::Owner)?;
    form.idempotency_key()?;
    let key: ApiKeyId = form.get("key").parse().map_err(|_| Refusal::NotFound)?;
    keys::hand_over(&console.app, &scope, key).await?;
    Ok(console.redirect_with_message(&page_path(&console)?, "Handed over. The key keeps working even if members leave the project."))
}
