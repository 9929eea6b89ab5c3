//! Files of tickets as they go out. Only pictures that we encoded are shown; everything else is a download of bytes without a meaning.

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use domain::{
    Error as Refusal,
    accounts::{Role, Scope},
    ids::{AttachmentId, TicketId},
    tickets::{Attachment, files::content_disposition},
};
use futures_util::stream;

use crate::{
    error::Result,
    http::{console::Console, error::PageResult},
    state::AppState,
    tickets,
};

/// `GET /p/{slug}/t/{token}/files/{id}`: a file of the conversation, for whoever has its link.
pub async fn public(State(app): State<AppState>, Path((slug, token, id)): Path<(String, String, String)>) -> PageResult {
    let project = super::pages::project(&app, &slug).await?;
    let ticket = tickets::by_token(&app, &project, &token).await?;
    Ok(answer(app, Scope::system(project.id), ticket.id, &id, false).await?)
}

/// `GET /p/{slug}/tickets/{ticket}/files/{id}`: for the team, those of notes too.
pub async fn for_staff(console: Console, Path((_, ticket, id)): Path<(String, String, String)>) -> PageResult {
    let scope = console.scope(Role::Viewer)?;
    let ticket: TicketId = ticket.parse().map_err(|_| Refusal::NotFound)?;
    Ok(answer(console.app.clone(), scope, ticket, &id, true).await?)
}

async fn answer(app: AppState, scope: Scope, ticket: TicketId, id: &str, notes: bool) -> Result<Response> {
    let id: AttachmentId = id.parse().map_err(|_| Refusal::NotFound)?;
    let file = app.store.attachment(&scope, ticket, id, notes).await?.ok_or(Refusal::NotFound)?;
    // The first piece before the head: a fault is an answer then, and no download that breaks off.
    let first = app.store.attachment_chunk(&scope, id, 0).await?.unwrap_or_default();
    let rest = stream::try_unfold(1_i64, move |n| {
        let app = app.clone();
        async move {
            let piece =
                app.store.attachment_chunk(&scope, id, n).await.map_err(|_| std::io::Error::other("a piece of a file is missing"))?;
            Ok::<_, std::io::Error>(piece.map(|bytes| (Bytes::from(bytes), n + 1)))
        }
    });
    let body = futures_util::StreamExt::chain(stream::iter([Ok(Bytes::from(first))]), rest);
    let mut response = (StatusCode::OK, Body::from_stream(body)).into_response();
    head(&mut response, &file);
    Ok(response)
}

fn head(response: &mut Response, file: &Attachment) {
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
