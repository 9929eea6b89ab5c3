//! `/api/v1/webhooks/{webhook_id}/deliveries`: deliveries to a webhook and their outcomes.

use axum::{extract::State, http::HeaderMap, response::Response};
use domain::{
    DomainError as Refusal, Timestamp,
    accounts::{Role, Scope},
    ids::{EndpointId, EventId},
    webhooks,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use service::state::{App, AppState};
use store::webhooks::{Delivery as Stored, DeliveryAttempt as StoredAttempt};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::{
    caller::ApiCaller,
    page,
    problem::ApiHandlerResult,
    request::{self, EmptyBody, PathIds, QueryParams, WriteRequest},
    webhooks::find,
    write_outcome::{self, WriteOutcome, use_case_key},
};

/// How far a delivery has come.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Due, or waiting for the next attempt.
    Pending,
    /// The receiver confirmed it.
    Delivered,
    /// Failed permanently, until someone retries it.
    Failed,
}

impl From<webhooks::DeliveryState> for DeliveryState {
    fn from(state: webhooks::DeliveryState) -> Self {
        match state {
            webhooks::DeliveryState::Pending => Self::Pending,
            webhooks::DeliveryState::Delivered => Self::Delivered,
            webhooks::DeliveryState::Dead => Self::Failed,
        }
    }
}

impl DeliveryState {
    fn stored(self) -> webhooks::DeliveryState {
        match self {
            Self::Pending => webhooks::DeliveryState::Pending,
            Self::Delivered => webhooks::DeliveryState::Delivered,
            Self::Failed => webhooks::DeliveryState::Dead,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// An event on its way to a webhook.
#[derive(Debug, Serialize, ToSchema)]
pub struct Delivery {
    /// The event; the receiver gets it as `webhook-id`.
    event_id: Uuid,
    /// What happened: an event of the webhook, or `webhook.test`.
    #[schema(example = "feedback.created")]
    event: String,
    state: DeliveryState,
    /// Number of attempts so far.
    attempt_count: i64,
    /// When the next attempt is due, if there is one.
    #[schema(format = DateTime)]
    next_attempt_at: Option<String>,
    #[schema(format = DateTime)]
    last_attempt_at: Option<String>,
    /// HTTP status of the last response.
    last_status: Option<i64>,
    /// Why the last attempt failed.
    last_error: Option<String>,
    /// When it happened.
    #[schema(format = DateTime)]
    created_at: String,
}

/// A delivery with what was sent, and each attempt.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryDetail {
    #[serde(flatten)]
    delivery: Delivery,
    /// The body of the request.
    #[schema(value_type = Object)]
    payload: Map<String, Value>,
    /// The last 50 attempts, newest first.
    attempts: Vec<DeliveryAttempt>,
}

/// An attempt to deliver an event.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryAttempt {
    /// Starts at 1.
    number: i64,
    #[schema(format = DateTime)]
    at: String,
    duration_ms: i64,
    /// HTTP status of the response.
    status: Option<i64>,
    /// Why it failed; null if it succeeded.
    error: Option<String>,
    /// The beginning of the response’s body.
    response_excerpt: String,
}

/// One page of deliveries, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryList {
    items: Vec<Delivery>,
    /// Cursor for the next page; null on the last page.
    next_cursor: Option<String>,
}

impl From<Stored> for Delivery {
    fn from(delivery: Stored) -> Self {
        let is_pending = delivery.state == webhooks::DeliveryState::Pending;
        Self {
            event_id: delivery.event.0,
            event: delivery.kind.map_or("unknown", webhooks::EventKind::as_str).to_owned(),
            state: delivery.state.into(),
            attempt_count: delivery.attempts,
            next_attempt_at: is_pending.then(|| delivery.next_at.rfc3339()),
            last_attempt_at: delivery.last_at.map(Timestamp::rfc3339),
            last_status: delivery.last_status,
            last_error: delivery.last_error,
            created_at: delivery.created_at.rfc3339(),
        }
    }
}

impl From<StoredAttempt> for DeliveryAttempt {
    fn from(attempt: StoredAttempt) -> Self {
        Self {
            number: attempt.n,
            at: Timestamp(attempt.at).rfc3339(),
            duration_ms: attempt.took_ms,
            status: attempt.status,
            error: attempt.error,
            response_excerpt: attempt.excerpt,
        }
    }
}

async fn detail(app: &App, scope: &Scope, webhook: Uuid, event: EventId) -> ApiHandlerResult<DeliveryDetail> {
    let endpoint = find(app, scope, webhook).await?;
    let (delivery, body, attempts) = app.store.delivery(scope, endpoint.id, event).await?.ok_or(Refusal::NotFound)?;
    Ok(DeliveryDetail {
        delivery: delivery.into(),
        payload: serde_json::from_str(&body).unwrap_or_default(),
        attempts: attempts.into_iter().map(DeliveryAttempt::from).collect(),
    })
}

/// Query parameters of the list.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListDeliveriesParams {
    /// Only deliveries in this state.
    #[param(inline)]
    state: Option<DeliveryState>,
    /// Number of deliveries per page.
    #[serde(default = "request::page", deserialize_with = "request::limit")]
    #[param(minimum = 1, maximum = 100, default = 25)]
    limit: usize,
    /// `next_cursor` from the previous page.
    #[param(max_length = 200)]
    cursor: Option<String>,
}

/// List the deliveries of a webhook
///
/// What was sent to it in the last 30 days.
#[utoipa::path(get, path = "/api/v1/webhooks/{webhook_id}/deliveries", operation_id = "list_deliveries", tag = "Webhooks",
    params(("webhook_id" = Uuid, Path, description = "The webhook."), ListDeliveriesParams),
    responses((status = 200, description = "One page.", body = DeliveryList)))]
pub async fn list_deliveries(
    State(app): State<AppState>,
    caller: ApiCaller,
    PathIds([id]): PathIds<1>,
    QueryParams(asked): QueryParams<ListDeliveriesParams>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    let scope = caller.scope(Role::Admin)?;
    let endpoint = find(&app, &scope, id).await?;
    let after = page::place(asked.cursor.as_deref())?;
    let state = asked.state.map(DeliveryState::stored);
    let mut rows = app.store.deliveries(&scope, endpoint.id, state, after, page::fetch_limit(asked.limit)).await?;
    let next_cursor = page::split_page(&mut rows, asked.limit, |row| (row.created_at, row.event.0));
    let questions = [("state", asked.state.map(|state| state.word().to_owned())), ("limit", Some(asked.limit.to_string()))];
    let next = page::next(&format!("/api/v1/webhooks/{id}/deliveries"), next_cursor.as_deref(), &questions);
    write_outcome::page(&headers, &DeliveryList { items: rows.into_iter().map(Delivery::from).collect(), next_cursor }, next)
}

/// Read a delivery with its attempts
#[utoipa::path(get, path = "/api/v1/webhooks/{webhook_id}/deliveries/{event_id}", operation_id = "read_delivery", tag = "Webhooks",
    params(("webhook_id" = Uuid, Path, description = "The webhook."), ("event_id" = Uuid, Path, description = "The event.")),
    responses((status = 200, description = "The delivery.", body = DeliveryDetail)))]
pub async fn read_delivery(
    State(app): State<AppState>,
    caller: ApiCaller,
    PathIds([webhook, event]): PathIds<2>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    write_outcome::conditional_response(&headers, &detail(&app, &caller.scope(Role::Admin)?, webhook, EventId(event)).await?)
}

/// Retry a delivery
///
/// Sends the event again, whether it failed or arrived. Refused with 409 while the webhook is off.
#[utoipa::path(post, path = "/api/v1/webhooks/{webhook_id}/deliveries/{event_id}/retry", operation_id = "retry_delivery", tag = "Webhooks",
    params(("webhook_id" = Uuid, Path, description = "The webhook."), ("event_id" = Uuid, Path, description = "The event.")),
    responses((status = 200, description = "The delivery, queued for retry.", body = DeliveryDetail)))]
pub async fn retry_delivery(
    State(app): State<AppState>,
    PathIds([webhook, event]): PathIds<2>,
    sent: WriteRequest<EmptyBody>,
) -> ApiHandlerResult<Response> {
    let (sent, EmptyBody {}) = sent.open();
    let (scope, key) = (sent.caller.scope(Role::Admin)?, use_case_key(&sent)?);
    let event = EventId(event);
    write_outcome::idempotent(&app, &sent, async {
        detail(&app, &scope, webhook, event).await?;
        service::webhooks::send_again(&app, &scope, &key, EndpointId(webhook), Some(event)).await?;
        Ok(WriteOutcome::changed(&detail(&app, &scope, webhook, event).await?)?)
    })
    .await
}

/// How many deliveries are sent again.
#[derive(Debug, Serialize, ToSchema)]
pub struct RetriedDeliveries {
    #[schema(minimum = 0)]
    deliveries: u64,
}

/// Retry all failed deliveries of a webhook
///
/// Refused with 409 while the webhook is off.
#[utoipa::path(post, path = "/api/v1/webhooks/{webhook_id}/retry", operation_id = "retry_deliveries", tag = "Webhooks",
    params(("webhook_id" = Uuid, Path, description = "The webhook.")),
    responses((status = 200, description = "The number of deliveries queued for retry.", body = RetriedDeliveries)))]
pub async fn retry_deliveries(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<EmptyBody>,
) -> ApiHandlerResult<Response> {
    let (sent, EmptyBody {}) = sent.open();
    let (scope, key) = (sent.caller.scope(Role::Admin)?, use_case_key(&sent)?);
    write_outcome::idempotent(&app, &sent, async {
        let deliveries = service::webhooks::send_again(&app, &scope, &key, EndpointId(id), None).await?;
        Ok(WriteOutcome::changed(&RetriedDeliveries { deliveries })?)
    })
    .await
}

/// Send a test event to a webhook
///
/// Sends `webhook.test`, whatever the webhook subscribes to. Refused with 409 while the webhook is off.
#[utoipa::path(post, path = "/api/v1/webhooks/{webhook_id}/test", operation_id = "test_webhook", tag = "Webhooks",
    params(("webhook_id" = Uuid, Path, description = "The webhook.")),
    responses((status = 201, description = "The delivery.", body = DeliveryDetail)))]
pub async fn test_webhook(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<EmptyBody>,
) -> ApiHandlerResult<Response> {
    let (sent, EmptyBody {}) = sent.open();
    let (scope, key) = (sent.caller.scope(Role::Admin)?, use_case_key(&sent)?);
    write_outcome::idempotent(&app, &sent, async {
        let event = service::webhooks::test(&app, &scope, &key, EndpointId(id)).await?;
        let location = format!("/api/v1/webhooks/{id}/deliveries/{event}");
        Ok(WriteOutcome::created(location, &detail(&app, &scope, id, event).await?)?)
    })
    .await
}
