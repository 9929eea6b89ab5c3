//! `/p/{slug}/webhooks`: endpoints and their deliveries.

use app::{
    shell::{Flash, Nav},
    webhooks::{
        AttemptView, DeliveryPage, DeliveryRow, DeliveryView, EndpointHealth, WebhookForm, WebhookPage, WebhookRow, WebhookView,
        WebhooksPage, WebhooksView,
    },
};
use axum::{
    Router,
    extract::{Path, Query},
    http::StatusCode,
    routing::{get, post},
};
use domain::{
    DomainError as Refusal, FieldErrors,
    accounts::{Role, Scope},
    ids::{EndpointId, EventId},
    webhooks::{DeliveryState, EventKind},
};
use leptos::prelude::*;
use serde::Deserialize;
use service::{
    error::{Error, Result},
    webhooks::{self, EndpointInput},
};
use store::webhooks::{Delivery, Endpoint};

use super::{console::ConsoleRequest, error::PageResult, forms::Form};
use crate::http::WebState;

/// Deliveries per page.
const PAGE: i64 = 50;

/// This capability's routes.
pub fn routes() -> Router<WebState> {
    Router::new()
        .route("/p/{slug}/webhooks", get(list).post(create))
        .route("/p/{slug}/webhooks/{id}", get(one).post(edit))
        .route("/p/{slug}/webhooks/{id}/test", post(test))
        .route("/p/{slug}/webhooks/{id}/enabled", post(turn))
        .route("/p/{slug}/webhooks/{id}/rotate", post(rotate))
        .route("/p/{slug}/webhooks/{id}/hand-over", post(hand_over))
        .route("/p/{slug}/webhooks/{id}/again", post(all_again))
        .route("/p/{slug}/webhooks/{id}/delete", post(delete))
        .route("/p/{slug}/webhooks/{id}/deliveries/{event}", get(delivery))
        .route("/p/{slug}/webhooks/{id}/deliveries/{event}/again", post(again))
}

fn base(console: &ConsoleRequest) -> Result<String> {
    Ok(format!("/p/{}/webhooks", console.project()?.slug))
}

fn endpoint_id(text: &str) -> Result<EndpointId> {
    text.parse().map_err(|_| Refusal::NotFound.into())
}

async fn load(console: &ConsoleRequest, scope: &Scope, text: &str) -> Result<Endpoint> {
    console.app.store.endpoint(scope, endpoint_id(text)?).await?.ok_or_else(|| Refusal::NotFound.into())
}

/// Display name of a webhook: its name, or its host.
pub(super) fn name(endpoint: &Endpoint) -> String {
    let host = || url::Url::parse(&endpoint.url).ok().and_then(|u| u.host_str().map(ToOwned::to_owned)).unwrap_or_default();
    if endpoint.note.is_empty() { host() } else { endpoint.note.clone() }
}

fn health(endpoint: &Endpoint) -> EndpointHealth {
    match (endpoint.enabled, &endpoint.disabled_reason) {
        (true, _) if endpoint.failures > 0 => EndpointHealth::Failing,
        (true, _) => EndpointHealth::Good,
        (false, Some(_)) => EndpointHealth::TurnedOff,
        (false, None) => EndpointHealth::Off,
    }
}

fn kinds(wanted: impl Fn(EventKind) -> bool) -> Vec<(&'static str, &'static str, bool)> {
    EventKind::ALL.iter().filter(|k| k.is_offered()).map(|k| (k.as_str(), k.label(), wanted(*k))).collect()
}

fn input(form: &Form) -> EndpointInput {
    EndpointInput {
        url: form.get("url").to_owned(),
        note: form.get("note").to_owned(),
        kinds: form.all("kinds").map(ToOwned::to_owned).collect(),
    }
}

fn typed(input: &EndpointInput, version: i64, errors: FieldErrors, conflict: Option<String>) -> WebhookForm {
    let wanted = |kind: EventKind| input.kinds.iter().any(|word| word == kind.as_str());
    WebhookForm { url: input.url.clone(), note: input.note.clone(), kinds: kinds(wanted), version, errors, conflict }
}

async fn list(console: ConsoleRequest) -> PageResult {
    let form = WebhookForm { kinds: kinds(|kind| kind == EventKind::FeedbackCreated), ..WebhookForm::default() };
    list_page(&console, StatusCode::OK, form).await
}

async fn list_page(console: &ConsoleRequest, code: StatusCode, form: WebhookForm) -> PageResult {
    let scope = console.scope(Role::Viewer)?;
    let may_manage = scope.require(Role::Admin).is_ok();
    let here = base(console)?;
    let mut rows = Vec::new();
    if may_manage {
        let counts = console.app.store.delivery_counts(&scope).await?;
        for endpoint in console.app.store.endpoints(&scope).await? {
            let count = |state| counts.iter().find(|(e, s, _)| *e == endpoint.id && *s == state).map_or(0, |(_, _, n)| *n);
            rows.push(WebhookRow {
                href: format!("{here}/{}", endpoint.id),
                name: name(&endpoint),
                url: endpoint.url.clone(),
                health: health(&endpoint),
                pending: count(DeliveryState::Pending),
                delivered: count(DeliveryState::Delivered),
                dead: count(DeliveryState::Dead),
            });
        }
    }
    let view = WebhooksView { slug: console.project()?.slug.clone(), may_manage, rows, form, form_key: console.form_key() };
    Ok(console.page_with(code, "Webhooks", Nav::Settings, move || view! { <WebhooksPage view=view /> }))
}

async fn create(console: ConsoleRequest, form: Form) -> PageResult {
    let scope = console.scope(Role::Admin)?;
    let input = input(&form);
    match webhooks::create(&console.app, &scope, form.idempotency_key()?, &input).await {
        Ok(id) => Ok(console.redirect_with_message(&format!("{}/{id}", base(&console)?), "Webhook created. Send it a test.")),
        Err(Error::Domain(Refusal::Invalid(errors))) => {
            list_page(&console, StatusCode::UNPROCESSABLE_ENTITY, typed(&input, 0, errors, None)).await
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Debug, Default, Deserialize)]
struct DeliveriesQuery {
    #[serde(default)]
    state: String,
    #[serde(default)]
    after: String,
}

async fn one(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, Query(shown): Query<DeliveriesQuery>) -> PageResult {
    let scope = console.scope(Role::Admin)?;
    let endpoint = load(&console, &scope, &id).await?;
    let form = WebhookForm {
        url: endpoint.url.clone(),
        note: endpoint.note.clone(),
        kinds: kinds(|kind| endpoint.kinds.contains(&kind)),
        version: endpoint.version,
        ..WebhookForm::default()
    };
    one_page(&console, &scope, &endpoint, &shown, StatusCode::OK, form).await
}

async fn one_page(
    console: &ConsoleRequest,
    scope: &Scope,
    endpoint: &Endpoint,
    shown: &DeliveriesQuery,
    code: StatusCode,
    form: WebhookForm,
) -> PageResult {
    let (store, present, url) = (&console.app.store, console.present(), format!("{}/{}", base(console)?, endpoint.id));
    let state = DeliveryState::parse(&shown.state);
    let after = shown.after.split_once('_').and_then(|(at, event)| Some((at.parse().ok()?, event.to_owned())));
    let mut rows = store.deliveries(scope, endpoint.id, state, after, PAGE + 1).await?;
    let more = rows.len() > usize::try_from(PAGE).unwrap_or(usize::MAX);
    rows.truncate(usize::try_from(PAGE).unwrap_or(usize::MAX));
    let word = state.map_or("", DeliveryState::as_str);
    let older = rows.last().filter(|_| more).map(|last| format!("{url}?state={word}&after={}_{}", last.created_at.0, last.event));
    let counts = store.delivery_counts(scope).await?;
    let count = |state: Option<DeliveryState>| {
        counts.iter().filter(|(e, s, _)| *e == endpoint.id && state.is_none_or(|state| state == *s)).map(|(_, _, n)| n).sum::<i64>()
    };
    let mut tabs = vec![("All", url.clone(), count(None), state.is_none())];
    tabs.extend(DeliveryState::ALL.iter().map(|s| (s.label(), format!("{url}?state={}", s.as_str()), count(Some(*s)), state == Some(*s))));
    let failing = || {
        let since = endpoint.failing_since.filter(|_| endpoint.enabled)?;
        let attempts =
            if endpoint.failures == 1 { "The last attempt".to_owned() } else { format!("The last {} attempts", endpoint.failures) };
        Some(format!(
            "{attempts} failed, since {}. After several days of failures, Earshot turns the webhook off.",
            present.readable(since)
        ))
    };
    let acts_for = match endpoint.answers_to {
        None => None,
        Some(who) => {
            let name = store.actor_name(who).await?.unwrap_or_default();
            let holds = store.present_role(scope.project(), who, present.now).await?.is_some_and(|role| role >= Role::Admin);
            Some((name, holds))
        }
    };
    let stopped = || {
        let (name, _) = acts_for.as_ref().filter(|(_, holds)| !holds && endpoint.enabled)?;
        Some(format!("No events are sent: {name}, for whom this webhook acts, is no longer an admin of this project."))
    };
    let turned_off = endpoint.disabled_reason.as_ref().map(|why| format!("Earshot turned this webhook off. {why}"));
    let view = WebhookView {
        slug: console.project()?.slug.clone(),
        name: name(endpoint),
        health: health(endpoint),
        trouble: turned_off.or_else(stopped).or_else(failing),
        acts_for: acts_for.as_ref().map(|(name, _)| name.clone()),
        can_be_handed_over: acts_for.is_some() && scope.role() == Role::Owner,
        secret: endpoint.secret.0.clone(),
        old_until: endpoint.old_secret.as_ref().filter(|(_, until)| *until > present.now).map(|(_, until)| present.readable(*until)),
        form,
        tabs,
        dead: count(Some(DeliveryState::Dead)),
        // A delivery that waits for hours is no reason to poll every second.
        is_moving: rows.iter().any(|d| is_due(d, console)),
        rows: rows
            .iter()
            .map(|d| DeliveryRow {
                href: format!("{url}/deliveries/{}", d.event),
                kind: d.kind.map_or_else(|| "unknown".to_owned(), |k| k.as_str().to_owned()),
                state: d.state,
                last: last(d),
                at: present.moment(d.created_at),
            })
            .collect(),
        older,
        form_key: console.form_key(),
        url,
    };
    Ok(console.page_with(code, "Webhook", Nav::Settings, move || view! { <WebhookPage view=view /> }))
}

/// Whether a delivery is due soon.
fn is_due(delivery: &Delivery, console: &ConsoleRequest) -> bool {
    delivery.state == DeliveryState::Pending && delivery.next_at <= console.app.now().plus_ms(60_000)
}

fn last(delivery: &Delivery) -> String {
    match (&delivery.last_error, delivery.last_status) {
        (Some(error), _) => error.clone(),
        (None, Some(status)) => format!("Response {status}."),
        (None, None) => "Not tried yet.".into(),
    }
}

async fn edit(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, form: Form) -> PageResult {
    let scope = console.scope(Role::Admin)?;
    form.idempotency_key()?;
    let (input, version) = (input(&form), form.get("version").parse().unwrap_or(0));
    let (code, errors, conflict) = match webhooks::edit(&console.app, &scope, endpoint_id(&id)?, version, &input).await {
        Ok(()) => return Ok(console.redirect_with_message(&format!("{}/{id}", base(&console)?), "Saved.")),
        Err(Error::Domain(Refusal::Invalid(errors))) => (StatusCode::UNPROCESSABLE_ENTITY, errors, None),
        Err(Error::Domain(Refusal::Conflict(text))) => (StatusCode::CONFLICT, FieldErrors::default(), Some(text)),
        Err(error) => return Err(error.into()),
    };
    let endpoint = load(&console, &scope, &id).await?;
    let form = typed(&input, endpoint.version, errors, conflict);
    one_page(&console, &scope, &endpoint, &DeliveriesQuery::default(), code, form).await
}

/// Redirects (303) to the webhook's page with the result or the error.
fn back(console: &ConsoleRequest, id: &str, done: Result<String>) -> PageResult {
    let url = format!("{}/{}", base(console)?, endpoint_id(id)?);
    match done {
        Ok(message) => Ok(console.redirect_with_message(&url, &message)),
        Err(Error::Domain(Refusal::Conflict(text))) => Ok(console.redirect(&url, &Flash { message: text, is_error: true, undo: None })),
        Err(error) => Err(error.into()),
    }
}

async fn test(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, form: Form) -> PageResult {
    let scope = console.scope(Role::Admin)?;
    let done = webhooks::test(&console.app, &scope, form.idempotency_key()?, endpoint_id(&id)?).await;
    back(&console, &id, done.map(|_| "Sending a test event.".into()))
}

async fn turn(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, form: Form) -> PageResult {
    let scope = console.scope(Role::Admin)?;
    form.idempotency_key()?;
    let on = form.get("on") == "yes";
    let done = webhooks::set_enabled(&console.app, &scope, endpoint_id(&id)?, on).await;
    back(&console, &id, done.map(|()| if on { "Turned on. It receives events from now on." } else { "Turned off." }.into()))
}

async fn rotate(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, form: Form) -> PageResult {
    let scope = console.scope(Role::Admin)?;
    let done = webhooks::rotate(&console.app, &scope, form.idempotency_key()?, endpoint_id(&id)?).await;
    back(&console, &id, done.map(|()| "New secret created. The old one stays valid for 24 hours.".into()))
}

async fn hand_over(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, form: Form) -> PageResult {
    let scope = console.scope(Role::Owner)?;
    form.idempotency_key()?;
    let done = webhooks::hand_over(&console.app, &scope, endpoint_id(&id)?).await;
    back(&console, &id, done.map(|()| "Handed over to the project, with a new secret. The old one stays valid for 24 hours.".into()))
}

async fn all_again(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, form: Form) -> PageResult {
    let scope = console.scope(Role::Admin)?;
    let done = webhooks::send_again(&console.app, &scope, form.idempotency_key()?, endpoint_id(&id)?, None).await;
    back(&console, &id, done.map(|n| format!("Retrying failed deliveries: {n}.")))
}

async fn delete(console: ConsoleRequest, Path((_, id)): Path<(String, String)>, form: Form) -> PageResult {
    let scope = console.scope(Role::Admin)?;
    form.idempotency_key()?;
    webhooks::delete(&console.app, &scope, endpoint_id(&id)?).await?;
    Ok(console.redirect_with_message(&base(&console)?, "Webhook deleted."))
}

fn event_id(text: &str) -> Result<EventId> {
    text.parse().map_err(|_| Refusal::NotFound.into())
}

async fn delivery(console: ConsoleRequest, Path((_, id, event)): Path<(String, String, String)>) -> PageResult {
    let scope = console.scope(Role::Admin)?;
    let endpoint = load(&console, &scope, &id).await?;
    let found = console.app.store.delivery(&scope, endpoint.id, event_id(&event)?).await?;
    let (delivery, body, attempts) = found.ok_or(Refusal::NotFound)?;
    let (present, hook) = (console.present(), format!("{}/{}", base(&console)?, endpoint.id));
    let pretty = serde_json::from_str::<serde_json::Value>(&body).and_then(|v| serde_json::to_string_pretty(&v)).unwrap_or(body);
    let next = (delivery.state == DeliveryState::Pending).then(|| {
        if delivery.next_at <= present.now.plus_ms(60_000) {
            "It will be sent in a moment.".to_owned()
        } else {
            format!("Next attempt: {}.", present.readable(delivery.next_at))
        }
    });
    let view = DeliveryView {
        url: format!("{hook}/deliveries/{}", delivery.event),
        hook: (hook, name(&endpoint)),
        kind: delivery.kind.map_or_else(|| "unknown".to_owned(), |k| k.as_str().to_owned()),
        state: delivery.state,
        next,
        id: delivery.event.to_string(),
        body: pretty,
        attempts: attempts
            .into_iter()
            .map(|t| {
                let at = domain::Timestamp(t.at);
                AttemptView {
                    n: t.n,
                    at: present.moment(at),
                    is_good: t.error.is_none(),
                    outcome: t.error.unwrap_or_else(|| format!("Response {} in {} ms.", t.status.unwrap_or_default(), t.took_ms)),
                    excerpt: t.excerpt,
                }
            })
            .collect(),
        can_send: endpoint.enabled && delivery.state != DeliveryState::Pending,
        form_key: console.form_key(),
    };
    Ok(console.page("Delivery", Nav::Settings, move || view! { <DeliveryPage view=view /> }))
}

async fn again(console: ConsoleRequest, Path((_, id, event)): Path<(String, String, String)>, form: Form) -> PageResult {
    let scope = console.scope(Role::Admin)?;
    let event = event_id(&event)?;
    let url = format!("{}/{}/deliveries/{event}", base(&console)?, endpoint_id(&id)?);
    match webhooks::send_again(&console.app, &scope, form.idempotency_key()?, endpoint_id(&id)?, Some(event)).await {
        Ok(_) => Ok(console.redirect_with_message(&url, "Retrying the delivery.")),
        Err(Error::Domain(Refusal::Conflict(text))) => Ok(console.redirect(&url, &Flash { message: text, is_error: true, undo: None })),
        Err(error) => Err(error.into()),
    }
}
