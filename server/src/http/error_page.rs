//! The page of a refusal: why, and what the person wrote.

use app::{
    accounts::signed_out_frame::SignedOutFrame,
    components::forms::textarea_text,
    render,
    shell::{ConsoleAssets, ConsoleDocument, ConsoleShell, Nav},
};
use axum::http::StatusCode;
use leptos::prelude::*;

use super::assets;

/// The reason of a refusal, as an extension of a response that has only the generic error page.
#[derive(Debug, Clone)]
pub struct RefusalReason(pub String);

/// A form as submitted.
#[derive(Debug, Clone)]
pub struct SubmittedForm {
    /// URL that it was sent to.
    pub action: String,
    /// Its fields, in order.
    pub pairs: Vec<(String, String)>,
    /// Whether sending just these fields again makes the same request; files are not kept.
    pub complete: bool,
}

/// Fields that no person types into.
const TECHNICAL: [&str; 12] =
    ["idempotency_key", "version", "return_to", "revision", "whole", "action", "do", "item", "all", "status", "started", "next"];

impl SubmittedForm {
    /// The texts that a person typed, as far as the field names show.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let is_text = |value: &str| value.contains(char::is_whitespace) || !value.is_ascii();
        // The survey editor sends all settings along; only its sentences are worth showing.
        let whole = self.pairs.iter().any(|(name, _)| name == "whole");
        let typed = move |name: &str, value: &str| {
            let plain = !whole && value.parse::<f64>().is_err() && value.parse::<uuid::Uuid>().is_err();
            !TECHNICAL.contains(&name) && !value.trim().is_empty() && (is_text(value) || plain)
        };
        self.pairs.iter().filter(move |(name, value)| typed(name, value)).map(|(_, value)| value.as_str())
    }
}

/// The page of a refusal. Scripts find the message by its attribute. Shows the texts of `posted`, and a button to send it again where
/// that may help.
pub fn error_page(status: StatusCode, text: &str, posted: Option<SubmittedForm>) -> String {
    let title = match status {
        StatusCode::NOT_FOUND => "Not found",
        StatusCode::FORBIDDEN => "Not allowed",
        StatusCode::CONFLICT => "Changed by someone else",
        StatusCode::UNPROCESSABLE_ENTITY => "Something went wrong",
        StatusCode::PAYLOAD_TOO_LARGE => "Too large",
        StatusCode::BAD_REQUEST | StatusCode::UNSUPPORTED_MEDIA_TYPE => "Something went wrong",
        StatusCode::TOO_MANY_REQUESTS => "Too many attempts",
        StatusCode::REQUEST_TIMEOUT => "Timed out",
        StatusCode::SERVICE_UNAVAILABLE => "Busy",
        _ => "Something went wrong",
    };
    let shell = ConsoleShell {
        title: title.into(),
        nonce: String::new(),
        theme: "auto".into(),
        assets: ConsoleAssets { css: assets::url("console.css"), ..ConsoleAssets::default() },
        chrome: None,
        nav: Nav::Account,
        flash: None,
        idempotency_key: String::new(),
    };
    let text = text.to_owned();
    let may_pass = matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS) || status.is_server_error();
    render::document(move || {
        view! {
            <ConsoleDocument shell=shell>
                <SignedOutFrame title=title>
                    <p class="lead" data-refusal>{text}</p>
                    // The body was not read, so only the browser still has the text.
                    {(status == StatusCode::PAYLOAD_TOO_LARGE).then(|| view! { <p>"Use your browser’s Back button to return to what you wrote."</p> })}
                    {posted.map(|posted| view! { <Typed posted=posted may_pass=may_pass /> })}
                    <p class="form-actions"><a class="button" href="/">"Go to home"</a></p>
                </SignedOutFrame>
            </ConsoleDocument>
        }
    })
}

/// The submitted texts, and a button that sends the same request again with the same idempotency key.
#[component]
fn Typed(posted: SubmittedForm, may_pass: bool) -> impl IntoView {
    let texts: Vec<String> = posted.texts().map(ToOwned::to_owned).collect();
    let shown = (!texts.is_empty()).then(|| {
        let areas = texts.into_iter().map(|text| {
            let rows = text.lines().count().clamp(2, 12);
            view! { <textarea readonly rows=rows aria-labelledby="typed-title">{textarea_text(&text)}</textarea> }
        });
        view! {
            <section class="stack-s" aria-labelledby="typed-title">
                <h2 id="typed-title">"What you wrote"</h2>
                {areas.collect_view()}
            </section>
        }
    });
    let again = (may_pass && posted.complete).then(|| {
        let fields = posted.pairs.into_iter().map(|(name, value)| view! { <input type="hidden" name=name value=value /> });
        view! {
            <form method="post" action=posted.action class="send-again">
                {fields.collect_view()}
                <button type="submit" class="button button-primary">"Send again"</button>
            </form>
        }
    });
    view! { {shown} {again} }
}
