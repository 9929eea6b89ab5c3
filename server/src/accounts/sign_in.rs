//! Signing in, without telling anybody who has an account.

use std::net::IpAddr;

use domain::{Error as Refusal, ids::StaffId};

use super::password;
use crate::{
    error::Result,
    state::{App, hash_token},
};

/// The one refusal, whatever was wrong.
fn wrong() -> Refusal {
    Refusal::field("email", "credentials", "The e-mail address or the password is not right.")
}

/// Who this is. The same work is done, and the same budget spent, whether the account exists or not.
///
/// # Errors
/// [`Refusal::Invalid`] when the pair does not fit, [`Refusal::RateLimited`] after too many attempts.
pub async fn sign_in(app: &App, email: &str, password: &str, address: IpAddr) -> Result<StaffId> {
    let email = email.trim().to_lowercase();
    let attempt = app.limits.sign_in(&hash_token(&email), address, app.now()).await?;
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
        _ => Err(wrong().into()),
    }
}
