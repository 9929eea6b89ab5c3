//! Webhooks: notify other programs of a project's events, following <https://www.standardwebhooks.com>.

pub mod client;
pub mod deliver;
pub mod feed;
pub mod patch;
pub mod sign;

use domain::{
    DomainError as Refusal, FieldErrors, Secret, Timestamp,
    accounts::{Role, Scope},
    ids::{ActorId, EndpointId, EventId},
    text::{limit, spaced},
    webhooks::{EventKind, MAX_ENDPOINTS, MAX_NOTE},
};
use store::{Act, Fingerprint, IdempotencyScope, IdempotentWrite, webhooks::Endpoint};

use crate::{error::Result, state::App};

/// User input for an endpoint.
#[derive(Debug, Clone, Default)]
pub struct EndpointInput {
    /// The URL.
    pub url: String,
    /// The team's name for it; may be empty.
    pub note: String,
    /// The subscribed event kinds, as strings.
    pub kinds: Vec<String>,
}

/// Validated endpoint input.
struct ValidEndpoint {
    url: String,
    note: String,
    kinds: Vec<EventKind>,
}

fn check(app: &App, input: &EndpointInput) -> Result<ValidEndpoint> {
    let mut errors = FieldErrors::default();
    let url = match client::check_url(&input.url, &app.settings.webhook_allow) {
        Ok(url) => url.to_string(),
        Err(why) => {
            errors.add("url", "url", why);
            String::new()
        }
    };
    let note = spaced(&input.note);
    limit(&mut errors, "note", &note, MAX_NOTE);
    let wanted = |kind: &EventKind| kind.is_offered() && input.kinds.iter().any(|word| word == kind.as_str());
    let kinds: Vec<EventKind> = EventKind::ALL.iter().copied().filter(wanted).collect();
    if kinds.is_empty() {
        errors.add("kinds", "required", "Choose at least one event.");
    }
    Ok(errors.into_result(ValidEndpoint { url, note, kinds })?)
}

/// Creates an endpoint; it receives events from now on.
///
/// # Errors
/// Invalid values; too many endpoints; a role too low.
pub async fn create(app: &App, scope: &Scope, key: &str, input: &EndpointInput) -> Result<EndpointId> {
    scope.require(Role::Admin)?;
    let ValidEndpoint { url, note, kinds } = check(app, input)?;
    let secret = sign::new_secret(app.ids.as_ref());
    let words = kinds.iter().map(|kind| kind.as_str());
    let content = Fingerprint::of([url.as_str(), note.as_str()].into_iter().chain(words));
    let once = IdempotentWrite::form(&IdempotencyScope::Webhook(scope.project()), key, content);
    app.store
        .act_once(app.context(scope), once, move |act| {
            Box::pin(async move {
                let project = act.project();
                if act.endpoint_count(project).await? >= i64::try_from(MAX_ENDPOINTS).unwrap_or(i64::MAX) {
                    let text = format!("A project can have at most {MAX_ENDPOINTS} webhooks. Delete one first.");
                    return Err(Refusal::field("url", "too_many", text).into());
                }
                act.start_feedback_events().await?;
                act.insert_endpoint(&url, &note, &kinds, &secret).await
            })
        })
        .await
}

/// Changes an endpoint; `work` gets whether the person it acts for is still an admin.
async fn change(
    app: &App,
    scope: &Scope,
    endpoint: EndpointId,
    work: impl FnOnce(&mut Endpoint, bool) -> Result<(), Refusal> + Send + 'static,
) -> Result<()> {
    scope.require(Role::Admin)?;
    app.store
        .act(app.context(scope), move |act| {
            Box::pin(async move {
                let (scope, now) = (act.scope(), act.now());
                // Before locking the endpoint, as the publisher also acquires this first.
                act.start_feedback_events().await?;
                let mut held = act.lock_endpoint(&scope, endpoint).await?.ok_or(Refusal::NotFound)?;
                act.ensure_authorized(Role::Admin).await?;
                let backed = act.endpoint_is_backed(&held, now).await?;
                work(&mut held, backed)?;
                act.update_endpoint(&held, now).await?;
                if !held.enabled {
                    act.stop_deliveries(endpoint).await?;
                }
                Ok(())
            })
        })
        .await
}

/// Changes the URL, name and subscribed event kinds.
///
/// # Errors
/// Not found; invalid values; [`Refusal::Conflict`] if someone else has changed it since `version`; a role too low.
pub async fn edit(app: &App, scope: &Scope, endpoint: EndpointId, version: i64, input: &EndpointInput) -> Result<()> {
    scope.require(Role::Admin)?;
    let ValidEndpoint { url, note, kinds } = check(app, input)?;
    change(app, scope, endpoint, move |held, _| {
        // A change that is already in place is no conflict.
        if held.url == url && held.note == note && held.kinds == kinds {
            return Ok(());
        }
        if held.version != version {
            return Err(Refusal::Conflict("Someone else changed this webhook. Open it in a new tab to see its current state.".into()));
        }
        (held.url, held.note, held.kinds) = (url, note, kinds);
        Ok(())
    })
    .await
}

/// Turns an endpoint on or off. Turning it off stops pending deliveries, which can be sent again later. If the endpoint acted for a former
/// admin, it acts for the person who turns it on from then on, with a new secret.
///
/// # Errors
/// Not found; a role too low.
pub async fn set_enabled(app: &App, scope: &Scope, endpoint: EndpointId, on: bool) -> Result<()> {
    let (me, fresh, now) = (scope.actor_id(), sign::new_secret(app.ids.as_ref()), app.now());
    change(app, scope, endpoint, move |held, backed| {
        turn(held, on, backed, me, fresh, now);
        Ok(())
    })
    .await
}

/// Turns a locked endpoint on or off; see [`set_enabled`].
fn turn(held: &mut Endpoint, on: bool, backed: bool, me: Option<ActorId>, fresh: Secret<String>, now: Timestamp) {
    if on && !backed {
        held.answers_to = me;
        held.rotate_endpoint_secret(fresh, now);
    }
    if held.enabled != on {
        held.enabled = on;
        held.disabled_reason = None;
        (held.failures, held.failing_since) = (0, None);
    }
}

/// Makes an endpoint act for the project instead of a person, so that it keeps working after that person leaves. It gets a new secret,
/// because that person knows the old one.
///
/// # Errors
/// Not found; a role below owner.
pub async fn hand_over(app: &App, scope: &Scope, endpoint: EndpointId) -> Result<()> {
    scope.require(Role::Owner)?;
    let (fresh, now) = (sign::new_secret(app.ids.as_ref()), app.now());
    change(app, scope, endpoint, move |held, _| {
        // Idempotent: a second new secret would surprise.
        if held.answers_to.is_some() {
            held.answers_to = None;
            held.rotate_endpoint_secret(fresh, now);
        }
        Ok(())
    })
    .await
}

/// Rotates the secret; the previous one keeps signing as well for a day.
///
/// # Errors
/// Not found; a role too low.
pub async fn rotate(app: &App, scope: &Scope, key: &str, endpoint: EndpointId) -> Result<()> {
    scope.require(Role::Admin)?;
    let fresh = sign::new_secret(app.ids.as_ref());
    let once = IdempotentWrite::form(&IdempotencyScope::WebhookRotation(scope.project()), key, Fingerprint::of([endpoint.to_string()]));
    app.store
        .act_once(app.context(scope), once, move |act| {
            Box::pin(async move {
                let (scope, now) = (act.scope(), act.now());
                let mut held = act.lock_endpoint(&scope, endpoint).await?.ok_or(Refusal::NotFound)?;
                held.rotate_endpoint_secret(fresh, now);
                act.update_endpoint(&held, now).await
            })
        })
        .await
}

/// Deletes an endpoint with its delivery log.
///
/// # Errors
/// Not found; a role too low.
pub async fn delete(app: &App, scope: &Scope, endpoint: EndpointId) -> Result<()> {
    scope.require(Role::Admin)?;
    app.store
        .act(app.context(scope), move |act| {
            Box::pin(async move {
                let scope = act.scope();
                if act.delete_endpoint(&scope, endpoint).await? { Ok(()) } else { Err(Refusal::NotFound.into()) }
            })
        })
        .await
}

/// Sends a test event to an endpoint. Returns its id.
///
/// # Errors
/// Not found; [`Refusal::Conflict`] when the endpoint is off; a role too low.
pub async fn test(app: &App, scope: &Scope, key: &str, endpoint: EndpointId) -> Result<EventId> {
    scope.require(Role::Admin)?;
    let once = IdempotentWrite::form(&IdempotencyScope::WebhookTest(scope.project()), key, Fingerprint::of([endpoint.to_string()]));
    app.store
        .act_once(app.context(scope), once, move |act| {
            Box::pin(async move {
                hold_enabled(act, endpoint).await?;
                act.test_event(endpoint).await
            })
        })
        .await
}

/// Locks an endpoint before sending to it; it must be on.
async fn hold_enabled(act: &mut Act<'_, '_>, endpoint: EndpointId) -> Result<()> {
    let scope = act.scope();
    let held = act.lock_endpoint(&scope, endpoint).await?.ok_or(Refusal::NotFound)?;
    if held.enabled { Ok(()) } else { Err(Refusal::Conflict("This webhook is turned off. Turn it on first.".into()).into()) }
}

/// Retries one delivery, or all that were given up, once for each `key`: repeating it would resend deliveries that have arrived
/// meanwhile. Returns their number.
///
/// # Errors
/// Not found; [`Refusal::Conflict`] when the endpoint is off; a role too low.
pub async fn send_again(app: &App, scope: &Scope, key: &str, endpoint: EndpointId, event: Option<EventId>) -> Result<u64> {
    scope.require(Role::Admin)?;
    let content = Fingerprint::of([endpoint.to_string(), event.map(|event| event.to_string()).unwrap_or_default()]);
    let once = IdempotentWrite::form(&IdempotencyScope::WebhookRetry(scope.project()), key, content);
    if let Some(event) = event {
        app.store.delivery(scope, endpoint, event).await?.ok_or(Refusal::NotFound)?;
    }
    app.store
        .act_once(app.context(scope), once, move |act| {
            Box::pin(async move {
                hold_enabled(act, endpoint).await?;
                let (scope, now) = (act.scope(), act.now());
                act.retry_deliveries(&scope, endpoint, event, now).await
            })
        })
        .await
}
