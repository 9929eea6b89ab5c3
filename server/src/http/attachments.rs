//! Attachments of messages: upload in forms, and download for requesters and the team.

use axum::{
    body::Body,
    extract::multipart::MultipartError,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use domain::{
    DomainError as Refusal,
    accounts::Scope,
    ids::TicketId,
    tickets::{
        TicketAttachment,
        files::{MAX_BYTES, MAX_FILES, content_disposition},
    },
};
use futures_util::{StreamExt, stream};
use service::{
    error::{Error, Result},
    state::AppState,
    tickets::files::UploadedFiles,
};

use super::{
    error::RETRY_AFTER_SECONDS,
    forms::{Form, file_name},
    limits::BodyMemory,
    upload::{MultipartField, MultipartForm},
};

/// Largest body that is read to its end: browsers show no page if they get the response before they have sent everything. Excess bytes
/// are discarded as they arrive.
pub const BODY_LIMIT: usize = 4 * MAX_BYTES;
/// Name of the form field with files.
const FILES: &str = "files";
/// Maximum bytes of all text fields of a form together.
const MAX_TEXT: usize = super::BODY_LIMIT;
/// Maximum fields of a form.
const MAX_FIELDS: usize = 100;

/// A form with files, as far as it was readable.
#[derive(Debug, Default)]
pub struct FormWithFiles {
    /// The text fields, in order.
    pub form: Form,
    /// The files, if all are acceptable; empty ones removed.
    pub files: UploadedFiles,
    /// Whether any file content arrived, kept or not.
    pub had_files: bool,
    /// Status and reason, if something was rejected.
    pub refused: Option<(StatusCode, Error)>,
}

impl FormWithFiles {
    fn refuse(&mut self, room: &BodyMemory, status: StatusCode, error: impl Into<Error>) {
        room.give_back(self.files.bytes());
        self.files.clear();
        self.refused.get_or_insert((status, error.into()));
    }

    fn break_off(&mut self, room: &BodyMemory, error: &MultipartError) {
        let status = error.status();
        let why = if status == StatusCode::PAYLOAD_TOO_LARGE {
            too_large()
        } else {
            Refusal::field(FILES, "incomplete", "The form did not arrive completely. Go back and send it again.")
        };
        self.refuse(room, status, why);
    }
}

/// Whether the files of a form are kept, or read and discarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilePolicy {
    /// Files are kept.
    Kept,
    /// The form is rejected in any case; only its texts are shown again.
    Ignored,
    /// Storage is full: the form is accepted only without files.
    NoRoom,
}

fn too_large() -> Refusal {
    Refusal::field(FILES, "too_large", format!("Files can be up to {} MB in total. Attach fewer or smaller ones.", MAX_BYTES >> 20))
}

/// The refusal of files for which there is no storage space.
#[must_use]
pub fn no_room() -> Refusal {
    Refusal::field(
        FILES,
        "files_full",
        "We can’t accept files right now because there is too little storage space. Send your message without files, and tell the operator.",
    )
}

/// Reads the form to its end, so that texts after a rejected file are not lost. Never holds more than the limits allow.
pub async fn receive(room: &BodyMemory, mut body: MultipartForm, files: FilePolicy) -> FormWithFiles {
    room.by_hand();
    let mut got = FormWithFiles::default();
    let (mut texts, mut fields) = (0, 0);
    loop {
        let part = match body.next_field().await {
            Ok(Some(part)) => part,
            Ok(None) => break,
            Err(error) => {
                got.break_off(room, &error);
                break;
            }
        };
        fields += 1;
        if fields > MAX_FIELDS {
            got.refuse(room, StatusCode::PAYLOAD_TOO_LARGE, too_large());
            break;
        }
        let name = part.name();
        if name == FILES {
            file(room, &mut got, part, files).await;
        } else {
            text(room, &mut got, &mut texts, name, part).await;
        }
    }
    if let Some(name) = got.files.first_empty() {
        let text = format!("The file “{name}” is empty. Attach a file with content, or send the form without it.");
        got.refuse(room, StatusCode::UNPROCESSABLE_ENTITY, Refusal::field(FILES, "empty", text));
    }
    got.files.drop_empty();
    if got.files.count() > MAX_FILES {
        got.refuse(room, StatusCode::UNPROCESSABLE_ENTITY, Refusal::field(FILES, "too_many", format!("Attach at most {MAX_FILES} files.")));
    }
    got
}

async fn file(room: &BodyMemory, got: &mut FormWithFiles, mut part: MultipartField<'_>, files: FilePolicy) {
    let name = file_name(part.file_name());
    got.files.begin(&name);
    loop {
        let piece = part.chunk().await;
        got.had_files |= matches!(&piece, Ok(Some(bytes)) if !bytes.is_empty());
        match piece {
            Ok(None) => break,
            // Read on, keeping nothing, so that the browser shows our page.
            Ok(Some(_)) if got.refused.is_some() || files == FilePolicy::Ignored => {}
            Ok(Some(_)) if files == FilePolicy::NoRoom => got.refuse(room, StatusCode::INSUFFICIENT_STORAGE, no_room()),
            Ok(Some(bytes)) if got.files.bytes() + bytes.len() > MAX_BYTES => got.refuse(room, StatusCode::PAYLOAD_TOO_LARGE, too_large()),
            Ok(Some(bytes)) if room.take(bytes.len()) => got.files.push(&bytes),
            Ok(Some(_)) => got.refuse(room, StatusCode::SERVICE_UNAVAILABLE, Refusal::Busy(RETRY_AFTER_SECONDS)),
            Err(error) => {
                got.break_off(room, &error);
                break;
            }
        }
    }
}

async fn text(room: &BodyMemory, got: &mut FormWithFiles, texts: &mut usize, name: String, mut part: MultipartField<'_>) {
    let mut value = Vec::new();
    loop {
        match part.chunk().await {
            Ok(None) => break,
            Ok(Some(bytes)) => {
                *texts += bytes.len();
                if *texts > MAX_TEXT {
                    let why = Refusal::field("message", "too_long", "This is larger than the form allows. Shorten it.");
                    got.refuse(room, StatusCode::PAYLOAD_TOO_LARGE, why);
                    continue;
                }
                if !room.take(bytes.len()) {
                    got.refuse(room, StatusCode::SERVICE_UNAVAILABLE, Refusal::Busy(RETRY_AFTER_SECONDS));
                    continue;
                }
                value.extend_from_slice(&bytes);
            }
            Err(error) => {
                got.break_off(room, &error);
                break;
            }
        }
    }
    let mut value = String::from_utf8_lossy(&value).replace("\r\n", "\n");
    value.retain(|c| c != '\0');
    got.form.0.push((name, value));
}

/// Streams a ticket's file; with `notes`, also files of internal notes. Only images that we encoded are displayed in the browser; anything
/// else is downloaded as untyped bytes, and no content can run.
///
/// # Errors
/// Returns an error if there is no such file.
pub async fn send(app: &AppState, scope: &Scope, ticket: TicketId, id: &str, notes: bool) -> Result<Response> {
    let id = id.parse().map_err(|_| Refusal::NotFound)?;
    let file = app.store.attachment(scope, ticket, id, notes).await?.ok_or(Refusal::NotFound)?;
    // Read the first chunk before sending the head, so that a failure becomes an error response and not a broken download.
    let first = app.store.attachment_chunk(scope, id, 0).await?.unwrap_or_default();
    let (app, scope) = (app.clone(), *scope);
    let rest = stream::try_unfold(1_i64, move |n| {
        let app = app.clone();
        async move {
            let piece =
                app.store.attachment_chunk(&scope, id, n).await.map_err(|_| std::io::Error::other("a piece of a file is missing"))?;
            Ok::<_, std::io::Error>(piece.map(|bytes| (Bytes::from(bytes), n + 1)))
        }
    });
    let body = stream::iter([Ok(Bytes::from(first))]).chain(rest);
    let mut response = (StatusCode::OK, Body::from_stream(body)).into_response();
    head(&mut response, &file);
    Ok(response)
}

fn head(response: &mut Response, file: &TicketAttachment) {
    let picture = file.is_picture();
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(header::CONTENT_TYPE, if picture { &file.media_type } else { "application/octet-stream" });
    set(header::CONTENT_LENGTH, &file.size.to_string());
    set(header::CONTENT_DISPOSITION, &content_disposition(picture, &file.name));
    set(header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox; frame-ancestors 'none'");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "no-referrer");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(HeaderName::from_static("x-robots-tag"), "noindex");
    set(header::CACHE_CONTROL, "private, no-store");
}
