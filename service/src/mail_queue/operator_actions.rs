//! Operator actions on failed or waiting e-mails. The caller must have checked that the actor is an operator.

use domain::{
    DomainError as Refusal,
    ids::{JobId, MailId},
    jobs::Job,
};

use crate::{error::Result, state::App};

/// Sends a failed or waiting e-mail now.
///
/// # Errors
/// [`Refusal::NotFound`] if there is no such e-mail, [`Refusal::Conflict`] if it is obsolete.
pub async fn retry(app: &App, id: MailId) -> Result<()> {
    let now = app.now();
    app.store
        .write(move |tx| {
            Box::pin(async move {
                let message = tx.lock_mail_message(id).await?.ok_or(Refusal::NotFound)?;
                if message.not_after.is_some_and(|until| until <= now.0) {
                    return Err(Refusal::Conflict(
                        "The link in this e-mail has expired. Discard the e-mail; the person can request another one.".into(),
                    )
                    .into());
                }
                match message.state.as_str() {
                    "dead" => {
                        tx.retry_dead_mail(id, now).await?;
                        tx.requeue(JobId(id.0), &Job::Mail { message: id }, now).await
                    }
                    "queued" => tx.make_job_due(JobId(id.0), now).await,
                    _ => Err(Refusal::Conflict("This e-mail has already been sent or discarded.".into()).into()),
                }
            })
        })
        .await?;
    app.wake_jobs();
    Ok(())
}

/// Discards a failed or waiting e-mail. [`restore`] undoes this.
///
/// # Errors
/// [`Refusal::Conflict`] if it was sent meanwhile.
pub async fn discard(app: &App, id: MailId) -> Result<()> {
    let now = app.now();
    let done = app.store.write(move |tx| Box::pin(async move { tx.discard_mail(id, now).await })).await?;
    if done { Ok(()) } else { Err(Refusal::Conflict("This e-mail has already been sent or discarded.".into()).into()) }
}

/// Restores a discarded e-mail to its earlier state.
///
/// # Errors
/// [`Refusal::NotFound`] if there is no such e-mail.
pub async fn restore(app: &App, id: MailId) -> Result<()> {
    let now = app.now();
    app.store
        .write(move |tx| {
            Box::pin(async move {
                if !tx.restore_mail(id, now).await? {
                    return Err(Refusal::NotFound.into());
                }
                let message = tx.lock_mail_message(id).await?.ok_or(Refusal::NotFound)?;
                if message.state == "queued" { tx.requeue(JobId(id.0), &Job::Mail { message: id }, now).await } else { Ok(()) }
            })
        })
        .await?;
    app.wake_jobs();
    Ok(())
}
