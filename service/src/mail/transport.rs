//! The connection to the mail server.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use domain::{Secret, Timestamp};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    transport::smtp::client::{Certificate, Tls, TlsParameters},
};

use super::{
    messages::line,
    mime::{MimeParts, compose},
};
use crate::{
    error::{Error, Result},
    settings::MailSettings,
};

/// Delay for all other e-mails when the mail server is unreachable: they would fail the same way.
const REST_MS: i64 = 15_000;
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

    /// Until when the mail server is not contacted, because it was recently unreachable.
    pub(crate) fn backoff(&self, now: Timestamp) -> Option<Timestamp> {
        Some(Timestamp(self.rests_until.load(Ordering::Relaxed))).filter(|until| now < *until)
    }

    /// Sends an e-mail; after a failed connection, begins a backoff.
    pub(crate) async fn send(&self, mail: &MailSettings, parts: &MimeParts<'_>, now: Timestamp) -> SmtpOutcome {
        let message = match compose(mail, parts) {
            Ok(message) => message,
            Err(why) => return SmtpOutcome::Refused(why),
        };
        let foreign = message.envelope().to().iter().any(|address| !AsRef::<str>::as_ref(address).is_ascii());
        let error = match tokio::time::timeout(PATIENCE_IN_ALL, self.transport.send(message)).await {
            Ok(Ok(_)) => return SmtpOutcome::Accepted,
            Ok(Err(error)) => error,
            Err(_) => {
                self.back_off(now);
                return SmtpOutcome::RetryLater("The mail server did not respond in time.".into());
            }
        };
        if error.is_client() && foreign {
            return SmtpOutcome::Refused(
                "The address has characters before the @ that your mail server does not support (it has no SMTPUTF8).".into(),
            );
        }
        if error.status().is_none() && !error.is_client() {
            self.back_off(now);
        }
        let why = explain(&error);
        if error.is_permanent() && !is_about_us(&error) { SmtpOutcome::Refused(why) } else { SmtpOutcome::RetryLater(why) }
    }

    fn back_off(&self, now: Timestamp) {
        self.rests_until.store(now.plus_ms(REST_MS).0, Ordering::Relaxed);
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
    let detail: String = line(&detail);
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
