//! The e-mails themselves. Each returns `None` if no mail server is configured: then nothing is queued.

use domain::{
    Timestamp,
    accounts::Role,
    ids::{EndpointId, InvitationId, MailId},
    projects::Project,
    zone::UTC,
};
use uuid::Uuid;

use super::{
    MailContent, MailKind, MailMessage,
    texts::{MailTexts, pick},
};
use crate::state::App;

/// What an e-mail about a ticket needs to know.
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
    /// The conversation's page, with a slash at the front and the ticket's id in place of the secret, which is put in when the e-mail leaves.
    pub path: &'a str,
}

/// Puts values in the place of `{names}`, in one pass: a value with braces in it stays as it is.
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

/// One line without what could end a header, and of bounded length.
pub(super) fn line(text: &str) -> String {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<&str> = flat.split_whitespace().collect();
    words.join(" ").chars().take(150).collect()
}

/// What an e-mail about a ticket is written with: enough to write it where the ticket's number is given, inside the transaction.
#[derive(Debug, Clone)]
pub struct TicketMailBuilder {
    id: MailId,
    base: String,
    project: Project,
    language: String,
}

impl TicketMailBuilder {
    /// One e-mail's worth in the language that the requester reads, else the project's; `None` while no mail server is set.
    #[must_use]
    pub fn new(app: &App, project: &Project, language: &str) -> Option<Self> {
        let base = app.settings.mail.as_ref()?.base.clone();
        Some(Self::with(app.id(), base, project, language))
    }

    /// As [`TicketMailBuilder::new`], where the e-mail's id and the address of this installation are there already.
    #[must_use]
    pub fn with(id: MailId, base: String, project: &Project, language: &str) -> Self {
        let language = if language.is_empty() { &project.language } else { language };
        Self { id, base, project: project.clone(), language: language.to_owned() }
    }
}

fn ticket(
    post: &TicketMailBuilder,
    about: TicketMailDetails<'_>,
    kind: MailKind,
    say: impl FnOnce(&MailTexts) -> TicketMailText,
) -> MailMessage {
    let TicketMailBuilder { id, base, project, language } = post;
    let texts = pick(language);
    let TicketMailText { subject, lead, quote, after } = say(texts);
    let number = about.number.to_string();
    let values = [("project", project.name.as_str()), ("number", number.as_str())];
    let footer = match kind {
        MailKind::TicketConfirmation => vec![texts.not_read, texts.keep_link, texts.not_you],
        _ => vec![texts.not_read, texts.keep_link],
    };
    MailMessage {
        id: *id,
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

/// A ticket arrived. It repeats nothing of what was written: whoever types someone else's address does not get to write to them.
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

/// The link to a ticket was renewed: those in earlier e-mails have ended.
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

/// The team answered a ticket: `by` is the name to show, `body` what they wrote, `closed` whether that ended it.
#[must_use]
pub fn ticket_reply(post: &TicketMailBuilder, about: TicketMailDetails<'_>, by: &str, body: &str, closed: bool) -> MailMessage {
    ticket(post, about, MailKind::TicketReply, |texts| {
        let number = about.number.to_string();
        let values = [("project", post.project.name.as_str()), ("number", number.as_str()), ("name", by), ("subject", about.subject)];
        TicketMailText {
            subject: fill(texts.reply_subject, &values),
            lead: vec![fill(texts.reply, &values)],
            quote: (!body.trim().is_empty()).then(|| body.to_owned()),
            after: if closed { vec![texts.closed.to_owned()] } else { Vec::new() },
        }
    })
}

/// An invitation to join a project; `path` is that of the page that accepts it.
#[must_use]
pub fn invitation(
    app: &App,
    (invitation, role, until): (InvitationId, Role, Timestamp),
    project: &Project,
    by: &str,
    to: &str,
    path: &str,
) -> Option<MailMessage> {
    let mail = app.settings.mail.as_ref()?;
    Some(MailMessage {
        id: app.id(),
        project: Some(project.id),
        kind: MailKind::Invitation,
        about: Some(invitation.0),
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

/// How long a link to set a new password works.
pub(crate) const RESET_MS: i64 = 3_600_000;

/// Someone forgot the password of this address, or says so. The link is made when the e-mail is sent.
#[must_use]
pub fn password_reset(app: &App, to: &str) -> Option<MailMessage> {
    app.settings.mail.as_ref()?;
    Some(MailMessage {
        id: app.id(),
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
        not_after: Some(app.now().plus_ms(RESET_MS)),
    })
}

/// Someone's password was changed.
#[must_use]
pub fn password_changed(app: &App, to: &str) -> Option<MailMessage> {
    let mail = app.settings.mail.as_ref()?;
    Some(MailMessage {
        id: app.id(),
        project: None,
        kind: MailKind::PasswordChanged,
        about: None,
        to: to.to_owned(),
        subject: "Your Earshot password was changed".into(),
        content: MailContent {
            language: "en".into(),
            lead: vec![format!("The password of your account was changed on {}.", UTC.readable(app.now()))],
            link_label: "If this was not you, set a new password now".into(),
            footer: vec!["If this was you, you don’t need to do anything.".into()],
            ..MailContent::default()
        },
        link: format!("{}/forgot", mail.base),
        not_after: None,
    })
}

/// What e-mails to the admins of a project about one of its webhooks are written with, inside the transaction that turns it off.
#[derive(Debug, Clone)]
pub struct WebhookMailBuilder {
    base: String,
    project: Project,
    endpoint: EndpointId,
    /// The part of its address that may be shown: the host.
    host: String,
    to: Vec<(MailId, String)>,
}

impl WebhookMailBuilder {
    /// An e-mail to each of `admins`; `None` while no mail server is set.
    #[must_use]
    pub fn new(app: &App, project: Project, (endpoint, host): (EndpointId, String), admins: Vec<String>) -> Option<Self> {
        let base = app.settings.mail.as_ref()?.base.clone();
        let to = admins.into_iter().map(|email| (app.id(), email)).collect();
        Some(Self { base, project, endpoint, host, to })
    }

    /// The e-mails, saying why.
    #[must_use]
    pub fn letters(&self, reason: &str) -> Vec<MailMessage> {
        let Self { base, project, endpoint, host, to } = self;
        let lead = format!("Earshot turned off the webhook of {} that sends to {}. {reason}", line(&project.name), line(host));
        let letter = |(id, email): &(MailId, String)| {
            MailMessage {
            id: *id,
            project: Some(project.id),
            kind: MailKind::WebhookDisabled,
            about: Some(endpoint.0),
            to: email.clone(),
            subject: line(&format!("A webhook of {} was turned off", project.name)),
            content: MailContent {
                language: "en".into(),
                lead: vec![lead.clone(), "No events are sent there until someone turns it on again. Events that were pending are kept for 30 days and can be retried manually.".into()],
                link_label: "See what failed and turn it on again".into(),
                footer: vec!["You receive this e-mail because you are an admin of this project.".into()],
                ..MailContent::default()
            },
            link: format!("{base}/p/{}/webhooks/{endpoint}", project.slug),
            not_after: None,
        }
        };
        to.iter().map(letter).collect()
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
