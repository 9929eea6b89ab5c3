//! Pages of the portal, including error pages.

use app::{
    portal::texts,
    render,
    respond::{DisplayMode, NoticePage, RespondentPageContext, texts as respond},
};
use axum::{
    extract::{Query, Request},
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{Html, IntoResponse, Response},
};
use domain::projects::{DEFAULT_ACCENT, ThemeMode};
use leptos::prelude::*;

use super::visit::PortalQuery;
use crate::http::{assets, refusal::with_page, security::Nonce};

/// Response extension of the portal's own pages, whatever their status.
#[derive(Clone, Copy)]
struct PortalPageMarker;

pub(super) fn page<V: IntoView + 'static>(status: StatusCode, view: impl FnOnce() -> V) -> Response {
    (axum::Extension(PortalPageMarker), (status, Html(render::document(view)))).into_response()
}

/// Keeps a conversation private: no referrer, no search engine index, no cache.
pub(super) fn secret(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(HeaderName::from_static("x-robots-tag"), HeaderValue::from_static("noindex, nofollow"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    response
}

/// Replaces any failure without a portal page by one in the reader's language: the console's error pages are of no use to people without
/// an account.
pub async fn render_failures(nonce: Nonce, request: Request, next: Next) -> Response {
    let asked = Query::<PortalQuery>::try_from_uri(request.uri()).map(|Query(asked)| asked).unwrap_or_default();
    let accept = request.headers().get(header::ACCEPT_LANGUAGE).cloned();
    let is_post = *request.method() == Method::POST;
    let is_secret = request.uri().path().split('/').nth(3) == Some("t");
    let mut response = next.run(request).await;
    let status = response.status();
    if (status.is_client_error() || status.is_server_error()) && response.extensions().get::<PortalPageMarker>().is_none() {
        let texts = respond::pick_for_reader(asked.lang.as_deref(), accept.as_ref().and_then(|h| h.to_str().ok()), "");
        let words = texts::of(texts.code);
        let look = RespondentPageContext {
            mode: DisplayMode::Hosted,
            accent: DEFAULT_ACCENT.into(),
            theme: ThemeMode::Auto,
            language: texts.code.into(),
            texts,
            nonce: nonce.0,
            css: assets::url("portal.css"),
            js: String::new(),
        };
        let (title, text) = match status {
            StatusCode::NOT_FOUND => (words.missing_title, words.missing),
            StatusCode::FORBIDDEN => (texts.busy_title, words.foreign),
            StatusCode::PAYLOAD_TOO_LARGE => (words.too_large_title, words.too_large),
            _ if is_post => (texts.busy_title, words.busy),
            _ => (texts.busy_title, texts.fault),
        };
        let html = render::document(move || view! { <NoticePage look=look title=title text=text /> });
        response = with_page(response, html);
    }
    if is_secret { secret(response) } else { response }
}
