//! How to embed and share a project's surveys.

use leptos::prelude::*;

use super::{CopyBox, SettingsTab, SettingsTabs};
use crate::{components::layout::PageHead, islands::copy::Copy};

/// A live survey with its id.
#[derive(Debug, Clone)]
pub struct LiveSurvey {
    /// For the snippets.
    pub id: String,
    /// For display.
    pub name: String,
    /// Why the script does not show it as configured.
    pub note: Option<String>,
}

/// View model of the page.
#[derive(Debug, Clone)]
pub struct EmbedView {
    /// For URLs.
    pub slug: String,
    /// The installation's base URL, without a trailing slash.
    pub base: String,
    /// The project's public key.
    pub key: String,
    /// Allowed origins; empty: any.
    pub origins: Vec<String>,
    /// Whether the current user can change the origins.
    pub is_admin: bool,
    /// Whether the ticket portal is on.
    pub portal: bool,
    /// Query parameters of page URLs that are kept.
    pub kept_parameters: Vec<String>,
    /// The project's live surveys.
    pub surveys: Vec<LiveSurvey>,
}

const CALLS: &str = r#"// Queues calls that are made before embed.js has loaded.
window.earshot = window.earshot || function () { (earshot.q = earshot.q || []).push(arguments); };

earshot("open");                          // shows the live survey; or one of them: earshot("open", "SURVEY ID")
earshot("close");
earshot("portal");                        // opens the ticket portal in a new tab, with this page, release and environment;
                                          // with two projects on the page: earshot("portal", "PROJECT KEY")
earshot("identify", { id: "user-17", email: "ada@example.com", name: "Ada", attributes: { plan: "pro" } });
earshot("track", "checkout-done");        // opens a survey that opens on this event
earshot("on", "finish", (detail) => {});  // also: open, answer, close
earshot("shutdown");                      // removes everything"#;

/// The page.
#[component]
pub fn EmbedPage(
    /// Its content.
    model: EmbedView,
) -> impl IntoView {
    let EmbedView { slug, base, key, origins, is_admin, portal, kept_parameters, surveys } = model;
    let keeps =
        if kept_parameters.is_empty() { ". ".to_owned() } else { format!(", plus these parameters: {}. ", kept_parameters.join(", ")) };
    let script = format!("<script async src=\"{base}/embed.js\" data-project=\"{key}\"></script>");
    let csp = format!("script-src {base}; connect-src {base}; frame-src {base}");
    let allowed = if origins.is_empty() { "any site".to_owned() } else { origins.join(", ") };
    let none_live = surveys.is_empty();
    let shown_base = base.clone();
    let portal_link = format!("{base}/p/{slug}");
    view! {
        <div class="narrow">
            <PageHead title="Embed" lead="Show surveys on your own site, or send people a link." />
            <SettingsTabs slug=slug.clone() current=SettingsTab::Embed />
            {none_live.then(|| view! {
                <p class="notice notice-info">
                    "No survey is live yet, so the snippet shows nothing for now. "<a href=format!("/p/{slug}/surveys")>"Publish a survey"</a>"."
                </p>
            })}
            <section class="card stack" aria-labelledby="embed-script">
                <h2 id="embed-script">"On every page: one line of code"</h2>
                <p>"Paste it before "<code>"</body>"</code>" or into the "<code>"<head>"</code>". It shows the project’s live surveys, one at a time, and never slows or restyles your site."</p>
                <p class="muted small">"It also works with "<code>"crossorigin"</code>" or "<code>"type=\"module\""</code>", and alongside the snippet of another project."</p>
                <CopyBox id="snippet-script" label="Script for your site" text=script rows=3 />
                <p class="muted small">
                    "Shown on: "{allowed}". "
                    {is_admin.then(|| view! { <a href=format!("/p/{slug}/settings#origins")>"Change"</a> })}
                </p>
                <p class="muted small">
                    "Of a page’s URL, only the part before "<code>"?"</code>" and "<code>"#"</code>" leaves the page"{keeps}
                    {is_admin.then(|| view! { <a href=format!("/p/{slug}/settings#kept_parameters")>"Change"</a> })}
                </p>
            </section>
            {surveys.into_iter().map(|s| {
                let LiveSurvey { id, name, note } = s;
                let link = format!("{base}/s/{id}");
                let (heading, labelled) = (format!("survey-{id}"), format!("survey-{id}"));
                view! {
                    <section class="card stack" aria-labelledby=labelled>
                        <h2 id=heading>{name.clone()}</h2>
                        {note.map(|text| view! { <p class="notice notice-warn">{text}</p> })}
                        <h3>"Inline in a page"</h3>
                        <p class="muted small">"The survey appears where you put this element; the page also needs the snippet above. Give the element "<code>"display: block; min-height: 280px"</code>" in your style sheet to avoid a layout shift."</p>
                        <CopyBox id=format!("element-{id}") label=format!("{name}: element") text=format!("<earshot-survey survey=\"{id}\"></earshot-survey>") />
                        <h3>"As an iframe"</h3>
                        <p class="muted small">"Needs no script. Its height does not adapt to the questions."</p>
                        <CopyBox id=format!("frame-{id}") label=format!("{name}: frame") rows=3
                            text=format!("<iframe src=\"{link}\" title=\"{}\" width=\"100%\" height=\"600\" loading=\"lazy\"></iframe>", attribute(&name)) />
                        <h3>"As a link"</h3>
                        <p class="muted small">"For e-mails, chats and QR codes. "<a href=link.clone() target="_blank" rel="noopener">"Open"</a></p>
                        <CopyBox id=format!("link-{id}") label=format!("{name}: link") text=link rows=1 />
                    </section>
                }.into_any()
            }).collect_view()}
            {portal.then(|| view! {
                <section class="card stack" aria-labelledby="embed-portal">
                    <h2 id="embed-portal">"Ticket portal"</h2>
                    <p>"People contact the team here without an account, and read replies at a secret link. "
                        <a href=portal_link.clone() target="_blank" rel="noopener">"Open"</a></p>
                    <CopyBox id="link-portal" label="Ticket portal: link" text=portal_link.clone() rows=1 />
                    <p class="muted small">"On a page with the snippet above, a button or link can open it with "<code>"earshot(\"portal\")"</code>"."</p>
                </section>
            })}
            <section class="card stack" aria-labelledby="embed-csp">
                <h2 id="embed-csp">"If your site has a Content-Security-Policy"</h2>
                <p>"Allow "<code>{shown_base}</code>" in these three directives. Earshot needs no inline code, no nonce and no style permissions."</p>
                <CopyBox id="snippet-csp" label="Content-Security-Policy" text=csp rows=3 />
            </section>
            <section class="card stack" aria-labelledby="embed-calls">
                <h2 id="embed-calls">"From your own scripts"</h2>
                <CopyBox id="snippet-calls" label="Calls" text=CALLS.to_owned() rows=12 />
            </section>
        </div>
        <Copy />
    }
}

/// Escapes a text for an attribute of an HTML snippet.
fn attribute(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}
