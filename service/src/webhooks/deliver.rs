//! Sends due deliveries. Each process has one such worker besides the job workers, so that a slow or unavailable receiver blocks
//! nothing else; failing receivers have few slots, so that they do not block the others.

use std::{collections::HashMap, sync::Arc, time::Duration};

use domain::{
    accounts::{Role, Scope},
    ids::EndpointId,
    webhooks::{DAYS_TO_DISABLE, FAILURES_TO_DISABLE, retry_delay},
    zone::UTC,
};
use store::webhooks::{AttemptResult, ClaimedDelivery, DeliveryOutcome, Endpoint};
use tokio::{sync::watch, task::JoinSet};

use super::{
    client::{SystemHostResolver, WebhookClient, WebhookHeaders, WebhookResponse},
    feed, sign,
};
use crate::{
    error::Result,
    mail::WebhookMailBuilder,
    state::{App, AppState},
};

/// Lease of a claimed delivery: longer than a request can take.
const LEASE_MS: i64 = 60_000;
/// Maximum concurrent requests to healthy receivers, …
const PLACES: usize = 16;
/// … to each of them, …
const PER_ENDPOINT: usize = 4;
/// … and to receivers whose last delivery failed, one each.
const FAILING_PLACES: usize = 8;
/// Polling interval of the database.
const LOOK: Duration = Duration::from_secs(1);
/// Grace period for running requests at shutdown. Interrupted ones are sent again later.
const FAREWELL: Duration = Duration::from_secs(3);
/// Maximum delay that a receiver may request.
const LONGEST_PAUSE_S: i64 = 24 * 3600;

/// Running requests: their endpoints, and whether these were failing.
#[derive(Default)]
struct InFlightDeliveries {
    tasks: JoinSet<(EndpointId, bool)>,
    by_endpoint: HashMap<EndpointId, usize>,
    failing: usize,
}

impl InFlightDeliveries {
    fn room_for(&self, endpoint: &Endpoint) -> usize {
        let own = self.by_endpoint.get(&endpoint.id).copied().unwrap_or_default();
        if endpoint.failures > 0 {
            FAILING_PLACES.saturating_sub(self.failing).min(1_usize.saturating_sub(own))
        } else {
            let busy = self.tasks.len() - self.failing;
            PLACES.saturating_sub(busy).min(PER_ENDPOINT.saturating_sub(own))
        }
    }

    fn ended(&mut self, endpoint: EndpointId, failing: bool) {
        if let Some(own) = self.by_endpoint.get_mut(&endpoint) {
            *own -= 1;
            if *own == 0 {
                self.by_endpoint.remove(&endpoint);
            }
        }
        self.failing -= usize::from(failing);
    }
}

/// Follows feedback changes and sends due deliveries, until `stopping`.
pub async fn run(app: AppState, mut stopping: watch::Receiver<bool>) {
    // Created on first use: most installations have no webhooks.
    let mut sender: Option<Arc<WebhookClient>> = None;
    let mut running = InFlightDeliveries::default();
    while !*stopping.borrow() {
        let more = match feed::publish_next_batch(&app).await {
            Ok(more) => more,
            Err(error) => {
                tracing::warn!(error = %error, "feedback could not be queued for webhooks");
                false
            }
        };
        if let Err(error) = start_due(&app, &mut sender, &mut running).await {
            tracing::warn!(error = %error, "webhooks cannot be sent");
        }
        let pause = if more { Duration::ZERO } else { LOOK };
        tokio::select! {
            _ = stopping.changed() => {}
            Some(ended) = running.tasks.join_next() => note(&mut running, ended),
            () = tokio::time::sleep(pause) => {}
        }
        while let Some(ended) = running.tasks.try_join_next() {
            note(&mut running, ended);
        }
    }
    drop(tokio::time::timeout(FAREWELL, async { while running.tasks.join_next().await.is_some() {} }).await);
}

fn note(running: &mut InFlightDeliveries, ended: std::result::Result<(EndpointId, bool), tokio::task::JoinError>) {
    match ended {
        Ok((endpoint, failing)) => running.ended(endpoint, failing),
        Err(panic) => {
            // The endpoint is unknown: restart counting when all tasks have ended.
            tracing::error!(error = %panic, "sending a webhook panicked");
            if running.tasks.is_empty() {
                running.by_endpoint.clear();
                running.failing = 0;
            }
        }
    }
}

async fn start_due(app: &AppState, sender: &mut Option<Arc<WebhookClient>>, running: &mut InFlightDeliveries) -> Result<()> {
    for endpoint in app.store.endpoints_due(app.now()).await? {
        let room = running.room_for(&endpoint);
        if room == 0 {
            continue;
        }
        let sender = sender.get_or_insert_with(|| Arc::new(WebhookClient::new(&app.settings.webhook_allow, Arc::new(SystemHostResolver))));
        let endpoint = Arc::new(endpoint);
        for delivery in claim(app, &endpoint, room).await? {
            let (app, sender, endpoint) = (Arc::clone(app), Arc::clone(sender), Arc::clone(&endpoint));
            let failing = endpoint.failures > 0;
            *running.by_endpoint.entry(endpoint.id).or_default() += 1;
            running.failing += usize::from(failing);
            running.tasks.spawn(async move {
                if let Err(error) = attempt(&app, &sender, &endpoint, &delivery).await {
                    // The lease expires, and it is sent again.
                    tracing::warn!(error = %error, "the result of a webhook delivery could not be recorded");
                }
                (endpoint.id, failing)
            });
        }
    }
    Ok(())
}

/// Claims due deliveries if the endpoint still acts for someone who is authorized. Otherwise turns the endpoint off.
async fn claim(app: &App, endpoint: &Endpoint, room: usize) -> Result<Vec<ClaimedDelivery>> {
    let (endpoint, now, limit, fresh) = (endpoint.clone(), app.now(), i64::try_from(room).unwrap_or(1), sign::new_secret(app.ids.as_ref()));
    app.store
        .write(move |tx| {
            Box::pin(async move {
                if tx.endpoint_is_backed(&endpoint, now).await? {
                    return tx.claim_deliveries(endpoint.id, now, now.plus_ms(LEASE_MS), limit).await;
                }
                let name = tx.actor_name(endpoint.answers_to).await?.unwrap_or_default();
                tx.disable_orphaned_endpoint(&Scope::system(endpoint.project), endpoint.id, &name, fresh, now).await?;
                Ok(Vec::new())
            })
        })
        .await
}

/// Publishes feedback events and sends all due deliveries sequentially; returns the number of attempts.
///
/// # Errors
/// When the database fails.
pub async fn deliver_due(app: &AppState, sender: &WebhookClient) -> Result<usize> {
    while feed::publish_next_batch(app).await? {}
    let mut attempts = 0;
    loop {
        let before = attempts;
        for endpoint in app.store.endpoints_due(app.now()).await? {
            for delivery in claim(app, &endpoint, PER_ENDPOINT).await? {
                attempt(app, sender, &endpoint, &delivery).await?;
                attempts += 1;
            }
        }
        if attempts == before {
            return Ok(attempts);
        }
    }
}

/// Sends one delivery and records the result.
async fn attempt(app: &App, sender: &WebhookClient, endpoint: &Endpoint, delivery: &ClaimedDelivery) -> Result<()> {
    let at = app.now();
    let signature = sign::header(endpoint, delivery.event, &delivery.body, at)?;
    let head = WebhookHeaders { id: delivery.event.to_string(), seconds: at.0.div_euclid(1000), signature };
    let answer = sender.send(&endpoint.url, &head, delivery.body.clone()).await;
    let now = app.now();
    let tried = AttemptResult { at, took_ms: now.0 - at.0, status: answer.status, error: why(&answer), excerpt: answer.excerpt.clone() };
    let after = match tried.error {
        None => DeliveryOutcome::Delivered,
        Some(_) if answer.status == Some(410) => DeliveryOutcome::Abandoned,
        Some(_) => match retry_delay(delivery.failures + 1) {
            Some(pause) => DeliveryOutcome::RetryAt(now.plus_ms(jittered(app, pause).max(asked_for(&answer)))),
            None => DeliveryOutcome::Abandoned,
        },
    };
    let (delivery, id, is_gone) = (delivery.clone(), endpoint.id, answer.status == Some(410));
    let is_long = endpoint.failing_since.is_some_and(|since| since <= now.plus_days(1 - DAYS_TO_DISABLE));
    let may_end = is_gone || tried.error.is_some() && is_long;
    let post = if may_end { post(app, endpoint).await? } else { None };
    app.store
        .write(move |tx| {
            Box::pin(async move {
                // The endpoint before the delivery: the same lock order as when an endpoint is turned off.
                let (failures, since) = tx.record_endpoint_result(id, after == DeliveryOutcome::Delivered, now).await?;
                if !tx.record_attempt(&delivery, &tried, after).await? {
                    return Ok(());
                }
                let reason = if is_gone {
                    "The receiver responded 410 Gone: it wants no more events.".to_owned()
                } else if failures >= FAILURES_TO_DISABLE && since <= now.plus_days(-DAYS_TO_DISABLE) {
                    format!("All {failures} attempts since {} failed.", UTC.readable(since))
                } else {
                    return Ok(());
                };
                if tx.disable_endpoint(id, &reason, now).await? {
                    for message in post.iter().flat_map(|post| post.messages(&reason)) {
                        tx.queue_mail(&message, now).await?;
                    }
                }
                Ok(())
            })
        })
        .await?;
    if may_end {
        app.wake_jobs();
    }
    Ok(())
}

/// Creates the builder for e-mails to the admins of an endpoint's project.
async fn post(app: &App, endpoint: &Endpoint) -> Result<Option<WebhookMailBuilder>> {
    let Some(project) = app.store.project_by_id(endpoint.project).await? else { return Ok(None) };
    let members = app.store.members(&Scope::system(project.id)).await?;
    let admins = members.into_iter().filter(|member| member.role >= Role::Admin && !member.email.is_empty());
    let host = url::Url::parse(&endpoint.url).ok().and_then(|url| url.host_str().map(ToOwned::to_owned)).unwrap_or_default();
    Ok(WebhookMailBuilder::new(&app.settings, project, (endpoint.id, host), admins.map(|member| member.email).collect()))
}

/// Returns why an attempt counts as failed; `None` for a 2xx.
fn why(answer: &WebhookResponse) -> Option<String> {
    match answer.status {
        None => Some(answer.error.clone().unwrap_or_default()),
        Some(200..=299) => None,
        Some(status @ 300..=399) => Some(format!("The receiver responded with {status}; redirects are not followed.")),
        Some(status) => Some(format!("The receiver responded with {status}.")),
    }
}

/// Delay requested by the receiver, in milliseconds.
fn asked_for(answer: &WebhookResponse) -> i64 {
    let asks = matches!(answer.status, Some(429 | 503));
    answer.retry_after.filter(|_| asks).unwrap_or_default().clamp(0, LONGEST_PAUSE_S) * 1000
}

/// Adds up to a fifth, so that many deliveries do not retry at once.
fn jittered(app: &App, pause: i64) -> i64 {
    let mut random = [0_u8; 2];
    app.ids.random(&mut random);
    pause + pause / 5 * i64::from(u16::from_le_bytes(random)) / i64::from(u16::MAX)
}
