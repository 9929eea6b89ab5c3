//! Files of tickets, sent with a message and downloaded, and links of tickets.

use axum::{extract::State, response::Response};
use base64::{
    Engine, alphabet,
    engine::{GeneralPurpose, GeneralPurposeConfig},
};
use domain::{
    DomainError as Refusal, FieldErrors,
    accounts::{Role, Scope},
    ids::TicketId,
    tickets::files::{MAX_BYTES, MAX_FILES},
};
use serde::{Deserialize, Serialize};
use service::{
    limits::budget::QuotaOwner,
    state::{App, AppState},
    tickets::{
        self,
        files::{UploadedFiles, is_room},
    },
};
use store::tickets::NewAttachment;
use utoipa::ToSchema;
use uuid::Uuid;
use validator::Validate;

use super::{
    caller::ApiCaller,
    problem::{ApiHandlerResult, ApiRejection},
    request::{PathIds, WriteRequest},
    write_outcome::{self, WriteOutcome, use_case_key},
};
use crate::http::{address::BaseUrl, attachments};

/// Largest body of a message: its files in Base64, and its text.
pub const MESSAGE_LIMIT: usize = MAX_BYTES / 3 * 4 + (1 << 20);

/// Base64 as encoders write it, whatever they leave in the bits that no byte uses.
const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));

/// A file to attach.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewAttachmentFile {
    #[validate(length(max = 255))]
    #[schema(min_length = 1, max_length = 255, example = "invoice.pdf")]
    name: String,
    /// The bytes in Base64 (RFC 4648, section 4).
    #[schema(
        min_length = 4,
        pattern = "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)$",
        example = "SGVsbG8="
    )]
    content: String,
}

/// Decodes the files of a message and prepares them for storage.
///
/// # Errors
/// 422 at the file if one is invalid, and at `/attachments` if they are too many, too large, or there is no room for them.
pub async fn prepared(app: &App, scope: &Scope, sent: Vec<NewAttachmentFile>) -> ApiHandlerResult<Vec<NewAttachment>> {
    if sent.is_empty() {
        return Ok(Vec::new());
    }
    if sent.len() > MAX_FILES {
        return Err(Refusal::field("attachments", "too_many", format!("Attach at most {MAX_FILES} files.")).into());
    }
    let (mut files, mut errors) = (UploadedFiles::default(), FieldErrors::default());
    for (at, file) in sent.into_iter().enumerate() {
        if file.name.is_empty() {
            errors.add(&format!("attachments/{at}/name"), "required", "Name the file.");
        }
        match BASE64.decode(&file.content) {
            Ok(bytes) if bytes.is_empty() => errors.add(&format!("attachments/{at}/content"), "required", "The file is empty."),
            Ok(bytes) => {
                files.begin(&file.name);
                files.push(&bytes);
            }
            Err(_) => errors.add(&format!("attachments/{at}/content"), "base64", "Send the bytes in Base64, with padding."),
        }
    }
    if files.bytes() > MAX_BYTES {
        errors.add("attachments", "too_large", format!("Files can be up to {} MB in total.", MAX_BYTES >> 20));
    }
    errors.into_result(())?;
    let at_files = |error: service::error::Error| ApiRejection::from(error).at(|_| "/attachments".to_owned());
    if !is_room(app, scope.project(), QuotaOwner::Team).await? {
        return Err(at_files(attachments::no_room().into()));
    }
    files.prepare(app, QuotaOwner::Team).await.map_err(at_files)
}

/// Download an attachment
///
/// The file as it was attached; images were re-encoded and keep their media type, other files are `application/octet-stream`. Its name, size and
/// original type are in the ticket. Files of internal notes are included.
#[utoipa::path(get, path = "/api/v1/tickets/{ticket_id}/attachments/{attachment_id}", operation_id = "download_attachment", tag = "Tickets",
    params(("ticket_id" = Uuid, Path, description = "The ticket."), ("attachment_id" = Uuid, Path, description = "The attachment.")),
    responses((status = 200, description = "The file.", content((Vec<u8> = "application/octet-stream"), (Vec<u8> = "image/png"), (Vec<u8> = "image/jpeg"), (Vec<u8> = "image/gif"), (Vec<u8> = "image/webp")))))]
pub async fn download_attachment(
    State(app): State<AppState>,
    caller: ApiCaller,
    PathIds([ticket, id]): PathIds<2>,
) -> ApiHandlerResult<Response> {
    let scope = caller.scope(Role::Viewer)?;
    Ok(attachments::send(&app, &scope, TicketId(ticket), &id.to_string(), true).await?)
}

/// How the requester gets a new link.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewTicketLink {
    /// Whether the response shows the link, for you to pass on. Otherwise the requester gets it by e-mail.
    #[serde(default)]
    show: bool,
}

/// The renewed link of a ticket.
#[derive(Debug, Serialize, ToSchema)]
pub struct TicketLink {
    ticket_id: Uuid,
    /// The link, if it was to be shown. It is a secret that nothing returns again, so it is null in the response to a retry.
    #[schema(example = "https://feedback.example.com/p/shop/t/…")]
    link: Option<String>,
}

/// Renew the link of a ticket
///
/// The requester's earlier links no longer work. Refused with 409 if the new one is to be sent by e-mail and the installation sends none.
#[utoipa::path(post, path = "/api/v1/tickets/{ticket_id}/renew-link", operation_id = "renew_ticket_link", tag = "Tickets",
    request_body = Option<NewTicketLink>,
    params(("ticket_id" = Uuid, Path, description = "The ticket.")),
    responses((status = 200, description = "The link is renewed.", body = TicketLink)))]
pub async fn renew_ticket_link(
    State(app): State<AppState>,
    BaseUrl(base): BaseUrl,
    PathIds([id]): PathIds<1>,
    sent: WriteRequest<NewTicketLink>,
) -> ApiHandlerResult<Response> {
    let (sent, body) = sent.open();
    let (scope, key, ticket) = (sent.caller.scope(Role::Triager)?, use_case_key(&sent)?, TicketId(id));
    write_outcome::idempotent(&app, &sent, async {
        let generation = tickets::renew_link(&app, &scope, ticket, &key, body.show).await?;
        let stored = TicketLink { ticket_id: id, link: None };
        let done = WriteOutcome::changed(&stored)?;
        if !body.show {
            return Ok(done);
        }
        let project = app.store.project_by_id(scope.project()).await?.ok_or(Refusal::NotFound)?;
        let link = format!("{base}/p/{}/t/{}", project.slug, tickets::link_token(&app, ticket, generation)?);
        Ok(done.shown_once(&TicketLink { link: Some(link), ..stored })?)
    })
    .await
}
