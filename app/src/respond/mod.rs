//! The respondents' pages: a survey as one plain form that works without JavaScript, the thank-you page, and notices for surveys that
//! do not accept answers. Separate documents: nothing of the console, no wasm. `public/survey.js` shows the form as one card after
//! another.

mod question;
pub mod texts;

use domain::{
    FieldErrors,
    colour::{contrasting_text_colour, is_colour},
    language::is_same,
    projects::ThemeMode,
    spam::HONEYPOT,
    surveys::SurveyBody,
};
use leptos::prelude::*;

pub use texts::RespondentTexts;

/// How the page is displayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisplayMode {
    /// A page of its own.
    Hosted,
    /// Inside a frame on another site.
    Embedded,
    /// In the editor: looks and behaves the same, but sends nothing.
    Preview,
}

impl DisplayMode {
    fn word(self) -> &'static str {
        match self {
            Self::Hosted => "hosted",
            Self::Embedded => "embedded",
            Self::Preview => "preview",
        }
    }
}

/// Data that every respondent page needs.
#[derive(Debug, Clone)]
pub struct RespondentPageContext {
    /// How the page is displayed.
    pub mode: DisplayMode,
    /// The project's accent colour, `#rrggbb`.
    pub accent: String,
    /// Light, dark, or the system's setting.
    pub theme: ThemeMode,
    /// BCP 47 language of the page: the requested one, else that of the survey. Texts in another language are marked with `lang`.
    pub language: String,
    /// The built-in texts.
    pub texts: &'static RespondentTexts,
    /// The request's CSP nonce.
    pub nonce: String,
    /// URL of the stylesheet: `assets::url("respond.css")`.
    pub css: String,
    /// URL of the script: `assets::url("survey.js")`.
    pub js: String,
}

impl RespondentPageContext {
    /// A page of the survey, with the parameters that keep its language and mode.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        let lang = is_same(&self.language, self.texts.code).then(|| format!("lang={}", self.texts.code));
        let embed = (self.mode == DisplayMode::Embedded).then(|| "embed=1".to_owned());
        let parameters = lang.into_iter().chain(embed).collect::<Vec<_>>().join("&");
        if parameters.is_empty() { path.to_owned() } else { format!("{path}?{parameters}") }
    }

    /// Returns whether a text in this language needs no `lang`.
    fn is_in(&self, language: &str) -> bool {
        language.is_empty() || self.language.is_empty() || is_same(&self.language, language)
    }
}

/// The `lang` and `dir` of the survey's own texts on a page in another language.
#[derive(Debug, Clone, Default)]
struct SurveyLanguage {
    lang: Option<String>,
    dir: Option<&'static str>,
}

impl SurveyLanguage {
    fn new(look: &RespondentPageContext, body: &SurveyBody) -> Self {
        if look.is_in(&body.language) {
            return Self::default();
        }
        Self { lang: Some(body.language.clone()), dir: Some(texts::direction(&body.language)) }
    }
}

/// Hidden data of the form.
#[derive(Debug, Clone, Default)]
pub struct SurveyFormContext {
    /// The survey's id.
    pub survey: String,
    /// The id of the version shown; answers are validated against it.
    pub version: String,
    /// The project's public key.
    pub key: String,
    /// When the page was rendered, signed.
    pub started: String,
    /// Idempotency key: a repeated post creates one response.
    pub idempotency_key: String,
    /// The origin of the embedding page, if known; the only one that gets messages.
    pub parent: Option<String>,
}

/// A whole respondent document around `children`.
#[component]
pub fn RespondDocument(
    /// Theme and language.
    look: RespondentPageContext,
    /// The document title.
    title: String,
    /// The title's language, if it is not the page's.
    #[prop(optional_no_strip)]
    title_language: Option<String>,
    /// Whether the page loads the survey script.
    scripted: bool,
    /// The page.
    children: Children,
) -> impl IntoView {
    let accent = if is_colour(&look.accent) { look.accent.clone() } else { domain::projects::DEFAULT_ACCENT.to_owned() };
    let colours = format!(":root{{--accent:{accent};--on-accent:{}}}", contrasting_text_colour(&accent));
    let language = if look.language.is_empty() { look.texts.code.to_owned() } else { look.language.clone() };
    let direction = texts::direction(&language);
    view! {
        <html lang=language dir=direction data-theme=look.theme.as_str()>
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="robots" content="noindex" />
                <title lang=title_language>{title}</title>
                <link rel="icon" href="/favicon.svg" type="image/svg+xml" />
                <link rel="stylesheet" href=look.css />
                <style nonce=look.nonce>{colours}</style>
                // Blocks the first paint, so that the page does not jump from the form to its first card; browsers stop waiting on failure.
                {scripted.then(|| view! { <script src=look.js defer blocking="render"></script> })}
            </head>
            <body class=look.mode.word()>
                <main id="earshot">{children()}</main>
            </body>
        </html>
    }
}

/// A survey to answer.
#[component]
pub fn SurveyPage(
    /// Theme and language.
    look: RespondentPageContext,
    /// Hidden data of the form.
    ticket: SurveyFormContext,
    /// The survey.
    body: SurveyBody,
    /// The values filled in before, as form pairs.
    #[prop(optional)]
    values: Vec<(String, String)>,
    /// Validation errors, already in the page's language.
    #[prop(optional)]
    errors: FieldErrors,
    /// An error that does not concern an answer.
    #[prop(optional_no_strip)]
    message: Option<String>,
) -> impl IntoView {
    let texts = look.texts;
    let preview = look.mode == DisplayMode::Preview;
    let embedded = look.mode == DisplayMode::Embedded;
    let action = (!preview).then(|| look.url(&format!("/s/{}", ticket.survey)));
    let survey = SurveyLanguage::new(&look, &body);
    // Built-in texts are marked where the text around them is in another language: on the page, and among the survey's own texts.
    let own_language = (!look.is_in(texts.code)).then_some(texts.code);
    let inner_language = (!body.language.is_empty() && !is_same(&body.language, texts.code)).then_some(texts.code);
    let title = body.title.clone();
    let version = ticket.version.clone();
    let cards = body.questions.iter().map(|q| question::card(q, &values, &errors, texts, (&survey, inner_language))).collect_view();
    let summary = (!errors.is_empty()).then(|| {
        let items = errors.0.iter().map(|e| {
            let question = body.questions.iter().find(|q| q.id == e.field).map(|q| q.title.clone()).unwrap_or_default();
            let (language, direction) = inner_language.map(|_| (body.language.clone(), survey.dir)).unzip();
            view! { <li><a href=format!("#card-{}", e.field)><span lang=language dir=direction>{question}</span>": "{e.message.clone()}</a></li> }
        });
        view! { <div class="problem" role="alert" lang=own_language><h2>{texts.problem}</h2><ul>{items.collect_view()}</ul></div> }
    });
    let thanks = thanks_text(&body, texts, &survey, own_language);
    view! {
        <RespondDocument look=look title=title.clone() title_language=survey.lang.clone() scripted=true>
            <form
                id="survey" method="post" action=action
                data-mode=if preview { "preview" } else { "live" }
                data-survey=ticket.survey data-version=version data-key=ticket.key data-parent=ticket.parent
                data-lang=texts.code data-next=texts.next data-send=texts.send data-progress=texts.progress data-required=texts.error_required
                data-email=texts.error_email data-not-sent=texts.not_sent data-sent-late=texts.sent_late data-closed=texts.closed
                data-try-again=texts.try_again data-shorten=texts.shorten data-refused=texts.refused data-foreign=texts.foreign
            >
                {preview.then(|| view! { <p class="note" lang=own_language>{texts.preview}</p> })}
                <header lang=survey.lang dir=survey.dir>
                    <h1 id="title" tabindex="-1">{title}</h1>
                    {(!body.intro.is_empty()).then(|| view! { <p class="intro">{body.intro.clone()}</p> })}
                </header>
                {message.map(|text| view! { <p class="problem" role="alert" lang=own_language>{text}</p> })}
                {summary}
                {cards}
                <input type="hidden" name="version" value=ticket.version />
                <input type="hidden" name="started" value=ticket.started />
                <input type="hidden" name="idempotency_key" value=ticket.idempotency_key />
                <p class="trap" aria-hidden="true">
                    <label>{texts.leave_empty}<input type="text" name=HONEYPOT tabindex="-1" autocomplete="off" /></label>
                </p>
                <div class="actions" lang=own_language>
                    <button type="button" class="back" id="back" hidden>{texts.back}</button>
                    <button type=if preview { "button" } else { "submit" } class="primary" id="next">{texts.send}</button>
                    <p class="progress" id="progress" hidden><progress max="1" value="0" aria-hidden="true"></progress> <span></span></p>
                </div>
                // In the page from the start, so that changes are announced.
                <p id="status" class="status" role="status" lang=own_language></p>
            </form>
            <section id="thanks" class="thanks" hidden>
                <h2 tabindex="-1" lang=thanks.1.lang dir=thanks.1.dir>{thanks.0}</h2>
                {embedded.then(|| view! { <button type="button" id="close" lang=own_language hidden>{texts.close}</button> })}
            </section>
        </RespondDocument>
    }
}

/// The survey's thanks, else ours, and the language to mark.
fn thanks_text(
    body: &SurveyBody,
    texts: &'static RespondentTexts,
    survey: &SurveyLanguage,
    own_language: Option<&'static str>,
) -> (String, SurveyLanguage) {
    if body.thanks.is_empty() {
        return (texts.thanks.to_owned(), SurveyLanguage { lang: own_language.map(ToOwned::to_owned), dir: None });
    }
    (body.thanks.clone(), survey.clone())
}

/// The page after a form was sent without JavaScript.
#[component]
pub fn ThanksPage(
    /// Theme and language.
    look: RespondentPageContext,
    /// The survey.
    body: SurveyBody,
) -> impl IntoView {
    let survey = SurveyLanguage::new(&look, &body);
    let own_language = (!look.is_in(look.texts.code)).then_some(look.texts.code);
    let (text, language) = thanks_text(&body, look.texts, &survey, own_language);
    view! {
        <RespondDocument look=look title=body.title title_language=survey.lang scripted=false>
            <section id="thanks" class="thanks"><h1 lang=language.lang dir=language.dir>{text}</h1></section>
        </RespondDocument>
    }
}

/// A short message instead of a survey: closed, paused, or an error. All of it is ours, so `look.language` is that of our texts.
#[component]
pub fn NoticePage(
    /// Theme and language.
    look: RespondentPageContext,
    /// The heading.
    title: &'static str,
    /// The sentence.
    text: &'static str,
) -> impl IntoView {
    view! {
        <RespondDocument look=look title=title.to_owned() scripted=false>
            <section id="notice" class="thanks"><h1>{title}</h1><p>{text}</p></section>
        </RespondDocument>
    }
}
