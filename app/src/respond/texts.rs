//! All built-in texts of the public pages, per language: a struct, so that a missing text does not compile.
//!
//! To add a language, add a constant and an entry in [`ALL`]. The survey's own texts are part of the survey.

use domain::{FieldErrors, language::primary, surveys::SurveyBody};

/// The texts of the respondent pages and the widget in one language. `{low}`, `{high}`, `{max}`, `{n}`, `{of}`, `{seconds}` are placeholders.
#[derive(Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the English text says what each is")]
pub struct RespondentTexts {
    pub code: &'static str,
    pub required: &'static str,
    pub optional_hint: &'static str,
    pub send: &'static str,
    pub next: &'static str,
    pub back: &'static str,
    pub close: &'static str,
    pub progress: &'static str,
    pub other: &'static str,
    pub other_text: &'static str,
    pub stars: &'static str,
    pub problem: &'static str,
    pub not_sent: &'static str,
    pub sent_late: &'static str,
    pub try_again: &'static str,
    pub leave_empty: &'static str,
    pub thanks: &'static str,
    pub closed_title: &'static str,
    pub closed: &'static str,
    pub paused_title: &'static str,
    pub paused: &'static str,
    pub preview: &'static str,
    pub busy_title: &'static str,
    pub busy: &'static str,
    pub fault: &'static str,
    pub again: &'static str,
    pub wait: &'static str,
    pub stale: &'static str,
    pub foreign: &'static str,
    pub missing_title: &'static str,
    pub missing: &'static str,
    pub too_large: &'static str,
    pub shorten: &'static str,
    pub refused: &'static str,
    pub error_required: &'static str,
    pub error_range: &'static str,
    pub error_choice: &'static str,
    pub error_one: &'static str,
    pub error_too_long: &'static str,
    pub error_email: &'static str,
    pub error_other: &'static str,
}

/// English.
pub const EN: RespondentTexts = RespondentTexts {
    code: "en",
    required: "required",
    optional_hint: "Choose all that apply.",
    send: "Send",
    next: "Next",
    back: "Back",
    close: "Close",
    progress: "{n} of {of}",
    other: "Other",
    other_text: "Other, in your own words",
    stars: "{n} of {of} stars",
    problem: "There is a problem",
    not_sent: "Your answers have not been sent yet. They are saved here and will be sent again automatically.",
    sent_late: "Your answers have been sent.",
    try_again: "Try again",
    leave_empty: "Leave this field empty",
    thanks: "Thank you. Your answers have arrived.",
    closed_title: "This survey is closed",
    closed: "It no longer accepts answers. Thank you for wanting to help.",
    paused_title: "This survey is paused",
    paused: "It does not accept answers at the moment. Please come back later.",
    preview: "Preview: nothing is sent.",
    busy_title: "Something went wrong",
    busy: "We can’t accept your answers right now. Go back and send them again in a moment.",
    fault: "We can’t show this page right now. Please try again in a moment.",
    again: "We can’t accept your answers right now. They are still here: send them again in a moment.",
    wait: "There were too many answers from your network or to this survey. Yours are still here: send them again in {seconds} seconds.",
    stale: "This page was out of date. Your answers are still here: please send them again.",
    foreign: "This site is not allowed to send answers to this survey.",
    missing_title: "Survey not found",
    missing: "The link may be incomplete, or the survey no longer exists.",
    too_large: "Your answers are too long to send. Go back and shorten them.",
    shorten: "This is too long to send. Please shorten it.",
    refused: "Your answers were not accepted. They are still here: copy what you wrote, then reload the page and send it again.",
    error_required: "This question needs an answer.",
    error_range: "Choose a number from {low} to {high}.",
    error_choice: "This choice is no longer available. Choose again.",
    error_one: "Choose only one answer.",
    error_too_long: "Use at most {max} characters.",
    error_email: "Enter an e-mail address like name@example.com.",
    error_other: "This answer is not valid. Please check it.",
};

/// German.
pub const DE: RespondentTexts = RespondentTexts {
    code: "de",
    required: "Pflichtfrage",
    optional_hint: "Wählen Sie alles Zutreffende.",
    send: "Absenden",
    next: "Weiter",
    back: "Zurück",
    close: "Schließen",
    progress: "{n} von {of}",
    other: "Anderes",
    other_text: "Anderes, in Ihren Worten",
    stars: "{n} von {of} Sternen",
    problem: "Bitte prüfen Sie Ihre Angaben",
    not_sent: "Ihre Antworten sind noch nicht gesendet. Sie bleiben hier gespeichert und werden automatisch erneut gesendet.",
    sent_late: "Ihre Antworten sind jetzt gesendet.",
    try_again: "Erneut versuchen",
    leave_empty: "Dieses Feld leer lassen",
    thanks: "Vielen Dank. Ihre Antworten sind angekommen.",
    closed_title: "Diese Umfrage ist beendet",
    closed: "Sie nimmt keine Antworten mehr an. Danke, dass Sie helfen wollten.",
    paused_title: "Diese Umfrage pausiert",
    paused: "Sie nimmt zurzeit keine Antworten an. Bitte versuchen Sie es später wieder.",
    preview: "Vorschau: Es wird nichts gesendet.",
    busy_title: "Etwas ist schiefgegangen",
    busy: "Ihre Antworten konnten gerade nicht angenommen werden. Gehen Sie zurück und senden Sie sie gleich noch einmal.",
    fault: "Diese Seite kann gerade nicht angezeigt werden. Bitte versuchen Sie es gleich noch einmal.",
    again: "Ihre Antworten konnten gerade nicht angenommen werden. Sie stehen noch hier: Senden Sie sie gleich noch einmal.",
    wait: "Zu viele Antworten kamen aus Ihrem Netz oder für diese Umfrage. Ihre stehen noch hier: Senden Sie sie in {seconds} Sekunden noch einmal.",
    stale: "Diese Seite war veraltet. Ihre Antworten stehen noch hier: Bitte senden Sie sie noch einmal.",
    foreign: "Diese Website darf für diese Umfrage keine Antworten senden.",
    missing_title: "Umfrage nicht gefunden",
    missing: "Vielleicht ist der Link unvollständig, oder die Umfrage gibt es nicht mehr.",
    too_large: "Ihre Antworten sind zu lang zum Absenden. Gehen Sie zurück und kürzen Sie sie.",
    shorten: "Das ist zu lang zum Absenden. Bitte kürzen Sie es.",
    refused: "Ihre Antworten wurden nicht angenommen. Sie stehen noch hier: Kopieren Sie Ihren Text, laden Sie die Seite neu und senden Sie ihn noch einmal.",
    error_required: "Diese Frage braucht eine Antwort.",
    error_range: "Wählen Sie eine Zahl von {low} bis {high}.",
    error_choice: "Diese Auswahl gibt es nicht mehr. Bitte wählen Sie neu.",
    error_one: "Wählen Sie nur eine Antwort.",
    error_too_long: "Schreiben Sie höchstens {max} Zeichen.",
    error_email: "Schreiben Sie eine E-Mail-Adresse wie name@example.com.",
    error_other: "Diese Antwort ist ungültig. Bitte prüfen Sie sie.",
};

/// All languages; the first is the fallback.
pub const ALL: &[&RespondentTexts] = &[&EN, &DE];

fn find(tag: &str) -> Option<&'static RespondentTexts> {
    let primary = primary(tag);
    ALL.iter().copied().find(|t| t.code.eq_ignore_ascii_case(primary))
}

/// The best of `Accept-Language` (RFC 9110).
fn accepted(accept: Option<&str>) -> Option<&'static RespondentTexts> {
    let mut wishes: Vec<(&str, f32)> = accept?
        .split(',')
        .take(20)
        .map(|wish| {
            let (tag, quality) = wish.split_once(";q=").unwrap_or((wish, "1"));
            (tag, quality.trim().parse().unwrap_or(0.0))
        })
        .filter(|(_, quality)| *quality > 0.0)
        .collect();
    wishes.sort_by(|a, b| b.1.total_cmp(&a.1));
    wishes.into_iter().find_map(|(tag, _)| find(tag))
}

/// The texts for a page: the language of `?lang=`, else the survey's, else the best of `Accept-Language`, else English.
#[must_use]
pub fn pick(asked: Option<&str>, survey: &str, accept: Option<&str>) -> &'static RespondentTexts {
    asked.and_then(find).or_else(|| find(survey)).or_else(|| accepted(accept)).unwrap_or(&EN)
}

/// The texts for a page with built-in texts only: the requested language, else the reader's, else the project's, else English.
#[must_use]
pub fn pick_for_reader(asked: Option<&str>, accept: Option<&str>, project: &str) -> &'static RespondentTexts {
    asked.and_then(find).or_else(|| accepted(accept)).or_else(|| find(project)).unwrap_or(&EN)
}

/// `rtl` for languages written from right to left, else `ltr`.
#[must_use]
pub fn direction(language: &str) -> &'static str {
    match primary(language).to_ascii_lowercase().as_str() {
        "ar" | "ckb" | "dv" | "fa" | "he" | "iw" | "ps" | "sd" | "ug" | "ur" | "yi" => "rtl",
        _ => "ltr",
    }
}

impl RespondentTexts {
    /// The validation errors with their messages in this language.
    #[must_use]
    pub fn translate(&self, errors: &FieldErrors, body: &SurveyBody) -> FieldErrors {
        let mut out = FieldErrors::default();
        for error in &errors.0 {
            let kind = body.questions.iter().find(|q| q.id == error.field).map(|q| &q.kind);
            let message = match error.code.as_str() {
                "required" => self.error_required.to_owned(),
                "choice" => self.error_choice.to_owned(),
                "one" => self.error_one.to_owned(),
                "email" => self.error_email.to_owned(),
                "range" => {
                    let (low, high) = kind.and_then(domain::surveys::QuestionKind::scale).unwrap_or_default();
                    self.error_range.replace("{low}", &low.to_string()).replace("{high}", &high.to_string())
                }
                "too_long" => {
                    let max = kind.and_then(domain::surveys::QuestionKind::max_chars).unwrap_or(500);
                    self.error_too_long.replace("{max}", &max.to_string())
                }
                _ => self.error_other.to_owned(),
            };
            out.add(&error.field, &error.code, message);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_asked_language_comes_first_then_the_surveys_then_the_browsers() {
        assert_eq!(pick(Some("de"), "en", Some("en")).code, "de");
        assert_eq!(pick(None, "de-AT", Some("en")).code, "de");
        assert_eq!(pick(Some("xx"), "fr", Some("fr, en;q=0.3, de-CH;q=0.8")).code, "de");
        assert_eq!(pick(None, "fr", Some("de;q=0, it")).code, "en");
        assert_eq!(pick(None, "fr", None).code, "en");
        assert_eq!(pick_for_reader(None, Some("de"), "en").code, "de");
        assert_eq!(pick_for_reader(None, Some("fr"), "de").code, "de");
        assert_eq!(pick_for_reader(Some("en"), Some("de"), "de").code, "en");
    }

    #[test]
    fn other_is_stored_under_the_name_that_people_see() {
        for texts in ALL {
            assert_eq!(domain::surveys::answer::other_label(texts.code), texts.other);
        }
    }

    #[test]
    fn directions_follow_the_script() {
        assert_eq!((direction("ar-EG"), direction("he"), direction("de")), ("rtl", "rtl", "ltr"));
    }
}
