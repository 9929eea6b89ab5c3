//! Changes that people make to their own accounts.

use domain::{DomainError as Refusal, FieldErrors, ids::StaffId, projects::ThemeMode};
use store::staff::StaffRow;

use super::{checked_name, password};
use crate::{error::Result, mail, state::App};

/// Changes a person's name.
///
/// # Errors
/// Returns an error if it is empty or too long.
pub async fn rename(app: &App, staff: StaffId, name: &str) -> Result<()> {
    let name = checked_name(name).map_err(Refusal::Invalid)?;
    app.store.write(move |tx| Box::pin(async move { tx.set_staff_name(staff, &name).await })).await
}

/// Changes a person's console theme.
///
/// # Errors
/// When the database fails.
pub async fn set_theme(app: &App, staff: StaffId, theme: ThemeMode) -> Result<()> {
    app.store.write(move |tx| Box::pin(async move { tx.set_staff_theme(staff, theme).await })).await
}

/// Changes a password and ends all the person's sessions except the one with the hash `keep`.
///
/// # Errors
/// Returns an error if the current password is wrong or the new one is not acceptable; [`Refusal::RateLimited`] after too many attempts.
pub async fn change_password(app: &App, staff: &StaffRow, current: &str, new: &str, keep: &str) -> Result<()> {
    // An unattended session must not allow password guessing. Counted separately from sign-ins, whose quota strangers can use up.
    let attempt = app.limits.change_password(staff.id()?, app.now()).await?;
    let known = password::password_context(app, staff).await?;
    let mut errors = FieldErrors::default();
    if current.len() > password::MAX_BYTES || !password::verify(app, current.to_owned(), Some(staff.password_hash.clone())).await? {
        errors.add("current", "wrong", "Your current password is incorrect.");
    } else {
        app.limits.give_back(attempt).await?;
    }
    if let Err(Refusal::Invalid(found)) = password::check(new, &known) {
        errors.0.extend(found.0);
    }
    errors.into_result(())?;
    let hash = password::hash(app, new.to_owned()).await?;
    let message = mail::password_changed(&app.settings, &staff.email, app.now());
    let (staff, keep, now) = (staff.id()?, keep.to_owned(), app.now());
    app.store
        .write(move |tx| {
            Box::pin(async move {
                tx.set_password(staff, &hash).await?;
                tx.delete_sessions(staff, Some(&keep)).await?;
                if let Some(message) = &message {
                    tx.queue_mail(message, now).await?;
                }
                Ok(())
            })
        })
        .await?;
    app.wake_jobs();
    Ok(())
}

/// Ends one of a person's sessions.
///
/// # Errors
/// [`Refusal::NotFound`] if it is not theirs or has ended.
pub async fn end_session(app: &App, staff: StaffId, session: &str) -> Result<()> {
    let session = session.to_owned();
    let done = app.store.write(move |tx| Box::pin(async move { tx.delete_session(staff, &session).await })).await?;
    if done { Ok(()) } else { Err(Refusal::NotFound.into()) }
}

/// Ends all of a person's sessions except the one with the hash `keep`; returns the number ended.
///
/// # Errors
/// When the database fails.
pub async fn end_other_sessions(app: &App, staff: StaffId, keep: &str) -> Result<u64> {
    let keep = keep.to_owned();
    app.store.write(move |tx| Box::pin(async move { tx.delete_sessions(staff, Some(&keep)).await })).await
}
