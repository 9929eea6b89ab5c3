//! Our cookies other than the session's: all with the same attributes, and over https with a name that no other host can set.

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use service::state::App;

/// The full name: over https, one that no other host and no unencrypted page can set (RFC 6265bis, 4.1.3.2).
fn whole_name(app: &App, name: &str) -> String {
    if app.settings.is_https() { format!("__Host-{name}") } else { name.to_owned() }
}

/// The value of a cookie in the request.
pub(super) fn value<'h>(app: &App, headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let name = whole_name(app, name);
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|h| h.to_str().ok()).flat_map(|h| h.split(';'));
    cookies.filter_map(|c| c.trim().split_once('=')).find(|(n, _)| *n == name).map(|(_, value)| value)
}

/// Sets a cookie that expires after `max_age_s` seconds; 0 deletes it. A value that is not valid in a header is left out.
pub(super) fn set(app: &App, response: &mut Response, name: &str, value: &str, max_age_s: i64) {
    let secure = if app.settings.is_https() { "; Secure" } else { "" };
    let cookie = format!("{}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{secure}", whole_name(app, name));
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}
