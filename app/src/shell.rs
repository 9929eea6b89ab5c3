//! The console's HTML document (signed in or not), with navigation, flash message and islands.
//!
//! Regions that an enhanced form or link replaces after a fetch carry `data-part` and an id; see [`crate::islands::enhance`].

use leptos::prelude::*;

use crate::{
    components::{icons::Logo, keys::KeysDialog},
    islands::{enhance::Enhance, quote::QuoteSelection},
};

/// URLs of the hashed assets that a console page loads.
#[derive(Debug, Clone, Default)]
pub struct ConsoleAssets {
    /// The stylesheet.
    pub css: String,
    /// `console.js`, which loads the wasm.
    pub js: String,
    /// wasm-bindgen's module and the wasm itself; `None` in builds without a browser half.
    pub wasm: Option<(String, String)>,
}

/// A project as the navigation shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectRef {
    /// For URLs.
    pub slug: String,
    /// For display.
    pub name: String,
}

/// An undo action of a toast: a POST to `url` with these fields.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Undo {
    /// The URL to post to.
    pub url: String,
    /// The form fields.
    pub fields: Vec<(String, String)>,
}

/// A message about what just happened, shown once.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Flash {
    /// The sentence.
    pub message: String,
    /// Whether something went wrong.
    pub is_error: bool,
    /// How to undo it.
    pub undo: Option<Undo>,
}

/// An entry of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nav {
    /// The triage inbox.
    Inbox,
    /// Tickets: desk report and canned replies.
    Tickets,
    /// The backlog.
    Backlog,
    /// Surveys.
    Surveys,
    /// Imports.
    Imports,
    /// Project settings, members, embedding.
    Settings,
    /// The account page, or none of the above.
    Account,
}

/// The signed-in frame around a page.
#[derive(Debug, Clone)]
pub struct ConsoleFrame {
    /// The account's id: data stored on the device belongs to it.
    pub staff_id: String,
    /// The person's name.
    pub staff_name: String,
    /// Their e-mail address.
    pub staff_email: String,
    /// The current or last visited project.
    pub project: Option<ProjectRef>,
    /// All the person's projects.
    pub projects: Vec<ProjectRef>,
    /// Whether they are an operator of the installation.
    pub is_operator: bool,
    /// Whether they can create projects.
    pub may_create: bool,
    /// Whether they can triage here.
    pub can_triage: bool,
    /// Whether they can change settings, surveys and imports here.
    pub is_admin: bool,
}

/// A console page except its content.
#[derive(Debug, Clone)]
pub struct ConsoleShell {
    /// The document title: `Inbox · My app`.
    pub title: String,
    /// The request's CSP nonce.
    pub nonce: String,
    /// `auto`, `light` or `dark`.
    pub theme: String,
    /// Asset URLs.
    pub assets: ConsoleAssets,
    /// The frame, for signed-in people.
    pub chrome: Option<ConsoleFrame>,
    /// Current entry of the navigation.
    pub nav: Nav,
    /// A message about what just happened.
    pub flash: Option<Flash>,
    /// Base of the idempotency keys of the frame's forms (sign out, undo).
    pub idempotency_key: String,
}

/// A whole console document around `children`.
#[component]
pub fn ConsoleDocument(
    /// Everything except the content.
    shell: ConsoleShell,
    /// The page.
    children: Children,
) -> impl IntoView {
    let ConsoleShell { title, nonce, theme, assets, chrome, nav, flash, idempotency_key } = shell;
    let wasm = assets.wasm.clone();
    let can_triage = chrome.as_ref().is_some_and(|c| c.can_triage);
    let signed_in = chrome.is_some();
    let staff = chrome.as_ref().map(|c| c.staff_id.clone());
    view! {
        <html lang="en" data-theme=theme.clone()>
            <head>
                <meta charset="utf-8" />
                <meta name="viewport" content="width=device-width, initial-scale=1" />
                <meta name="color-scheme" content="light dark" />
                <title>{format!("{title} · Earshot")}</title>
                <link rel="icon" href="/favicon.svg" type="image/svg+xml" />
                <link rel="stylesheet" href=assets.css />
                {wasm.map(|(js, wasm)| view! {
                    <meta name="earshot-wasm" content=wasm data-js=js />
                    <script type="module" src=assets.js nonce=nonce></script>
                })}
            </head>
            <body class=if signed_in { "console" } else { "plain" } data-staff=staff>
                <a class="skip-link" href="#main">"Skip to content"</a>
                {chrome.map(|chrome| view! { <Navigation chrome=chrome nav=nav theme=theme.clone() idempotency_key=idempotency_key.clone() /> })}
                <main id="main" tabindex="-1">{children()}</main>
                <div id="toasts" class="toasts" data-part role="status" aria-live="polite">
                    {flash.map(|flash| view! { <Toast flash=flash idempotency_key=idempotency_key.clone() /> })}
                </div>
                {signed_in.then(|| view! { <KeysDialog in_inbox={nav == Nav::Inbox} can_triage=can_triage /> <Enhance /> <QuoteSelection /> })}
            </body>
        </html>
    }
}

/// The flash message with its undo.
#[component]
fn Toast(flash: Flash, idempotency_key: String) -> impl IntoView {
    view! {
        <div class="toast" class:toast-error=flash.is_error>
            <p>{flash.message}</p>
            {flash.undo.map(|undo| view! {
                <form method="post" action=undo.url data-enhance>
                    <input type="hidden" name="idempotency_key" value=format!("{idempotency_key}-undo") />
                    {undo.fields.into_iter().map(|(name, value)| view! {
                        <input type="hidden" name=name value=value />
                    }).collect_view()}
                    <button type="submit" class="button button-quiet">"Undo" <kbd>"Z"</kbd></button>
                </form>
            })}
            <button type="button" class="button button-quiet toast-close" data-close-toast aria-label="Close this message">"×"</button>
        </div>
    }
}

/// Navigation: project switch, sections, account menu. Menus are `<details>`, so that they work without JavaScript.
#[component]
fn Navigation(chrome: ConsoleFrame, nav: Nav, theme: String, idempotency_key: String) -> impl IntoView {
    let sections = chrome.project.clone().map(|project| {
        let entry = |path: &str, label: &'static str, at: Nav, key: &'static str| {
            let current = (at == nav).then_some("page");
            view! {
                <li><a href=format!("/p/{}/{path}", project.slug) aria-current=current data-key=key>{label}<kbd>{key}</kbd></a></li>
            }
        };
        view! {
            <ul class="nav-sections">
                {entry("inbox", "Inbox", Nav::Inbox, "g i")}
                {entry("tickets", "Tickets", Nav::Tickets, "g t")}
                {entry("backlog", "Backlog", Nav::Backlog, "g b")}
                {entry("surveys", "Surveys", Nav::Surveys, "g s")}
                {chrome.is_admin.then(|| entry("imports", "Imports", Nav::Imports, "g m"))}
                {entry("settings", "Settings", Nav::Settings, "g p")}
            </ul>
        }
    });
    let here = chrome.project.as_ref().map_or_else(|| "Projects".to_owned(), |p| p.name.clone());
    view! {
        <header class="nav">
            <a class="nav-logo" href="/" aria-label="Earshot, home"><Logo /></a>
            <details class="menu nav-project" name="menu">
                <summary>{here}</summary>
                <ul class="menu-list">
                    {chrome.projects.into_iter().map(|p| view! {
                        <li><a href=format!("/p/{}/inbox", p.slug)>{p.name}</a></li>
                    }).collect_view()}
                    {chrome.may_create.then(|| view! { <li class="menu-rule"><a href="/projects/new">"New project…"</a></li> })}
                </ul>
            </details>
            <nav aria-label="Sections">{sections}</nav>
            <details class="menu nav-account" name="menu">
                <summary>{chrome.staff_name}</summary>
                <div class="menu-list">
                    <p class="menu-note">{chrome.staff_email}</p>
                    <a href="/account">"Account and sessions"</a>
                    {chrome.is_operator.then(|| view! { <a href="/operator/mail">"E-mail and background jobs"</a> })}
                    <form method="post" action="/account/theme" class="theme-switch">
                        <input type="hidden" name="idempotency_key" value=format!("{idempotency_key}-theme") />
                        <span id="theme-label">"Theme"</span>
                        <span role="group" aria-labelledby="theme-label">
                            {[("light", "Light"), ("dark", "Dark"), ("auto", "Auto")].map(|(word, label)| {
                                let is_on = if word == theme { "true" } else { "false" };
                                view! { <button type="submit" name="theme" value=word aria-pressed=is_on>{label}</button> }
                            })}
                        </span>
                    </form>
                    <button type="button" class="button button-quiet keys-button" data-opens="keys">"Keyboard shortcuts" <kbd>"?"</kbd></button>
                    <form method="post" action="/sign-out">
                        <input type="hidden" name="idempotency_key" value=format!("{idempotency_key}-out") />
                        <button type="submit" class="button button-quiet">"Sign out"</button>
                    </form>
                </div>
            </details>
        </header>
    }
}
