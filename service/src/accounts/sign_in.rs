//! Signing in, without revealing who has an account.

use std::net::IpAddr;

use domain::{DomainError as Refusal, ids::StaffId};
use store::hash::hash_token;

use super::password;
use crate::{error::Result, state::App};

/// What device cookies are signed for.
const DEVICE: &str = "device";

/// The one refusal, whatever was wrong.
fn setting_error() -> Refusal {
    Refusal::field("email", "credentials", "The e-mail address or password is incorrect.")
}

/// What a browser keeps after someone signed in with it (a "device cookie", OWASP: Slow Down Online Guessing Attacks with Device
/// Cookies): a random part, and the proof that it was given to this account. It opens nothing. It gives this browser attempts of its
/// own, which nobody else can use up.
///
/// # Errors
/// Never in practice.
pub fn new_device(app: &App, email: &str) -> Result<String> {
    let (nonce, account) = (app.token(), hash_token(&email.trim().to_lowercase()));
    Ok(format!("{nonce}.{}", app.sign(DEVICE, &format!("{account} {nonce}"))?))
}

/// The random part of a device cookie that was given to this account.
fn known_device<'d>(app: &App, account: &str, device: &'d str) -> Option<&'d str> {
    let (nonce, proof) = device.split_once('.')?;
    app.verify(DEVICE, &format!("{account} {nonce}"), proof).ok()?.then_some(nonce)
}

/// Who this is. The same work is done, and the same budget spent, whether the account exists or not. `device` is what [`new_device`] gave
/// to this browser when someone signed in with it before.
///
/// # Errors
/// [`Refusal::Invalid`] when the pair does not fit, [`Refusal::RateLimited`] after too many attempts.
pub async fn sign_in(app: &App, email: &str, password: &str, address: IpAddr, device: Option<&str>) -> Result<StaffId> {
    let email = email.trim().to_lowercase();
    let account = hash_token(&email);
    let device = device.and_then(|device| known_device(app, &account, device));
    let attempt = app.limits.sign_in(&account, address, device, app.now()).await?;
    let row = app.store.staff_by_email(&email).await?;
    let fits_in = password.len() <= password::MAX_BYTES;
    let stored = row.as_ref().filter(|_| fits_in).map(|r| r.password_hash.clone());
    let password = if fits_in { password.to_owned() } else { String::new() };
    let right = password::verify(password, stored).await?;
    match row {
        Some(row) if right => {
            app.limits.give_back(attempt).await?;
            row.id()
        }
        _ => Err(setting_error().into()),
    }
}
