//! `/api/v1/webhooks`: endpoints that receive events of the project. Deliveries are in [`super::deliveries`].

use axum::{extract::State, http::HeaderMap, response::Response};
use domain::{
    DomainError as Refusal, Timestamp,
    accounts::{Role, Scope},
    ids::EndpointId,
    webhooks::EventKind,
};
use serde::{Deserialize, Serialize};
use service::{
    state::{App, AppState},
    webhooks::{
        self, EndpointInput,
        patch::{EndpointUpdate, patch},
    },
};
use store::webhooks::Endpoint;
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::{
    caller::ApiCaller,
    lists::{self, PageParams},
    problem::{ApiHandlerResult, ApiRejection},
    request::{EmptyBody, PathIds, QueryParams, WriteRequest},
    write_outcome::{self, WriteOutcome, use_case_key},
};

/// What happened.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub enum WebhookEvent {
    /// Feedback arrived.
    #[serde(rename = "feedback.created")]
    FeedbackCreated,
    /// Feedback, its tags, status, assignee or links changed.
    #[serde(rename = "feedback.updated")]
    FeedbackUpdated,
    /// Someone opened a ticket.
    #[serde(rename = "ticket.created")]
    TicketCreated,
    /// The requester or the team wrote in a ticket.
    #[serde(rename = "ticket.message_added")]
    TicketMessageAdded,
    /// A ticket was closed.
    #[serde(rename = "ticket.closed")]
    TicketClosed,
    /// A closed ticket was reopened.
    #[serde(rename = "ticket.reopened")]
    TicketReopened,
    /// A backlog item was created.
    #[serde(rename = "backlog_item.created")]
    BacklogItemCreated,
    /// A backlog item's title, description or status changed.
    #[serde(rename = "backlog_item.updated")]
    BacklogItemUpdated,
    /// A backlog item was removed because creating it was undone.
    #[serde(rename = "backlog_item.deleted")]
    BacklogItemDeleted,
}

impl WebhookEvent {
    /// `None` for the test event, which has no subscribers.
    fn of(kind: EventKind) -> Option<Self> {
        Some(match kind {
            EventKind::FeedbackCreated => Self::FeedbackCreated,
            EventKind::FeedbackUpdated => Self::FeedbackUpdated,
            EventKind::TicketCreated => Self::TicketCreated,
            EventKind::TicketMessageAdded => Self::TicketMessageAdded,
            EventKind::TicketClosed => Self::TicketClosed,
            EventKind::TicketReopened => Self::TicketReopened,
            EventKind::BacklogItemCreated => Self::BacklogItemCreated,
            EventKind::BacklogItemUpdated => Self::BacklogItemUpdated,
            EventKind::BacklogItemDeleted => Self::BacklogItemDeleted,
            EventKind::Test => return None,
        })
    }
}

impl From<WebhookEvent> for EventKind {
    fn from(event: WebhookEvent) -> Self {
        match event {
            WebhookEvent::FeedbackCreated => Self::FeedbackCreated,
            WebhookEvent::FeedbackUpdated => Self::FeedbackUpdated,
            WebhookEvent::TicketCreated => Self::TicketCreated,
            WebhookEvent::TicketMessageAdded => Self::TicketMessageAdded,
            WebhookEvent::TicketClosed => Self::TicketClosed,
            WebhookEvent::TicketReopened => Self::TicketReopened,
            WebhookEvent::BacklogItemCreated => Self::BacklogItemCreated,
            WebhookEvent::BacklogItemUpdated => Self::BacklogItemUpdated,
            WebhookEvent::BacklogItemDeleted => Self::BacklogItemDeleted,
        }
    }
}

/// A URL that receives events of the project.
#[derive(Debug, Serialize, ToSchema)]
pub struct Webhook {
    id: Uuid,
    #[schema(example = "https://hooks.example.com/earshot")]
    url: String,
    /// The name that the team sees; may be empty.
    #[schema(example = "Chat")]
    name: String,
    /// The events that are sent.
    events: Vec<WebhookEvent>,
    /// Whether anything is sent.
    enabled: bool,
    /// Why Earshot turned it off, if it did.
    disabled_reason: Option<String>,
    /// How many attempts in a row failed.
    failures: i64,
    /// When the first of them was.
    #[schema(format = DateTime)]
    failing_since: Option<String>,
    /// The member or key that it acts for; null if it acts for the project. When the key expires or is revoked, or the member is no longer an
    /// admin, Earshot turns the webhook off.
    acts_for_id: Option<Uuid>,
    /// Until when events are also signed with the previous secret; null if there is none.
    #[schema(format = DateTime)]
    previous_secret_until: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    /// Increases with each change.
    version: i64,
}

/// A webhook with its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookWithSecret {
    #[serde(flatten)]
    webhook: Webhook,
    /// Signs events, as [Standard Webhooks](https://www.standardwebhooks.com) describes. Reading the webhook does not return it.
    #[schema(example = "whsec_…")]
    secret: String,
}

/// One page of webhooks, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookList {
    items: Vec<Webhook>,
    /// Cursor for the next page; null on the last page.
    next_cursor: Option<String>,
}

fn view(endpoint: &Endpoint, now: Timestamp) -> Webhook {
    Webhook {
        id: endpoint.id.0,
        url: endpoint.url.clone(),
        name: endpoint.note.clone(),
        events: endpoint.kinds.iter().filter_map(|kind| WebhookEvent::of(*kind)).collect(),
        enabled: endpoint.enabled,
        disabled_reason: endpoint.disabled_reason.clone(),
        failures: endpoint.failures,
        failing_since: endpoint.failing_since.map(Timestamp::rfc3339),
        acts_for_id: endpoint.answers_to.map(|who| who.0),
        previous_secret_until: endpoint.old_secret.as_ref().map(|(_, until)| *until).filter(|until| *until > now).map(Timestamp::rfc3339),
        created_at: endpoint.created_at.rfc3339(),
        version: endpoint.version,
    }
}

fn with_secret(endpoint: &Endpoint, now: Timestamp) -> WebhookWithSecret {
    WebhookWithSecret { webhook: view(endpoint, now), secret: endpoint.secret.0.clone() }
}

/// A webhook of the scope's project.
pub(super) async fn find(app: &App, scope: &Scope, id: Uuid) -> ApiHandlerResult<Endpoint> {
    Ok(app.store.endpoint(scope, EndpointId(id)).await?.ok_or(Refusal::NotFound)?)
}

/// A refusal of the use case with the API's field names.
fn renamed(error: impl Into<ApiRejection>) -> ApiRejection {
    error.into().at(|field| match field {
        "note" => "/name".to_owned(),
        "kinds" => "/events".to_owned(),
        field => format!("/{field}"),
    })
}

/// List webhooks
#[utoipa::path(get, path = "/api/v1/webhooks", operation_id = "list_webhooks", tag = "Webhooks", params(PageParams),
    responses((status = 200, description = "One page.", body = WebhookList)))]
pub async fn list_webhooks(
    State(app): State<AppState>,
    caller: ApiCaller,
    QueryParams(asked): QueryParams<PageParams>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    let scope = caller.scope(Role::Admin)?;
    let (endpoints, now) = (app.store.endpoints(&scope).await?, app.now());
    let end = |endpoint: &Endpoint| (endpoint.created_at, endpoint.id.0);
    lists::respond(&headers, (&asked, "/api/v1/webhooks"), endpoints, end, |endpoints, next_cursor| WebhookList {
        items: endpoints.iter().map(|endpoint| view(endpoint, now)).collect(),
        next_cursor,
    })
}

/// Read a webhook
#[utoipa::path(get, path = "/api/v1/webhooks/{webhook_id}", operation_id = "read_webhook", tag = "Webhooks",
    params(("webhook_id" = Uuid, Path, description = "The webhook.")),
    responses((status = 200, description = "The webhook.", body = Webhook)))]
pub async fn read_webhook(
    State(app): State<AppState>,
    caller: ApiCaller,
    PathIds([id]): PathIds<1>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    let scope = caller.scope(Role::Admin)?;
    write_outcome::conditional_response(&headers, &view(&find(&app, &scope, id).await?, app.now()))
}

/// A webhook to create.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// Begins with `https://`, and with `http://` only if the operator allows it.
    #[validate(length(max = super::request::chars(domain::webhooks::MAX_URL)))]
    #[schema(format = "uri", min_length = 1, max_length = 2000, example = "https://hooks.example.com/earshot")]
    url: String,
    /// The name that the team sees.
    #[serde(default)]
    #[validate(length(max = super::request::chars(domain::webhooks::MAX_NOTE)))]
    #[schema(max_length = 200, example = "Chat")]
    name: String,
    /// The events to send.
    #[schema(min_items = 1, max_items = 20, example = json!(["feedback.created"]))]
    events: Vec<WebhookEvent>,
}

/// Create a webhook
///
/// It receives what happens from now on, and acts for this key: when the key expires or is revoked, Earshot turns the webhook off, until an
/// admin turns it on again. The response contains the secret that signs events; reading the webhook does not.
#[utoipa::path(post, path = "/api/v1/webhooks", operation_id = "create_webhook", tag = "Webhooks", request_body = NewWebhook,
    responses((status = 201, description = "The new webhook, with its secret.", body = WebhookWithSecret)))]
pub async fn create_webhook(State(app): State<AppState>, sent: WriteRequest<NewWebhook>) -> ApiHandlerResult<Response> {
    let (sent, body) = sent.open();
    let (scope, key) = (sent.caller.scope(Role::Admin)?, use_case_key(&sent)?);
    write_outcome::idempotent(&app, &sent, async {
        let input = EndpointInput {
            url: body.url,
            note: body.name,
            kinds: body.events.into_iter().map(|event| EventKind::from(event).as_str().to_owned()).collect(),
        };
        let id = webhooks::create(&app, &scope, &key, &input).await.map_err(renamed)?;
        let endpoint = find(&app, &scope, id.0).await?;
        Ok(WriteOutcome::created(format!("/api/v1/webhooks/{id}"), &with_secret(&endpoint, app.now()))?)
    })
    .await
}

/// Fields to change; omitted fields keep their values.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct WebhookPatch {
    /// Begins with `https://`, and with `http://` only if the operator allows it.
    #[serde(default, deserialize_with = "super::request::set")]
    #[validate(length(max = super::request::chars(domain::webhooks::MAX_URL)))]
    #[schema(value_type = Option<String>, nullable = false, format = "uri", min_length = 1, max_length = 2000)]
    url: Option<String>,
    /// The name that the team sees.
    #[serde(default, deserialize_with = "super::request::set")]
    #[validate(length(max = super::request::chars(domain::webhooks::MAX_NOTE)))]
    #[schema(value_type = Option<String>, nullable = false, max_length = 200)]
    name: Option<String>,
    /// The events to send.
    #[serde(default, deserialize_with = "super::request::set")]
    #[schema(value_type = Option<Vec<WebhookEvent>>, nullable = false, min_items = 1, max_items = 20)]
    events: Option<Vec<WebhookEvent>>,
    /// Whether anything is sent. Turning it off gives up pending deliveries. If the member or key that it acts for is no longer an admin,
    /// turning it on makes it act for this key, with a new secret.
    #[serde(default, deserialize_with = "super::request::set")]
    #[schema(value_type = Option<bool>, nullable = false)]
    enabled: Option<bool>,
}

/// Change a webhook
///
/// Changes the URL, the name and the events, and turns it on or off. If any value is invalid, nothing is changed.
#[utoipa::path(patch, path = "/api/v1/webhooks/{webhook_id}", operation_id = "update_webhook", tag = "Webhooks", request_body = WebhookPatch,
    params(("webhook_id" = Uuid, Path, description = "The webhook.")),
    responses((status = 200, description = "The updated webhook.", body = Webhook)))]
pub async fn update_webhook(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<WebhookPatch>,
) -> ApiHandlerResult<Response> {
    let (sent, body) = sent.open();
    let scope = sent.caller.scope(Role::Admin)?;
    write_outcome::idempotent(&app, &sent, async {
        let current = find(&app, &scope, id).await?;
        write_outcome::require_if_match(&sent.headers, &view(&current, app.now()))?;
        let wanted = EndpointUpdate {
            url: body.url,
            note: body.name,
            kinds: body.events.map(|events| events.into_iter().map(EventKind::from).collect()),
            enabled: body.enabled,
        };
        patch(&app, &scope, current.id, current.version, wanted).await.map_err(|error| renamed(error).stale())?;
        Ok(WriteOutcome::changed(&view(&find(&app, &scope, id).await?, app.now()))?)
    })
    .await
}

/// Delete a webhook
///
/// Deletes it with its deliveries. Nothing more is sent.
#[utoipa::path(delete, path = "/api/v1/webhooks/{webhook_id}", operation_id = "delete_webhook", tag = "Webhooks",
    params(("webhook_id" = Uuid, Path, description = "The webhook.")),
    responses((status = 204, description = "The webhook is deleted.")))]
pub async fn delete_webhook(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<EmptyBody>,
) -> ApiHandlerResult<Response> {
    let (sent, EmptyBody {}) = sent.open();
    let scope = sent.caller.scope(Role::Admin)?;
    write_outcome::delete(&app, &sent, webhooks::delete(&app, &scope, EndpointId(id))).await
}

/// Rotate the secret of a webhook
///
/// Creates a new secret. For 24 hours, events are signed with both.
#[utoipa::path(post, path = "/api/v1/webhooks/{webhook_id}/rotate-secret", operation_id = "rotate_webhook_secret", tag = "Webhooks",
    params(("webhook_id" = Uuid, Path, description = "The webhook.")),
    responses((status = 200, description = "The webhook, with its new secret.", body = WebhookWithSecret)))]
pub async fn rotate_webhook_secret(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<EmptyBody>,
) -> ApiHandlerResult<Response> {
    let (sent, EmptyBody {}) = sent.open();
    let (scope, key) = (sent.caller.scope(Role::Admin)?, use_case_key(&sent)?);
    write_outcome::idempotent(&app, &sent, async {
        webhooks::rotate(&app, &scope, &key, EndpointId(id)).await?;
        Ok(WriteOutcome::changed(&with_secret(&find(&app, &scope, id).await?, app.now()))?)
    })
    .await
}
