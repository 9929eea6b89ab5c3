//! Delivery of e-mails to the mail server.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use domain::{Secret, Timestamp, ids::MailId};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    transport::smtp::client::{Certificate, Tls, TlsParameters},
};
use store::{Tx, hash::hash_token, mail::MailMessageRow};

use crate::{
    error::{Error, Result},
    jobs::{JobContext, JobHandler, JobOutcome},
    mail::{
        MailKind,
        messages::{self, RESET_MS},
        mime::{MimeParts, compose},
    },
    settings::MailSettings,
    state::{App, AppState},
    tickets,
};

const MINUTE: i64 = 60_000;
/// Delay after each failed attempt: a day and some hours in total.
pub const RETRY_DELAYS_MS: [i64; 10] =
    [MINUTE, 5 * MINUTE, 15 * MINUTE, 30 * MINUTE, 60 * MINUTE, 120 * MINUTE, 240 * MINUTE, 360 * MINUTE, 360 * MINUTE, 480 * MINUTE];
/// Delay for all other e-mails when the mail server is unreachable: they would fail the same way.
const REST_MS: i64 = 15_000;
/// How often to check whether mail is configured again.
const OFF_MS: i64 = 3_600_000;
/// How long e-mails wait for mail to be configured again.
const OFF_DAYS: i64 = 3;
/// Timeout of each command, and of the connection.
const PATIENCE: Duration = Duration::from_secs(30);
/// Timeout of a whole e-mail.
const PATIENCE_IN_ALL: Duration = Duration::from_secs(120);

/// The connection to the mail server.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    rests_until: AtomicI64,
}

/// Outcome of a delivery attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SmtpOutcome {
    /// The mail server accepted it.
    Accepted,
    /// No recipient: no account has this address.
    NoRecipient,
    /// The server rejected it permanently, with a reason for people.
    Refused(String),
    /// It may be accepted later; with a reason for people.
    RetryLater(String),
    /// The mail server was recently unreachable and is not contacted again before this time.
    ServerBackoff(Timestamp),
}

fn transport(mail: &MailSettings) -> Result<AsyncSmtpTransport<Tokio1Executor>> {
    let Secret(url) = &mail.server;
    // The message may contain the URL, and so the password.
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url).map_err(|_| Error::internal("mail server", "cannot be used"))?;
    if !mail.authorities.is_empty() {
        builder = builder.tls(encryption(mail)?);
    }
    Ok(builder.timeout(Some(PATIENCE)).build())
}

/// Returns the encryption that the URL requests, trusting extra authorities besides the machine's.
fn encryption(mail: &MailSettings) -> Result<Tls> {
    let broken = |why: &str| Error::internal("mail server", why);
    let url = url::Url::parse(&mail.server.0).map_err(|_| broken("cannot be used"))?;
    let mut tls = TlsParameters::builder(url.host_str().unwrap_or_default().to_owned());
    for authority in &mail.authorities {
        tls = tls
            .add_root_certificate(Certificate::from_der(authority.clone()).map_err(|_| broken("a certificate authority cannot be read"))?);
    }
    let tls = tls.build_rustls().map_err(|_| broken("TLS cannot be set up"))?;
    Ok(match (url.scheme(), url.query()) {
        ("smtps", _) => Tls::Wrapper(tls),
        (_, Some("tls=required")) => Tls::Required(tls),
        (_, Some("tls=opportunistic")) => Tls::Opportunistic(tls),
        _ => Tls::None,
    })
}

impl Mailer {
    /// Creates a mailer without connecting.
    ///
    /// # Errors
    /// Returns an error if the machine has no trusted certificates to verify the server's against.
    pub fn new(mail: &MailSettings) -> Result<Self> {
        Ok(Self { transport: transport(mail)?, rests_until: AtomicI64::new(0) })
    }
}

/// Checks that the mail server responds and accepts our credentials.
///
/// # Errors
/// The reason, for people.
pub async fn check_server(mail: &MailSettings) -> std::result::Result<(), String> {
    let transport = transport(mail).map_err(|e| e.to_string())?;
    match tokio::time::timeout(PATIENCE, transport.test_connection()).await {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err("The mail server closed the connection.".into()),
        Ok(Err(error)) => Err(explain(&error)),
        Err(_) => Err("The mail server did not respond in time.".into()),
    }
}

/// Explains for people why an e-mail was not accepted. A server's response is untrusted text: reduced to one short line.
fn explain(error: &lettre::transport::smtp::Error) -> String {
    let detail = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let detail: String = messages::line(&detail);
    let with = |text: &str| if detail.is_empty() { format!("{text}.") } else { format!("{text}: {}.", detail.trim_end_matches('.')) };
    match error.status() {
        Some(code) if is_about_us(error) => with(&format!("The mail server rejected the sign-in ({code})")),
        Some(code) => with(&format!("The mail server responded with {code}")),
        None if error.is_timeout() => "The mail server did not respond in time.".into(),
        None if error.is_tls() => with("The connection to the mail server could not be encrypted"),
        None if is_about_trust(error) => with("The mail server’s certificate could not be verified, so nothing was sent"),
        None if error.is_response() => with("The mail server closed the connection or sent an invalid response"),
        None if error.is_client() => with("The mail server cannot accept this e-mail"),
        None => with("The mail server could not be reached or closed the connection"),
    }
}

/// Whether the server rejected our credentials rather than the e-mail: an operator can fix that, and the e-mail may be sent then.
fn is_about_us(error: &lettre::transport::smtp::Error) -> bool {
    error.status().is_some_and(|code| matches!(u16::from(code), 530 | 534 | 535 | 538))
}

/// Whether the TLS handshake failed, for example because of an untrusted certificate. It appears as a connection error.
fn is_about_trust(error: &(dyn std::error::Error + 'static)) -> bool {
    let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    inner.is_some_and(|inner| inner.is::<rustls::Error>()) || error.source().is_some_and(is_about_trust)
}

/// Tries to send an e-mail, without recording the result.
///
/// # Errors
/// When the database fails.
pub async fn transmit(app: &App, mail: &MailSettings, mailer: &Mailer, message: &MailMessageRow) -> Result<SmtpOutcome> {
    let now = app.now();
    let rest = Timestamp(mailer.rests_until.load(Ordering::Relaxed));
    if now < rest {
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
    let message = match compose(mail, &parts) {
        Ok(message) => message,
        Err(why) => return Ok(SmtpOutcome::Refused(why)),
    };
    let foreign = message.envelope().to().iter().any(|address| !AsRef::<str>::as_ref(address).is_ascii());
    let error = match tokio::time::timeout(PATIENCE_IN_ALL, mailer.transport.send(message)).await {
        Ok(Ok(_)) => return Ok(SmtpOutcome::Accepted),
        Ok(Err(error)) => error,
        Err(_) => {
            mailer.rests_until.store(now.plus_ms(REST_MS).0, Ordering::Relaxed);
            return Ok(SmtpOutcome::RetryLater("The mail server did not respond in time.".into()));
        }
    };
    if error.is_client() && foreign {
        return Ok(SmtpOutcome::Refused(
            "The address has characters before the @ that your mail server does not support (it has no SMTPUTF8).".into(),
        ));
    }
    if error.status().is_none() && !error.is_client() {
        mailer.rests_until.store(now.plus_ms(REST_MS).0, Ordering::Relaxed);
    }
    let why = explain(&error);
    Ok(if error.is_permanent() && !is_about_us(&error) { SmtpOutcome::Refused(why) } else { SmtpOutcome::RetryLater(why) })
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
