//! The texts of e-mails to people outside the team, in each language. To add a language, add a constant and a line in [`pick`].

use domain::language::primary;

/// The texts in one language; the English ones show the purpose of each. `{project}`, `{number}`, `{name}`, `{subject}` are placeholders.
#[derive(Debug)]
pub struct MailTexts {
    pub code: &'static str,
    pub confirmation_subject: &'static str,
    pub confirmation: &'static str,
    pub link: &'static str,
    pub reply_subject: &'static str,
    pub reply: &'static str,
    pub closed: &'static str,
    pub link_subject: &'static str,
    pub new_link: &'static str,
    pub not_read: &'static str,
    pub keep_link: &'static str,
    pub not_you: &'static str,
}

/// English.
pub const EN: MailTexts = MailTexts {
    code: "en",
    confirmation_subject: "[{project} #{number}] We received your message",
    confirmation: "Thank you. Your message to {project} has arrived. Its number is {number}. We will e-mail you when someone replies.",
    link: "Read the conversation and reply",
    reply_subject: "[{project} #{number}] Re: {subject}",
    reply: "{name} replied to your message to {project}:",
    closed: "Your request is now closed. If something is missing, follow the link and write again.",
    link_subject: "[{project} #{number}] New link to your request",
    new_link: "Your request {number} to {project} has a new link. The links in earlier e-mails no longer work.",
    not_read: "Nobody reads replies to this e-mail. Please follow the link instead.",
    keep_link: "Keep the link private: anyone who has it can read the conversation and reply.",
    not_you: "If you did not write to {project}, someone mistyped their address. You can ignore this e-mail.",
};

/// German.
pub const DE: MailTexts = MailTexts {
    code: "de",
    confirmation_subject: "[{project} #{number}] Ihre Nachricht ist angekommen",
    confirmation: "Vielen Dank. Ihre Nachricht an {project} ist angekommen und hat die Nummer {number}. Sobald jemand antwortet, bekommen Sie eine E-Mail.",
    link: "Das Gespräch lesen und antworten",
    reply_subject: "[{project} #{number}] Re: {subject}",
    reply: "{name} hat auf Ihre Nachricht an {project} geantwortet:",
    closed: "Damit ist Ihre Anfrage abgeschlossen. Wenn etwas fehlt, folgen Sie dem Link und schreiben Sie noch einmal.",
    link_subject: "[{project} #{number}] Ein neuer Link zu Ihrer Anfrage",
    new_link: "Ihre Anfrage {number} an {project} hat einen neuen Link. Die Links in früheren E-Mails funktionieren nicht mehr.",
    not_read: "Antworten auf diese E-Mail liest niemand. Bitte folgen Sie stattdessen dem Link.",
    keep_link: "Behalten Sie den Link für sich: Wer ihn hat, kann das Gespräch lesen und antworten.",
    not_you: "Wenn Sie nicht an {project} geschrieben haben, hat sich jemand bei der Adresse vertippt. Sie können diese E-Mail ignorieren.",
};

/// Returns the texts in a project's language, or in English.
#[must_use]
pub fn pick(language: &str) -> &'static MailTexts {
    [&EN, &DE].into_iter().find(|t| t.code.eq_ignore_ascii_case(primary(language))).unwrap_or(&EN)
}
