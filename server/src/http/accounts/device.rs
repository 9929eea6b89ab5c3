//! The cookie of a browser that signed in before; see [`crate::accounts::sign_in::new_device`].

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};

use crate::{
    accounts::sign_in::new_device,
    error::{Error, Result},
    state::App,
};

fn name(app: &App) -> &'static str {
    if app.config.secure_cookies { "__Host-earshot_device" } else { "earshot_device" }
}

/// What the browser sent.
pub(super) fn sent(app: &App, headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|h| h.to_str().ok()).flat_map(|h| h.split(';'));
    cookies.filter_map(|c| c.trim().split_once('=')).find(|(n, _)| *n == name(app)).map(|(_, value)| value.to_owned())
}

/// Makes the browser remember that somebody signed in to the account of this address.
pub(super) fn remember(app: &App, email: &str, response: &mut Response) -> Result<()> {
    let secure = if app.config.secure_cookies { "; Secure" } else { "" };
    let cookie = format!("{}={}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax{secure}", name(app), new_device(app, email)?);
    let value = HeaderValue::from_str(&cookie).map_err(|e| Error::internal("device cookie", e))?;
    response.headers_mut().append(header::SET_COOKIE, value);
    Ok(())
}
