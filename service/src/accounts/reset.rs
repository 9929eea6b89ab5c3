//! Password reset: an e-mail with a link to set a new password, without revealing which addresses have accounts.

use std::net::IpAddr;

use domain::{
    DomainError as Refusal,
    email::{NO_EMAIL, is_email, lower_case},
    ids::StaffId,
};
use store::{Fingerprint, IdempotencyScope, IdempotentWrite, hash::hash_token, staff::StaffRow};

use super::password;
use crate::{error::Result, mail, state::App};

/// Queues an e-mail to this address. The account is looked up only when the e-mail is sent: the work here is the same for every address,
/// so that neither the response nor its timing reveals whether an account exists.
///
/// # Errors
/// Returns an error if the address is invalid, or there were too many requests; [`Refusal::NotFound`] while mail is off.
pub async fn ask(app: &App, email: &str, address: IpAddr, key: &str) -> Result<()> {
    let email = lower_case(email);
    if !is_email(&email) {
        return Err(Refusal::field("email", "email", NO_EMAIL).into());
    }
    let now = app.now();
    let whose = hash_token(&format!("forgot:{email}"));
    app.limits.count_password_reset(&whose, address, now).await?;
    let message = mail::password_reset(&app.settings, &email, app.now()).ok_or(Refusal::NotFound)?;
    app.store
        .write_idempotent(IdempotentWrite::form(&IdempotencyScope::PasswordReset(whose), key, Fingerprint::of([&email])), now, move |tx| {
            Box::pin(async move {
                // E-mails over the limit are dropped silently.
                tx.queue_mail(&message, now).await?;
                Ok(())
            })
        })
        .await?;
    app.wake_jobs();
    Ok(())
}

/// Returns the account whose password a link sets.
///
/// # Errors
/// [`Refusal::NotFound`] if the link is not valid (any more).
pub async fn find(app: &App, token: &str) -> Result<StaffRow> {
    let staff = app.store.password_reset(&hash_token(token), app.now()).await?.ok_or(Refusal::NotFound)?;
    app.store.staff_by_id(staff).await?.ok_or_else(|| Refusal::NotFound.into())
}

/// Sets a new password, consumes the link, and ends all sessions.
///
/// # Errors
/// Returns an error if the password is not acceptable; [`Refusal::NotFound`] if the link is not valid (any more); [`Refusal::RateLimited`]
/// after too many attempts.
pub async fn set(app: &App, token: &str, new: &str, address: IpAddr) -> Result<StaffId> {
    let (hash, now) = (hash_token(token), app.now());
    app.limits.sign_in(&hash, address, None, now).await?;
    // Check the link before hashing: requests without one must not cost work.
    let row = find(app, token).await?;
    password::check(new, &password::password_context(app, &row).await?)?;
    let password = password::hash(app, new.to_owned()).await?;
    let message = mail::password_changed(&app.settings, &row.email, app.now());
    let staff = app
        .store
        .write(move |tx| {
            Box::pin(async move {
                let staff = tx.consume_password_reset(&hash, now).await?.ok_or(Refusal::NotFound)?;
                tx.set_password(staff, &password).await?;
                tx.delete_sessions(staff, None).await?;
                if let Some(message) = &message {
                    tx.queue_mail(message, now).await?;
                }
                Ok(staff)
            })
        })
        .await?;
    app.wake_jobs();
    Ok(staff)
}
