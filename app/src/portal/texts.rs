//! The portal's texts, per language: a struct, so that a missing text does not compile. Texts shared with surveys and the choice of the
//! language are in [`crate::respond::texts`].

use domain::{
    FieldErrors, Timestamp, Zone,
    tickets::{MAX_MESSAGE, MAX_NAME, MAX_SUBJECT, TicketState, files::MAX_FILES},
};

/// The texts in one language. `{project}`, `{n}`, `{max}`, `{seconds}` are placeholders, as are `{day}`, `{month}`, `{year}`, `{time}`.
#[derive(Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the English text says what each is")]
pub struct PortalTexts {
    pub title: &'static str,
    pub lead: &'static str,
    pub subject: &'static str,
    pub subject_hint: &'static str,
    pub message: &'static str,
    pub message_hint: &'static str,
    pub email: &'static str,
    pub email_hint: &'static str,
    pub email_hint_without_mail: &'static str,
    pub name: &'static str,
    pub optional: &'static str,
    pub files: &'static str,
    pub files_hint: &'static str,
    pub held: &'static str,
    pub send: &'static str,
    pub ticket: &'static str,
    pub sent_title: &'static str,
    pub renewed: &'static str,
    pub earlier: &'static str,
    pub newest: &'static str,
    pub sent: &'static str,
    pub link: &'static str,
    pub open_title: &'static str,
    pub open: &'static str,
    pub answered_title: &'static str,
    pub answered: &'static str,
    pub closed_title: &'static str,
    pub closed: &'static str,
    pub messages: &'static str,
    pub you: &'static str,
    pub team: &'static str,
    pub months: [&'static str; 12],
    pub moment: &'static str,
    pub picture: &'static str,
    pub download: &'static str,
    pub answer: &'static str,
    pub answer_closed: &'static str,
    pub send_answer: &'static str,
    pub close: &'static str,
    pub reopen: &'static str,
    pub new_ticket: &'static str,
    pub missing_title: &'static str,
    pub missing: &'static str,
    pub busy: &'static str,
    pub again: &'static str,
    pub wait: &'static str,
    pub stale: &'static str,
    pub foreign: &'static str,
    pub too_large_title: &'static str,
    pub too_large: &'static str,
    pub too_many_files: &'static str,
    pub picture_large: &'static str,
    pub picture_broken: &'static str,
    pub empty_file: &'static str,
    pub files_later: &'static str,
    pub files_full: &'static str,
    pub choose_again: &'static str,
    pub full: &'static str,
    pub files_gone: &'static str,
    pub error_subject: &'static str,
    pub error_message: &'static str,
    pub error_email_missing: &'static str,
    pub error_email: &'static str,
    pub error_too_long: &'static str,
    pub error_other: &'static str,
}

/// English.
pub const EN: PortalTexts = PortalTexts {
    title: "Contact {project}",
    lead: "You get a link to this conversation, where you can read the reply and write again.",
    subject: "Subject",
    subject_hint: "What is it about, in a few words?",
    message: "Message",
    message_hint: "What happened, and what did you expect? For bugs, add steps to reproduce.",
    email: "Your e-mail address",
    email_hint: "We send the reply to this address.",
    email_hint_without_mail: "So the team knows who is asking. We don’t send e-mail: you’ll read the reply at the link we show next.",
    name: "Your name",
    optional: "optional",
    files: "Files",
    files_hint: "Images or other files, up to 10 MB in total. We remove location and time from images.",
    held: "Keep these files:",
    send: "Send",
    ticket: "Ticket {n}",
    sent_title: "Your message has arrived",
    renewed: "This link was replaced by a newer one. You find it in the latest e-mail you got from us; if there is none, ask the team.",
    earlier: "Show earlier messages",
    newest: "Show the newest messages",
    sent: "Save this link to come back to this conversation. Anyone who has it can read and reply.",
    link: "Link to this conversation",
    open_title: "Waiting for a reply",
    open: "The team has your message.",
    answered_title: "Answered",
    answered: "The team has replied. If something is missing, write again.",
    closed_title: "Closed",
    closed: "This conversation is closed. You can reopen it at any time.",
    messages: "Messages",
    you: "You",
    team: "{project} team",
    months: ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
    moment: "{day} {month} {year}, {time}",
    picture: "Image",
    download: "Download",
    answer: "Reply",
    answer_closed: "Write again",
    send_answer: "Send",
    close: "Mark as solved",
    reopen: "Reopen",
    new_ticket: "New request",
    missing_title: "Page not found",
    missing: "The link may be incomplete, a newer one may have been sent to you, or this page no longer exists.",
    busy: "We can’t accept your message right now. Go back and send it again in a moment.",
    again: "We can’t accept your message right now. It is still here: send it again in a moment.",
    wait: "There were too many messages from your network or to this team. Yours is still here: send it again in {seconds} seconds.",
    stale: "This page was out of date. Your message is still here: please send it again.",
    foreign: "This site is not allowed to send messages from here.",
    too_large_title: "Too large",
    too_large: "The files are larger than 10 MB in total. Choose fewer or smaller ones.",
    too_many_files: "Choose at most {max} files.",
    picture_large: "An image has too many pixels. Make it smaller, or put it in a ZIP file.",
    picture_broken: "An image cannot be read. Save it again, or put it in a ZIP file.",
    empty_file: "One of the files is empty (0 bytes). Choose your files again and leave the empty one out.",
    files_later: "Too many files came from your network, so we can’t accept more right now. Your message is still here: send it without files, or with them in an hour.",
    files_full: "We can’t accept files right now. Your message is still here: send it without files.",
    choose_again: "Please choose your files again.",
    full: "This conversation has too many messages. Please start a new one.",
    files_gone: "The files you added earlier are no longer available. Choose your files again.",
    error_subject: "Describe in a few words what this is about.",
    error_message: "Write a message.",
    error_email_missing: "Enter your e-mail address so the team knows who is asking.",
    error_email: "Enter an e-mail address like name@example.com.",
    error_too_long: "Use at most {max} characters.",
    error_other: "This is not valid. Please check it.",
};

/// German.
pub const DE: PortalTexts = PortalTexts {
    title: "Nachricht an {project}",
    lead: "Sie erhalten einen Link zu dieser Unterhaltung und können dort die Antwort lesen und wieder schreiben.",
    subject: "Betreff",
    subject_hint: "Worum geht es, in wenigen Worten?",
    message: "Nachricht",
    message_hint: "Was ist passiert, und was haben Sie erwartet? Bei Fehlern: Mit welchen Schritten lassen sie sich nachstellen?",
    email: "Ihre E-Mail-Adresse",
    email_hint: "Die Antwort kommt an diese Adresse.",
    email_hint_without_mail: "Damit das Team weiß, wer fragt. Wir verschicken keine E-Mail: Sie lesen die Antwort unter dem Link, den wir Ihnen gleich zeigen.",
    name: "Ihr Name",
    optional: "freiwillig",
    files: "Dateien",
    files_hint: "Bilder oder andere Dateien, zusammen bis zu 10 MB. Wir entfernen Ort und Zeit aus Bildern.",
    held: "Diese Dateien behalten:",
    send: "Absenden",
    ticket: "Ticket {n}",
    sent_title: "Ihre Nachricht ist angekommen",
    renewed: "Der Link zu dieser Unterhaltung wurde durch einen neueren ersetzt. Er steht in der letzten E-Mail, die Sie von uns bekommen haben; gibt es keine, fragen Sie das Team.",
    earlier: "Frühere Nachrichten zeigen",
    newest: "Neueste Nachrichten zeigen",
    sent: "Bewahren Sie diesen Link auf: Er führt zu dieser Unterhaltung zurück. Wer ihn hat, kann lesen und antworten.",
    link: "Link zu dieser Unterhaltung",
    open_title: "Wartet auf Antwort",
    open: "Das Team hat Ihre Nachricht.",
    answered_title: "Beantwortet",
    answered: "Das Team hat geantwortet. Wenn etwas fehlt, schreiben Sie wieder.",
    closed_title: "Abgeschlossen",
    closed: "Diese Unterhaltung ist abgeschlossen. Sie können sie jederzeit wieder öffnen.",
    messages: "Nachrichten",
    you: "Sie",
    team: "Das Team von {project}",
    months: ["Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"],
    moment: "{day}. {month} {year}, {time}",
    picture: "Bild",
    download: "Herunterladen",
    answer: "Antworten",
    answer_closed: "Wieder schreiben",
    send_answer: "Absenden",
    close: "Als gelöst markieren",
    reopen: "Wieder öffnen",
    new_ticket: "Neue Anfrage",
    missing_title: "Seite nicht gefunden",
    missing: "Vielleicht ist der Link unvollständig, Sie haben inzwischen einen neueren bekommen, oder es gibt diese Seite nicht mehr.",
    busy: "Ihre Nachricht konnte gerade nicht angenommen werden. Gehen Sie zurück und senden Sie sie gleich noch einmal.",
    again: "Ihre Nachricht konnte gerade nicht angenommen werden. Sie steht noch hier: Senden Sie sie gleich noch einmal.",
    wait: "Zu viele Nachrichten kamen aus Ihrem Netz oder an dieses Team. Ihre steht noch hier: Senden Sie sie in {seconds} Sekunden noch einmal.",
    stale: "Diese Seite war veraltet. Ihre Nachricht steht noch hier: Bitte senden Sie sie noch einmal.",
    foreign: "Diese Website darf von hier keine Nachrichten senden.",
    too_large_title: "Zu groß",
    too_large: "Die Dateien haben zusammen mehr als 10 MB. Wählen Sie weniger oder kleinere.",
    too_many_files: "Wählen Sie höchstens {max} Dateien.",
    picture_large: "Ein Bild hat zu viele Bildpunkte. Verkleinern Sie es oder packen Sie es in eine ZIP-Datei.",
    picture_broken: "Ein Bild ist nicht lesbar. Speichern Sie es neu oder packen Sie es in eine ZIP-Datei.",
    empty_file: "Eine der Dateien ist leer (0 Bytes). Wählen Sie Ihre Dateien noch einmal, ohne diese oder mit Inhalt.",
    files_later: "Aus Ihrem Netz kamen so viele Dateien, dass gerade keine mehr angenommen werden. Ihre Nachricht steht noch hier: Senden Sie sie ohne Dateien, oder mit ihnen in einer Stunde.",
    files_full: "Dateien können hier gerade nicht angenommen werden. Ihre Nachricht steht noch hier: Senden Sie sie ohne Dateien.",
    choose_again: "Bitte wählen Sie Ihre Dateien noch einmal.",
    full: "Diese Unterhaltung hat zu viele Nachrichten. Bitte beginnen Sie eine neue.",
    files_gone: "Die zuvor gewählten Dateien sind nicht mehr verfügbar. Wählen Sie Ihre Dateien noch einmal.",
    error_subject: "Sagen Sie in wenigen Worten, worum es geht.",
    error_message: "Schreiben Sie eine Nachricht.",
    error_email_missing: "Geben Sie Ihre E-Mail-Adresse an, damit das Team weiß, wer fragt.",
    error_email: "Geben Sie eine E-Mail-Adresse wie name@example.com an.",
    error_too_long: "Höchstens {max} Zeichen.",
    error_other: "Das ist ungültig. Bitte prüfen Sie es.",
};

/// The texts in a language of [`crate::respond::texts::ALL`].
#[must_use]
pub fn of(code: &str) -> &'static PortalTexts {
    match code {
        "de" => &DE,
        _ => &EN,
    }
}

impl PortalTexts {
    /// Heading and sentence for a state.
    #[must_use]
    pub fn state(&self, state: TicketState) -> (&'static str, &'static str) {
        match state {
            TicketState::Open => (self.open_title, self.open),
            TicketState::Answered => (self.answered_title, self.answered),
            TicketState::Closed => (self.closed_title, self.closed),
        }
    }

    /// A point in time.
    #[must_use]
    pub fn moment(&self, zone: &Zone, at: Timestamp) -> String {
        zone.readable_in(at, &self.months, self.moment)
    }

    /// The validation errors with their messages in this language.
    #[must_use]
    pub fn translate(&self, errors: &FieldErrors) -> FieldErrors {
        let mut out = FieldErrors::default();
        for error in &errors.0 {
            let max = match error.field.as_str() {
                "subject" => MAX_SUBJECT,
                "name" => MAX_NAME,
                _ => MAX_MESSAGE,
            };
            let message = match (error.field.as_str(), error.code.as_str()) {
                ("subject", "required") => self.error_subject.to_owned(),
                ("message", "required") => self.error_message.to_owned(),
                ("email", "required") => self.error_email_missing.to_owned(),
                ("email", _) => self.error_email.to_owned(),
                ("files", "too_many") => self.too_many_files.replace("{max}", &MAX_FILES.to_string()),
                ("files", "too_large") => self.too_large.to_owned(),
                ("files", "picture_large") => self.picture_large.to_owned(),
                ("files", "picture_broken") => self.picture_broken.to_owned(),
                ("files", "empty") => self.empty_file.to_owned(),
                ("files", "gone") => self.files_gone.to_owned(),
                ("files", "files_later") => self.files_later.to_owned(),
                ("files", "files_full") => self.files_full.to_owned(),
                ("files", "choose_again") => self.choose_again.to_owned(),
                (_, "too_long") => self.error_too_long.replace("{max}", &max.to_string()),
                _ => self.error_other.to_owned(),
            };
            out.add(&error.field, &error.code, message);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use domain::tickets::NewTicket;

    use super::*;

    #[test]
    fn every_language_of_the_public_pages_has_these_words() {
        let all = crate::respond::texts::ALL;
        for (n, one) in all.iter().enumerate() {
            for other in &all[n + 1..] {
                assert_ne!(of(one.code), of(other.code), "{} and {}", one.code, other.code);
            }
        }
    }

    #[test]
    fn moments_follow_the_language() {
        let zone: Zone = Zone::parse("Asia/Tokyo").unwrap();
        let at = Timestamp(1_805_000_000_000);
        assert_eq!(EN.moment(&zone, at), zone.readable(at));
        assert_eq!(DE.moment(&zone, at), "14. März 2027, 13:53 UTC+9");
    }

    #[test]
    fn refusals_are_told_in_the_readers_language() {
        let errors = NewTicket { message: "x".repeat(MAX_MESSAGE + 1), ..NewTicket::default() }.checked().unwrap_err();
        let translated = DE.translate(&errors);
        assert_eq!(translated.message_for("subject"), Some(DE.error_subject));
        assert_eq!(translated.message_for("message"), Some("Höchstens 10000 Zeichen."));
        assert_eq!(translated.message_for("email"), Some(DE.error_email_missing));
    }
}
