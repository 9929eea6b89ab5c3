//! Signing in, without revealing who has an account.

use std::net::IpAddr;

use domain::{DomainError as Refusal, email::lower_case, ids::StaffId};
use store::hash::hash_token;

use super::password;
use crate::{error::Result, state::App};

/// Signing purpose of device cookies.
const DEVICE: &str = "device";

/// The same error for every cause.
fn wrong_credentials() -> Refusal {
    Refusal::field("email", "credentials", "The e-mail address or password is incorrect.")
}

/// Creates the device cookie stored by a browser after a sign-in (OWASP: Slow Down Online Guessing Attacks with Device
/// Cookies): a random part, and a signature that binds it to this account. It grants no access, only a separate
/// attempt quota for this browser that nobody else can use up.
///
/// # Errors
/// Never in practice.
pub fn new_device(app: &App, email: &str) -> Result<String> {
    let (nonce, account) = (app.token(), hash_token(&lower_case(email)));
    Ok(format!("{nonce}.{}", app.sign(DEVICE, &format!("{account} {nonce}"))?))
}

/// Returns the random part of a device cookie issued to this account.
fn known_device<'d>(app: &App, account: &str, device: &'d str) -> Option<&'d str> {
    let (nonce, proof) = device.split_once('.')?;
    app.verify(DEVICE, &format!("{account} {nonce}"), proof).ok()?.then_some(nonce)
}

/// Authenticates a person. Does the same work and spends the same budget whether or not the account exists. `device` is the cookie from
/// [`new_device`], set at an earlier sign-in with this browser.
///
/// # Errors
/// [`Refusal::Invalid`] if the credentials are wrong, [`Refusal::RateLimited`] after too many attempts.
pub async fn sign_in(app: &App, email: &str, password: &str, address: IpAddr, device: Option<&str>) -> Result<StaffId> {
    let email = lower_case(email);
    let account = hash_token(&email);
    let device = device.and_then(|device| known_device(app, &account, device));
    let attempt = app.limits.sign_in(&account, address, device, app.now()).await?;
    let row = app.store.staff_by_email(&email).await?;
    let fits_in = password.len() <= password::MAX_BYTES;
    let stored = row.as_ref().filter(|_| fits_in).map(|r| r.password_hash.clone());
    let password = if fits_in { password.to_owned() } else { String::new() };
    let right = password::verify(app, password, stored).await?;
    match row {
        Some(row) if right => {
            app.limits.give_back(attempt).await?;
            row.id()
        }
        _ => Err(wrong_credentials().into()),
    }
}
