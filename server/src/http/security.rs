//! The nonce, the Content-Security-Policy and the other security headers of every response.

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderName, HeaderValue, header, request::Parts},
    middleware::Next,
    response::Response,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use service::state::App;
use tower_http::csrf::CsrfLayer;

use crate::http::WebState;

/// The request's CSP nonce, minted by [`headers`].
#[derive(Debug, Clone)]
pub struct Nonce(pub String);

/// Put into a response's extensions by pages that may be framed: the origins that may, or any when empty.
#[derive(Debug, Clone)]
pub struct FramedBy(pub Vec<String>);

impl<S: Send + Sync> FromRequestParts<S> for Nonce {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self(String::new())))
    }
}

/// Refuses what another site makes a browser post. A request whose `Origin` is the public URL is ours, also where a proxy changes the
/// `Host` header on the way.
pub(super) fn csrf(app: &App) -> CsrfLayer {
    let Some(url) = &app.settings.public_url else { return CsrfLayer::new() };
    CsrfLayer::new().add_trusted_origin(url).unwrap_or_else(|error| {
        // The configuration was checked: an origin.
        tracing::warn!("the public URL is not an origin that browsers send: {error}");
        CsrfLayer::new()
    })
}

/// Mints the nonce and sets the headers; one place decides the policy for every page.
pub async fn headers(State(web): State<WebState>, mut request: Request, next: Next) -> Response {
    let mut bytes = [0_u8; 16];
    web.app.ids.random(&mut bytes);
    let nonce = Nonce(STANDARD.encode(bytes));
    request.extensions_mut().insert(nonce.clone());
    let mut response = next.run(request).await;
    let framed = response.extensions().get::<FramedBy>().cloned();
    let policy = policy(&nonce.0, framed.as_ref());
    let hsts = web.http.hsts.value().filter(|_| web.app.settings.is_https());
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.entry(name).or_insert(value);
        }
    };
    set(header::CONTENT_SECURITY_POLICY, &policy);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "strict-origin-when-cross-origin");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=(), usb=()");
    if framed.is_none() {
        set(header::X_FRAME_OPTIONS, "DENY");
    }
    if framed.is_some_and(|FramedBy(origins)| origins != ["'self'"]) {
        // A page that is isolated from other origins frames only what says that it may, and that it is as strict itself.
        set(HeaderName::from_static("cross-origin-resource-policy"), "cross-origin");
        set(HeaderName::from_static("cross-origin-embedder-policy"), "require-corp");
    }
    if let Some(hsts) = hsts {
        set(header::STRICT_TRANSPORT_SECURITY, hsts);
    }
    set(header::CACHE_CONTROL, "no-store");
    response
}

fn policy(nonce: &str, framed: Option<&FramedBy>) -> String {
    let ancestors = match framed {
        None => "frame-ancestors 'none'; ".to_owned(),
        // Any site, pages from a local file included, which `*` would not match.
        Some(FramedBy(origins)) if origins.is_empty() => String::new(),
        Some(FramedBy(origins)) => format!("frame-ancestors 'self' {}; ", origins.join(" ")),
    };
    format!(
        "default-src 'none'; script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self' 'nonce-{nonce}'; \
         img-src 'self' data:; font-src 'self'; connect-src 'self'; frame-src 'self'; form-action 'self'; {ancestors}base-uri 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_that_ask_may_be_framed() {
        assert!(policy("n", None).contains("frame-ancestors 'none'"));
        assert!(policy("n", Some(&FramedBy(vec!["https://a.example".into()]))).contains("frame-ancestors 'self' https://a.example;"));
        assert!(!policy("n", Some(&FramedBy(vec![]))).contains("frame-ancestors"));
    }
}
