//! Stylesheets, scripts and wasm: built into the binary, under hashed names, compressed ahead of time.

use axum::{
    Router,
    extract::Path,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::http::WebState;

/// One file as `build.rs` prepared it.
pub struct Asset {
    /// The plain name: `console.css`.
    pub name: &'static str,
    /// The name with its content's hash: `console.0a1b2c3d.css`.
    pub hashed: &'static str,
    /// The media type.
    pub mime: &'static str,
    /// The bytes.
    pub raw: &'static [u8],
    /// The bytes compressed with brotli; empty in debug builds.
    pub brotli: &'static [u8],
    /// The bytes compressed with gzip; empty in debug builds.
    pub gzip: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// Finds a file by its plain name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|a| a.name == name)
}

/// The URL of a file, including its hash, by its plain name.
#[must_use]
pub fn url(name: &str) -> String {
    find(name).map_or_else(|| format!("/assets/{name}"), |a| format!("/assets/{}", a.hashed))
}

/// `/assets/*`, and the few files with fixed public names.
pub fn routes() -> Router<WebState> {
    Router::new()
        .route("/assets/{file}", get(hashed))
        .route("/favicon.svg", get(async |headers: HeaderMap| plain("favicon.svg", &headers)))
        .route("/robots.txt", get(async |headers: HeaderMap| plain("robots.txt", &headers)))
}

async fn hashed(Path(file): Path<String>, headers: HeaderMap) -> Response {
    match ASSETS.iter().find(|a| a.hashed == file) {
        Some(asset) => serve(asset, &headers, "public, max-age=31536000, immutable"),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Serves a file under its plain name, cached for one hour.
pub fn plain(name: &str, headers: &HeaderMap) -> Response {
    match find(name) {
        Some(asset) => serve(asset, headers, "public, max-age=3600"),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn serve(asset: &'static Asset, headers: &HeaderMap, caching: &'static str) -> Response {
    let tag = format!("\"{}\"", asset.hashed);
    let mut response = if headers.get(header::IF_NONE_MATCH).is_some_and(|h| h.as_bytes() == tag.as_bytes()) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let accepts = |coding: &str| {
            headers
                .get(header::ACCEPT_ENCODING)
                .and_then(|h| h.to_str().ok())
                .is_some_and(|h| h.split(',').any(|c| c.trim().starts_with(coding)))
        };
        let (bytes, coding) = if !asset.brotli.is_empty() && accepts("br") {
            (asset.brotli, Some("br"))
        } else if !asset.gzip.is_empty() && accepts("gzip") {
            (asset.gzip, Some("gzip"))
        } else {
            (asset.raw, None)
        };
        let mut response = bytes.into_response();
        if let Some(coding) = coding {
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        }
        response
    };
    let out = response.headers_mut();
    // Public files. A survey in a sandboxed frame has an opaque origin, so even our own files are cross-origin to it.
    out.insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.mime));
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        out.insert(header::ETAG, tag);
    }
    response
}
