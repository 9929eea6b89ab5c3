//! Builders for e-mails. Each returns `None`, and nothing is queued, if no mail server is configured.

use domain::{
    Timestamp,
    accounts::Role,
    ids::EndpointId,
    projects::Project,
    text::{cut, is_blank, spaced},
    zone::UTC,
};
use uuid::Uuid;

use super::{
    MailContent, MailKind, MailMessage,
    texts::{MailTexts, pick},
};
use crate::settings::Settings;

/// Ticket data for an e-mail.
#[derive(Debug, Clone, Copy)]
pub struct TicketMailDetails<'a> {
    /// The ticket's id.
    pub ticket: Uuid,
    /// Its number.
    pub number: i64,
    /// Its subject, as the requester wrote it.
    pub subject: &'a str,
    /// The requester's address.
    pub to: &'a str,
    /// The conversation's path, with a leading slash and the ticket's id in place of the secret, which is added when the e-mail is sent.
    pub path: &'a str,
}

/// Replaces `{names}` with values in one pass: braces in a value stay as they are.
fn fill(text: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(text.len() + 40);
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let found = values.iter().find_map(|(name, value)| Some((rest.strip_prefix('{')?.strip_prefix(name)?.strip_prefix('}')?, value)));
        match found {
            Some((after, value)) => {
                out.push_str(value);
                rest = after;
            }
            None => {
                out.push('{');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// Returns one line of limited length, without characters that could end a header.
pub(super) fn line(text: &str) -> String {
    cut(&spaced(text), 150).to_owned()
}

/// Data for building an e-mail about a ticket inside the transaction that assigns the ticket's number.
#[derive(Debug, Clone)]
pub struct TicketMailBuilder {
    base: String,
    project: Project,
    language: String,
}

impl TicketMailBuilder {
    /// Creates a builder for one e-mail in the requester's language, or the project's; `None` if no mail server is configured.
    #[must_use]
    pub fn new(settings: &Settings, project: &Project, language: &str) -> Option<Self> {
        let base = settings.mail.as_ref()?.base.clone();
        Some(Self::with(base, project, language))
    }

    /// As [`TicketMailBuilder::new`], with a known base address of this installation.
    #[must_use]
    pub fn with(base: String, project: &Project, language: &str) -> Self {
        let language = if language.is_empty() { &project.language } else { language };
        Self { base, project: project.clone(), language: language.to_owned() }
    }
}

fn ticket(
    post: &TicketMailBuilder,
    about: TicketMailDetails<'_>,
    kind: MailKind,
    say: impl FnOnce(&MailTexts) -> TicketMailText,
) -> MailMessage {
    let TicketMailBuilder { base, project, language } = post;
    let texts = pick(language);
    let TicketMailText { subject, lead, quote, after } = say(texts);
    let number = about.number.to_string();
    let values = [("project", project.name.as_str()), ("number", number.as_str())];
    let footer = match kind {
        MailKind::TicketConfirmation => vec![texts.not_read, texts.keep_link, texts.not_you],
        _ => vec![texts.not_read, texts.keep_link],
    };
    MailMessage {
        project: Some(project.id),
        kind,
        about: Some(about.ticket),
        to: about.to.trim().to_owned(),
        subject: line(&subject),
        content: MailContent {
            language: texts.code.into(),
            from_name: Some(line(&project.name)),
            lead,
            quote,
            after,
            link_label: texts.link.into(),
            footer: footer.into_iter().map(|text| fill(text, &values)).collect(),
            thread: Some(format!("ticket-{}", about.ticket)),
        },
        link: format!("{base}{}", about.path),
        not_after: None,
    }
}

struct TicketMailText {
    subject: String,
    lead: Vec<String>,
    quote: Option<String>,
    after: Vec<String>,
}

/// Confirms a new ticket. It quotes nothing from it: people who enter someone else's address must not be able to send them text.
#[must_use]
pub fn ticket_confirmation(post: &TicketMailBuilder, about: TicketMailDetails<'_>) -> MailMessage {
    ticket(post, about, MailKind::TicketConfirmation, |texts| {
        let number = about.number.to_string();
        let values = [("project", post.project.name.as_str()), ("number", number.as_str())];
        TicketMailText {
            subject: fill(texts.confirmation_subject, &values),
            lead: vec![fill(texts.confirmation, &values)],
            quote: None,
            after: Vec::new(),
        }
    })
}

/// Sends the new link after a renewal: links in earlier e-mails no longer work.
#[must_use]
pub fn ticket_link(post: &TicketMailBuilder, about: TicketMailDetails<'_>) -> MailMessage {
    ticket(post, about, MailKind::TicketLink, |texts| {
        let number = about.number.to_string();
        let values = [("project", post.project.name.as_str()), ("number", number.as_str())];
        TicketMailText {
            subject: fill(texts.link_subject, &values),
            lead: vec![fill(texts.new_link, &values)],
            quote: None,
            after: Vec::new(),
        }
    })
}

/// Sends the team's reply: `by` is the name to show, `body` the text, `closed` whether it closed the ticket.
#[must_use]
pub fn ticket_reply(post: &TicketMailBuilder, about: TicketMailDetails<'_>, by: &str, body: &str, closed: bool) -> MailMessage {
    ticket(post, about, MailKind::TicketReply, |texts| {
        let number = about.number.to_string();
        let values = [("project", post.project.name.as_str()), ("number", number.as_str()), ("name", by), ("subject", about.subject)];
        TicketMailText {
            subject: fill(texts.reply_subject, &values),
            lead: vec![fill(texts.reply, &values)],
            quote: (!is_blank(body)).then(|| body.to_owned()),
            after: if closed { vec![texts.closed.to_owned()] } else { Vec::new() },
        }
    })
}

/// Invites a person to a project; `path` is the page that accepts the invitation. The transaction that stores the invitation fills in `about`.
#[must_use]
pub fn invitation(
    settings: &Settings,
    (role, until): (Role, Timestamp),
    project: &Project,
    by: &str,
    to: &str,
    path: &str,
) -> Option<MailMessage> {
    let mail = settings.mail.as_ref()?;
    Some(MailMessage {
        project: Some(project.id),
        kind: MailKind::Invitation,
        about: None,
        to: to.to_owned(),
        subject: line(&format!("{by} invited you to {}", project.name)),
        content: MailContent {
            language: "en".into(),
            lead: vec![format!("{} invited you to join {} on Earshot as {role}.", line(by), line(&project.name))],
            link_label: "View the invitation and join".into(),
            footer: vec![
                format!("The link works once and expires on {}.", UTC.readable(until)),
                "If you did not expect this e-mail, you can ignore it.".into(),
            ],
            ..MailContent::default()
        },
        link: format!("{}{path}", mail.base),
        not_after: Some(until),
    })
}

/// How long a password reset link is valid.
pub(crate) const RESET_MS: i64 = 3_600_000;

/// Answers a request to reset the password of this address. The link is created when the e-mail is sent.
#[must_use]
pub fn password_reset(settings: &Settings, to: &str, now: Timestamp) -> Option<MailMessage> {
    settings.mail.as_ref()?;
    Some(MailMessage {
        project: None,
        kind: MailKind::PasswordReset,
        about: None,
        to: to.to_owned(),
        subject: "Reset your Earshot password".into(),
        content: MailContent {
            language: "en".into(),
            lead: vec!["Someone, probably you, asked to reset the password of your account.".into()],
            link_label: "Set a new password".into(),
            footer: vec![
                "The link works once and expires after one hour.".into(),
                "If this was not you, you can ignore this e-mail. Your password stays the same.".into(),
            ],
            ..MailContent::default()
        },
        link: String::new(),
        not_after: Some(now.plus_ms(RESET_MS)),
    })
}

/// Tells a person that their password was changed.
#[must_use]
pub fn password_changed(settings: &Settings, to: &str, now: Timestamp) -> Option<MailMessage> {
    let mail = settings.mail.as_ref()?;
    Some(MailMessage {
        project: None,
        kind: MailKind::PasswordChanged,
        about: None,
        to: to.to_owned(),
        subject: "Your Earshot password was changed".into(),
        content: MailContent {
            language: "en".into(),
            lead: vec![format!("The password of your account was changed on {}.", UTC.readable(now))],
            link_label: "If this was not you, set a new password now".into(),
            footer: vec!["If this was you, you don’t need to do anything.".into()],
            ..MailContent::default()
        },
        link: format!("{}/forgot", mail.base),
        not_after: None,
    })
}

/// Data for building e-mails to a project's admins about a webhook, inside the transaction that turns it off.
#[derive(Debug, Clone)]
pub struct WebhookMailBuilder {
    base: String,
    project: Project,
    endpoint: EndpointId,
    /// The host: the part of its address that may be shown.
    host: String,
    to: Vec<String>,
}

impl WebhookMailBuilder {
    /// Prepares one e-mail for each of `admins`; `None` if no mail server is configured.
    #[must_use]
    pub fn new(settings: &Settings, project: Project, (endpoint, host): (EndpointId, String), admins: Vec<String>) -> Option<Self> {
        let base = settings.mail.as_ref()?.base.clone();
        Some(Self { base, project, endpoint, host, to: admins })
    }

    /// Returns the e-mails with this reason.
    #[must_use]
    pub fn messages(&self, reason: &str) -> Vec<MailMessage> {
        let Self { base, project, endpoint, host, to } = self;
        let lead = format!("Earshot turned off the webhook of {} that sends to {}. {reason}", line(&project.name), line(host));
        let pause_notice = "No events are sent there until someone turns it on again. \
                    Events that were pending are kept for 30 days and can be retried manually.";
        let message = |email: &String| MailMessage {
            project: Some(project.id),
            kind: MailKind::WebhookDisabled,
            about: Some(endpoint.0),
            to: email.clone(),
            subject: line(&format!("A webhook of {} was turned off", project.name)),
            content: MailContent {
                language: "en".into(),
                lead: vec![lead.clone(), pause_notice.into()],
                link_label: "See what failed and turn it on again".into(),
                footer: vec!["You receive this e-mail because you are an admin of this project.".into()],
                ..MailContent::default()
            },
            link: format!("{base}/p/{}/webhooks/{endpoint}", project.slug),
            not_after: None,
        };
        to.iter().map(message).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{fill, line};

    #[test]
    fn values_are_not_read_again() {
        assert_eq!(fill("{name} of {project} {x}", &[("name", "{project}"), ("project", "A")]), "{project} of A {x}");
    }

    #[test]
    fn a_line_has_no_end_in_it() {
        assert_eq!(line(" Hello\r\nBcc: a@b.example\0\u{85}x "), "Hello Bcc: a@b.example x");
        assert_eq!(line(&"ä".repeat(400)).chars().count(), 150);
    }
}
