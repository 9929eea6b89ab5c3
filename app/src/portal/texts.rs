//! The portal's words in each language: a struct, so that a missing text does not compile. What it shares with surveys is in
//! [`crate::respond::texts`], which also says the language.

use domain::{
    FieldErrors,
    tickets::{MAX_MESSAGE, MAX_NAME, MAX_SUBJECT, State, files::MAX_FILES},
};

/// The words in one language. `{project}`, `{n}`, `{max}`, `{seconds}` are filled in.
#[derive(Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the English text says what each is")]
pub struct Texts {
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
pub const EN: Texts = Texts {
    title: "Write to {project}",
    lead: "You get a link to this conversation, and can read the answer and write again there.",
    subject: "Subject",
    subject_hint: "What is it about, in a few words?",
    message: "Message",
    message_hint: "What happened, and what did you expect? For something that does not work: the steps to it.",
    email: "Your e-mail address",
    email_hint: "The answer comes to this address.",
    email_hint_without_mail: "So that the team knows who asks. No e-mail is sent: the answer stands behind the link that you get.",
    name: "Your name",
    optional: "optional",
    files: "Files",
    files_hint: "Pictures or other files, 10 MB in all. Place and time are taken out of pictures.",
    held: "Keep these files:",
    send: "Send",
    ticket: "Ticket {n}",
    sent_title: "Your message has arrived",
    renewed: "The link to this conversation was replaced by a newer one. It is in the latest e-mail that you got from us; if there is none, ask the team.",
    earlier: "Show earlier messages",
    newest: "Show the newest messages",
    sent: "Keep this link: it is the way back to this conversation. Whoever has it can read and answer.",
    link: "Link to this conversation",
    open_title: "Waiting for an answer",
    open: "The team has your message.",
    answered_title: "Answered",
    answered: "The team has answered. If something is missing, write again.",
    closed_title: "Closed",
    closed: "This conversation is closed. You can open it again at any time.",
    messages: "Messages",
    you: "You",
    team: "The team of {project}",
    picture: "Picture",
    download: "Download",
    answer: "Answer",
    answer_closed: "Write again",
    send_answer: "Send",
    close: "This is solved",
    reopen: "Open again",
    new_ticket: "Write about something else",
    missing_title: "There is nothing here",
    missing: "The link may be incomplete, a newer one may have been sent to you, or this page was taken away.",
    busy: "Your message could not be taken now. Go back and send it again in a moment.",
    again: "Your message could not be taken now. It is still here: send it again in a moment.",
    wait: "Too many messages came from your network or to this team. Yours is still here: send it again in {seconds} seconds.",
    stale: "This page was out of date. Your message is still here: please send it again.",
    foreign: "This site may not send messages from here.",
    too_large_title: "Too large",
    too_large: "The files are more than 10 MB in all. Choose fewer or smaller ones.",
    too_many_files: "Choose {max} files at most.",
    picture_large: "A picture has too many pixels. Make it smaller, or pack it into a ZIP file.",
    picture_broken: "A picture cannot be read. Save it again, or pack it into a ZIP file.",
    empty_file: "One of the files is empty (0 bytes). Choose your files again and leave the empty one out.",
    files_later: "So many files came from your network that no more are taken for now. Your message is still here: send it without files, or with them in an hour.",
    files_full: "Files cannot be taken here now. Your message is still here: send it without files.",
    choose_again: "Please choose your files again.",
    full: "This conversation has very many messages. Please write a new one.",
    files_gone: "Files that waited here are no longer there. Choose your files again.",
    error_subject: "Say in a few words what this is about.",
    error_message: "Write a message.",
    error_email_missing: "Write your e-mail address, so that the team knows who asks.",
    error_email: "Write an e-mail address like name@example.com.",
    error_too_long: "Use {max} characters at most.",
    error_other: "This does not fit. Please check it.",
};

/// German.
pub const DE: Texts = Texts {
    title: "Nachricht an {project}",
    lead: "Sie erhalten einen Link zu dieser Unterhaltung und können dort die Antwort lesen und wieder schreiben.",
    subject: "Betreff",
    subject_hint: "Worum geht es, in wenigen Worten?",
    message: "Nachricht",
    message_hint: "Was ist passiert, und was haben Sie erwartet? Wenn etwas nicht geht: die Schritte dorthin.",
    email: "Ihre E-Mail-Adresse",
    email_hint: "Die Antwort kommt an diese Adresse.",
    email_hint_without_mail: "Damit das Team weiß, wer fragt. Es wird keine E-Mail verschickt: Die Antwort steht hinter dem Link, den Sie bekommen.",
    name: "Ihr Name",
    optional: "freiwillig",
    files: "Dateien",
    files_hint: "Bilder oder andere Dateien, zusammen 10 MB. Ort und Zeit werden aus Bildern entfernt.",
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
    picture: "Bild",
    download: "Herunterladen",
    answer: "Antworten",
    answer_closed: "Wieder schreiben",
    send_answer: "Absenden",
    close: "Das ist gelöst",
    reopen: "Wieder öffnen",
    new_ticket: "Zu etwas anderem schreiben",
    missing_title: "Hier ist nichts",
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
    full: "Diese Unterhaltung hat sehr viele Nachrichten. Bitte beginnen Sie eine neue.",
    files_gone: "Dateien, die hier warteten, sind nicht mehr da. Wählen Sie Ihre Dateien noch einmal.",
    error_subject: "Sagen Sie in wenigen Worten, worum es geht.",
    error_message: "Schreiben Sie eine Nachricht.",
    error_email_missing: "Geben Sie Ihre E-Mail-Adresse an, damit das Team weiß, wer fragt.",
    error_email: "Geben Sie eine E-Mail-Adresse wie name@example.com an.",
    error_too_long: "Höchstens {max} Zeichen.",
    error_other: "Das passt nicht. Bitte prüfen Sie es.",
};

/// The words in a language of [`crate::respond::texts::ALL`].
#[must_use]
pub fn of(code: &str) -> &'static Texts {
    match code {
        "de" => &DE,
        _ => &EN,
    }
}

impl Texts {
    /// The state in words: a heading and a sentence.
    #[must_use]
    pub fn state(&self, state: State) -> (&'static str, &'static str) {
        match state {
            State::Open => (self.open_title, self.open),
            State::Answered => (self.answered_title, self.answered),
            State::Closed => (self.closed_title, self.closed),
        }
    }

    /// The refusals with their messages in this language.
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
    fn refusals_are_told_in_the_readers_language() {
        let errors = NewTicket { message: "x".repeat(MAX_MESSAGE + 1), ..NewTicket::default() }.checked().unwrap_err();
        let told = DE.translate(&errors);
        assert_eq!(told.at("subject"), Some(DE.error_subject));
        assert_eq!(told.at("message"), Some("Höchstens 10000 Zeichen."));
        assert_eq!(told.at("email"), Some(DE.error_email_missing));
    }
}
