//! Selects which responses are compressed.
//!
//! Compressing a secret together with text that an attacker chooses reveals the secret through the response length, one character per guess
//! (BREACH, CVE-2013-3587). So compression is a layer of routes, and routes whose pages show secrets (keys, webhook and identity secrets,
//! links of invitations, password resets and tickets) do not have it. The API has it, because a foreign page cannot make a browser send an
//! API key. The idempotency key in a form is new on each page and of no use to an attacker.

use axum::{
    body::HttpBody,
    http::{HeaderMap, Response, header},
};
use tower_http::{
    CompressionLevel,
    compression::{
        CompressionLayer,
        predicate::{Predicate, SizeAbove},
    },
};

/// Size in bytes below which a response is not compressed: with its headers it fits into one packet anyway.
const SMALL: u64 = 1024;

/// The layer for routes that show no secrets.
pub(super) fn layer() -> CompressionLayer<impl Predicate> {
    CompressionLayer::new().quality(CompressionLevel::Fastest).compress_when(SizeAbove::new(SMALL).and(Text))
}

/// Matches pages and JSON. Assets are compressed at build time; files, exports and live events are sent uncompressed.
#[derive(Debug, Clone, Copy)]
struct Text;

impl Predicate for Text {
    fn should_compress<B: HttpBody>(&self, response: &Response<B>) -> bool {
        is_text(response.headers())
    }
}

fn is_text(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    matches!(essence, "text/html" | "application/json" | "application/problem+json") && !headers.contains_key(header::CONTENT_DISPOSITION)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn pages_and_json_are_text_and_downloads_are_not() {
        let headers = |content_type: &'static str, download: bool| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
            if download {
                headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
            }
            headers
        };
        for content_type in ["text/html; charset=utf-8", "application/json", "application/problem+json"] {
            assert!(is_text(&headers(content_type, false)), "{content_type}");
            assert!(!is_text(&headers(content_type, true)), "{content_type}");
        }
        for content_type in ["text/event-stream", "image/png", "application/octet-stream", "text/csv; charset=utf-8"] {
            assert!(!is_text(&headers(content_type, false)), "{content_type}");
        }
        assert!(!is_text(&HeaderMap::new()));
    }
}
