//! Delivery of e-mails to the mail server.

use async_trait::async_trait;
use domain::{Timestamp, ids::MailId};
use store::{Tx, hash::hash_token, mail::MailMessageRow};

use crate::{
    error::Result,
    job_handler::{JobContext, JobHandler, JobOutcome},
    mail::{MailKind, Mailer, MimeParts, RESET_MS, SmtpOutcome},
    settings::MailSettings,
    state::{App, AppState},
    tickets,
};

const MINUTE: i64 = 60_000;
/// Delay after each failed attempt: a day and some hours in total.
pub const RETRY_DELAYS_MS: [i64; 10] =
    [MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, 60 * MINUTE, 120 * MINUTE, 240 * MINUTE, 360 * MINUTE, 360 * MINUTE, 480 * MINUTE];
/// How often to check whether mail is configured again.
const OFF_MS: i64 = 3_600_000;
/// How long e-mails wait for mail to be configured again.
const OFF_DAYS: i64 = 3;

/// Tries to send an e-mail, without recording the result.
///
/// # Errors
/// When the database fails.
pub async fn transmit(app: &App, mail: &MailSettings, mailer: &Mailer, message: &MailMessageRow) -> Result<SmtpOutcome> {
    let now = app.now();
    if let Some(rest) = mailer.backoff(now) {
        return Ok(SmtpOutcome::ServerBackoff(rest));
    }
    let mut link = message.link.clone();
    let mut content = message.content()?;
    match message.kind()? {
        MailKind::PasswordReset => match reset_link(app, mail, message, now).await? {
            Some(made) => link = made,
            None => return Ok(SmtpOutcome::NoRecipient),
        },
        MailKind::TicketConfirmation | MailKind::TicketReply | MailKind::TicketLink => {
            link = tickets::link_at_send_time(app, &link).await?;
            content.quote = content.quote.map(|text| text.replace(tickets::LINK_PLACEHOLDER, &link));
        }
        _ => {}
    }
    let parts = MimeParts {
        id: message.id.clone(),
        to: &message.recipient,
        subject: &message.subject,
        content: &content,
        link: &link,
        written: Timestamp(message.created_at),
    };
    Ok(mailer.send(mail, &parts, now).await)
}

/// Creates a password reset link, storing only its secret's hash; `None` if no account has the address, or the
/// password was changed meanwhile.
async fn reset_link(app: &App, mail: &MailSettings, message: &MailMessageRow, now: Timestamp) -> Result<Option<String>> {
    let Some(staff) = app.store.staff_by_email(&message.recipient).await? else { return Ok(None) };
    let (staff, message, token) = (staff.id()?, message.id()?, app.token());
    let (hash, until) = (hash_token(&token), now.plus_ms(RESET_MS));
    let made =
        app.store.write(move |tx| Box::pin(async move { tx.insert_password_reset(&hash, staff, message, now, until).await })).await?;
    Ok(made.then(|| format!("{}/reset/{token}", mail.base)))
}

/// The job of one e-mail.
pub(crate) struct MailJob(pub MailId);

#[async_trait]
impl JobHandler for MailJob {
    async fn run(&self, app: &AppState, _context: &JobContext) -> Result<JobOutcome> {
        send(app, self.0).await
    }

    async fn fail(&self, tx: &mut Tx<'_>, why: &str, now: Timestamp) -> Result<()> {
        tx.mark_mail_dead(self.0, why, now).await
    }

    fn retry_refusal(&self) -> Option<&'static str> {
        Some("Send e-mails again from the E-mail page.")
    }
}

/// Sends one e-mail, if it still waits, and says when to try again.
async fn send(app: &App, id: MailId) -> Result<JobOutcome> {
    let Some(message) = app.store.mail_message(id).await?.filter(|l| l.state == "queued") else { return Ok(JobOutcome::Done) };
    let now = app.now();
    if message.not_after.is_some_and(|until| until <= now.0) {
        return end(app, id, "It could not be sent before its link expired.").await;
    }
    let Some((mail, mailer)) = app.settings.mail.as_ref().zip(app.mailer.as_ref()) else {
        if message.created_at <= now.plus_days(-OFF_DAYS).0 {
            return end(app, id, "No mail server was configured for days.").await;
        }
        return later(app, id, message.attempts, "No mail server is configured (EARSHOT_SMTP_URL).", now.plus_ms(OFF_MS)).await;
    };
    let attempts = message.attempts + 1;
    match transmit(app, mail, mailer, &message).await? {
        SmtpOutcome::Accepted => {
            tracing::info!(mail.id = %id, mail.kind = %message.kind, mail.attempts = attempts, "an e-mail was sent");
            app.store.write(move |tx| Box::pin(async move { tx.mark_mail_sent(id, now).await })).await?;
            Ok(JobOutcome::Done)
        }
        SmtpOutcome::NoRecipient => {
            app.store.write(move |tx| Box::pin(async move { tx.mark_mail_undeliverable(id, now).await })).await?;
            Ok(JobOutcome::Done)
        }
        SmtpOutcome::Refused(why) => {
            tracing::warn!(mail.id = %id, mail.kind = %message.kind, mail.attempts = attempts, "an e-mail failed: it was rejected");
            end(app, id, &why).await
        }
        SmtpOutcome::RetryLater(why) => match usize::try_from(message.attempts).ok().and_then(|n| RETRY_DELAYS_MS.get(n)) {
            Some(pause) => later(app, id, attempts, &why, now.plus_ms(*pause)).await,
            None => {
                tracing::warn!(mail.id = %id, mail.kind = %message.kind, mail.attempts = attempts, "an e-mail failed: retries ended after a day");
                end(app, id, &why).await
            }
        },
        SmtpOutcome::ServerBackoff(until) => Ok(JobOutcome::Later(until)),
    }
}

async fn later(app: &App, id: MailId, attempts: i64, why: &str, at: Timestamp) -> Result<JobOutcome> {
    let (why, now) = (why.to_owned(), app.now());
    app.store.write(move |tx| Box::pin(async move { tx.schedule_mail_retry(id, attempts, &why, at, now).await })).await?;
    Ok(JobOutcome::Later(at))
}

async fn end(app: &App, id: MailId, why: &str) -> Result<JobOutcome> {
    let (why, now) = (why.to_owned(), app.now());
    app.store.write(move |tx| Box::pin(async move { tx.mark_mail_dead(id, &why, now).await })).await?;
    Ok(JobOutcome::Done)
}
