//! `/api/v1/tickets`: support conversations.

use axum::{extract::State, http::HeaderMap, response::Response};
use domain::{
    DomainError as Refusal,
    accounts::{Role, Scope},
    ids::{StaffId, TicketId},
    tickets::{self as rules, NewTicket},
};
use schemas::{Message, Priority, Ticket, TicketState};
use serde::{Deserialize, Serialize};
use service::{
    error::Error,
    state::{App, AppState},
    tickets::{
        self, StaffReply, TicketContext, TicketSubmission,
        patch::{TicketUpdate, patch},
    },
};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use validator::Validate;

use super::{
    caller::ApiCaller,
    page,
    problem::{ApiHandlerResult, ApiRejection},
    request::{self, PathIds, QueryParams, WriteRequest},
    ticket_files::{NewAttachmentFile, prepared},
    write_outcome::{self, WriteOutcome, use_case_key},
};

/// A ticket with its messages.
#[derive(Debug, Serialize, ToSchema)]
pub struct TicketDetail {
    #[serde(flatten)]
    ticket: Ticket,
    /// The assignee.
    assignee_id: Option<Uuid>,
    /// Oldest first, including the team's internal notes.
    messages: Vec<Message>,
    /// Increases with each change.
    version: i64,
}

/// One page of tickets, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct TicketList {
    items: Vec<Ticket>,
    /// Cursor for the next page; null on the last page.
    next_cursor: Option<String>,
}

async fn detail(app: &App, scope: &Scope, id: TicketId) -> ApiHandlerResult<TicketDetail> {
    let ticket = app.store.ticket(scope, id).await?.ok_or(Refusal::NotFound)?;
    let feedback = app.store.feedback_by_ids(scope, &[ticket.feedback]).await?.pop().ok_or(Refusal::NotFound)?;
    let messages = app.store.ticket_messages(scope, ticket.id, true).await?;
    Ok(TicketDetail {
        ticket: ticket.into(),
        assignee_id: feedback.assignee.map(|staff| staff.0),
        messages: messages.into_iter().map(Message::from).collect(),
        version: feedback.version,
    })
}

/// Query parameters of the list.
#[derive(Debug, Deserialize, IntoParams, Validate)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListTicketsParams {
    /// Only tickets in this state.
    state: Option<TicketState>,
    /// Number of tickets per page.
    #[serde(default = "request::page", deserialize_with = "request::limit")]
    #[param(minimum = 1, maximum = 100, default = 25)]
    limit: usize,
    /// `next_cursor` from the previous page.
    #[param(max_length = 200)]
    cursor: Option<String>,
}

/// List tickets
///
/// Newest first. To search ticket texts, use `GET /api/v1/feedback?q=kind:ticket …`.
#[utoipa::path(get, path = "/api/v1/tickets", operation_id = "list_tickets", tag = "Tickets", params(ListTicketsParams),
    responses((status = 200, description = "One page.", body = TicketList)))]
pub async fn list_tickets(
    State(app): State<AppState>,
    caller: ApiCaller,
    QueryParams(asked): QueryParams<ListTicketsParams>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    let scope = caller.scope(Role::Viewer)?;
    let after = page::place(asked.cursor.as_deref())?;
    let state = asked.state.map(rules::TicketState::from);
    let mut tickets = app.store.tickets_page(&scope, state, after, page::fetch_limit(asked.limit)).await?;
    let next_cursor = page::split_page(&mut tickets, asked.limit, |ticket| (ticket.created_at, ticket.id.0));
    let questions = [("state", state.map(|s| s.as_str().to_owned())), ("limit", Some(asked.limit.to_string()))];
    let next = page::next("/api/v1/tickets", next_cursor.as_deref(), &questions);
    write_outcome::page(&headers, &TicketList { items: tickets.into_iter().map(Ticket::from).collect(), next_cursor }, next)
}

/// Read a ticket with its messages
#[utoipa::path(get, path = "/api/v1/tickets/{ticket_id}", operation_id = "read_ticket", tag = "Tickets",
    params(("ticket_id" = Uuid, Path, description = "The ticket.")),
    responses((status = 200, description = "The ticket.", body = TicketDetail)))]
pub async fn read_ticket(
    State(app): State<AppState>,
    caller: ApiCaller,
    PathIds([id]): PathIds<1>,
    headers: HeaderMap,
) -> ApiHandlerResult {
    write_outcome::conditional_response(&headers, &detail(&app, &caller.scope(Role::Viewer)?, TicketId(id)).await?)
}

/// A ticket to open for a requester.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTicket)]
pub struct TicketInput {
    #[validate(length(max = super::request::chars(domain::tickets::MAX_SUBJECT)))]
    #[schema(min_length = 1, max_length = 200, example = "Refund for order 81")]
    subject: String,
    #[validate(length(max = super::request::chars(domain::tickets::MAX_MESSAGE)))]
    #[schema(min_length = 1, max_length = 10000, example = "I was charged twice.")]
    message: String,
    /// The requester's e-mail address.
    #[validate(length(max = super::request::chars(domain::email::MAX_EMAIL)))]
    #[schema(format = "email", max_length = 254, example = "ann@example.com")]
    email: String,
    #[serde(default)]
    #[validate(length(max = super::request::chars(domain::tickets::MAX_NAME)))]
    #[schema(max_length = 100, example = "Ann Archer")]
    name: String,
}

/// Open a ticket
///
/// Opens a ticket for a requester who asked elsewhere. They get the same e-mails as if they had used the portal. The portal's spam rules do
/// not apply because API keys are trusted.
#[utoipa::path(post, path = "/api/v1/tickets", operation_id = "create_ticket", tag = "Tickets", request_body = TicketInput,
    responses((status = 201, description = "The new ticket.", body = TicketDetail)))]
pub async fn create_ticket(State(app): State<AppState>, sent: WriteRequest<TicketInput>) -> ApiHandlerResult<Response> {
    let (sent, body) = sent.open();
    let (scope, key) = (sent.caller.scope(Role::Triager)?, use_case_key(&sent)?);
    write_outcome::idempotent(&app, &sent, async {
        let project = app.store.project_by_id(scope.project()).await?.ok_or(Refusal::NotFound)?;
        let TicketInput { subject, message, email, name } = body;
        let submission = TicketSubmission {
            ticket: NewTicket { subject, message, email, name },
            context: TicketContext { language: project.language.clone(), ..TicketContext::default() },
            ..TicketSubmission::default()
        };
        let made = tickets::submit(&app, &project, &key, submission).await?;
        Ok(WriteOutcome::created(format!("/api/v1/tickets/{}", made.ticket), &detail(&app, &scope, made.ticket).await?)?)
    })
    .await
}

/// A message from the team.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// A reply to the requester.
    Reply,
    /// An internal note; the requester never sees it.
    Note,
}

/// A message to add.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewMessage {
    kind: MessageKind,
    /// The text; it can be empty if there are attachments.
    #[validate(length(max = super::request::chars(domain::tickets::MAX_MESSAGE)))]
    #[schema(max_length = 10000, example = "We have refunded it.")]
    body: String,
    /// Files of up to 10 MB in total.
    #[serde(default, deserialize_with = "super::request::first::<_, _, { domain::tickets::files::MAX_FILES + 1 }>")]
    #[validate(nested)]
    #[schema(max_items = 10)]
    attachments: Vec<NewAttachmentFile>,
    /// Whether to close the ticket with this message. A note closes it without notifying the requester.
    #[serde(default)]
    close: bool,
}

/// Reply to a ticket or add a note
///
/// The response has the whole ticket, with the IDs of its attachments for downloads. The body can be up to 14 MB.
#[utoipa::path(post, path = "/api/v1/tickets/{ticket_id}/messages", operation_id = "create_ticket_message", tag = "Tickets",
    request_body = NewMessage,
    params(("ticket_id" = Uuid, Path, description = "The ticket.")),
    responses((status = 201, description = "The updated ticket.", body = TicketDetail)))]
pub async fn create_ticket_message(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<NewMessage>,
) -> ApiHandlerResult<Response> {
    let (sent, body) = sent.open();
    let (scope, key, id) = (sent.caller.scope(Role::Triager)?, use_case_key(&sent)?, TicketId(id));
    write_outcome::idempotent(&app, &sent, async {
        // Before any file is processed.
        app.store.ticket(&scope, id).await?.ok_or(Refusal::NotFound)?;
        let files = prepared(&app, &scope, body.attachments).await?;
        match body.kind {
            MessageKind::Reply => {
                let reply = StaffReply { body: body.body, close: body.close, files, ..StaffReply::default() };
                tickets::staff_reply(&app, &scope, id, &key, reply).await.map_err(at_body)?;
            }
            MessageKind::Note => {
                tickets::add_note(&app, &scope, id, &key, &body.body, files).await.map_err(at_body)?;
                if body.close {
                    tickets::close(&app, &scope, id).await?;
                }
            }
        }
        Ok(WriteOutcome::created(format!("/api/v1/tickets/{id}"), &detail(&app, &scope, id).await?)?)
    })
    .await
}

/// A refusal of a message with the API's field name.
fn at_body(error: Error) -> ApiRejection {
    ApiRejection::from(error).at(|field| if field == "message" { "/body".to_owned() } else { format!("/{field}") })
}

/// A state that can be set. `answered` is set by a reply.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SettableState {
    /// The team has to reply.
    Open,
    /// Done.
    Closed,
}

/// Fields to change; omitted fields keep their values.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct TicketPatch {
    #[serde(default, deserialize_with = "super::request::set")]
    #[schema(value_type = Option<Priority>, nullable = false)]
    priority: Option<Priority>,
    #[serde(default, deserialize_with = "super::request::set")]
    #[schema(value_type = Option<SettableState>, nullable = false)]
    state: Option<SettableState>,
    /// A member of the project; null to unassign.
    #[serde(default, deserialize_with = "super::request::set_or_null")]
    #[schema(value_type = Option<Uuid>)]
    assignee_id: Option<Option<Uuid>>,
}

/// Change a ticket
///
/// Changes priority, state and assignee. If any value is invalid, nothing is changed. A ticket that waits for its requester is open too.
#[utoipa::path(patch, path = "/api/v1/tickets/{ticket_id}", operation_id = "update_ticket", tag = "Tickets", request_body = TicketPatch,
    params(("ticket_id" = Uuid, Path, description = "The ticket.")),
    responses((status = 200, description = "The updated ticket.", body = TicketDetail)))]
pub async fn update_ticket(
    State(app): State<AppState>,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<TicketPatch>,
) -> ApiHandlerResult<Response> {
    let (sent, body) = sent.open();
    let (scope, id) = (sent.caller.scope(Role::Triager)?, TicketId(id));
    write_outcome::idempotent(&app, &sent, async {
        let current = detail(&app, &scope, id).await?;
        write_outcome::require_if_match(&sent.headers, &current)?;
        let wanted = TicketUpdate {
            priority: body.priority.map(Into::into),
            closed: body.state.map(|state| matches!(state, SettableState::Closed)),
            assignee: body.assignee_id.map(|staff| staff.map(StaffId)),
        };
        patch(&app, &scope, id, current.version, wanted).await.map_err(|error: Error| ApiRejection::from(error).stale())?;
        Ok(WriteOutcome::changed(&detail(&app, &scope, id).await?)?)
    })
    .await
}
