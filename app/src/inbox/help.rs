//! What the query language understands, and the keys.

use leptos::prelude::*;

const SYNTAX: &[(&str, &str)] = &[
    ("slow checkout", "both words, in any of their forms; longer words may be misspelled"),
    ("\"log in\"", "these words next to each other"),
    ("-refund", "without this; works before everything below too"),
    ("status:new", "new, triaged, linked, resolved or spam; written twice, either"),
    ("score:<=6", "also >=, <, >, one number, or a range like 3..5"),
    ("tag:billing", "a tag"),
    ("assignee:me", "me, none, or an e-mail address"),
    ("has:link", "link, comment, contact, text, score or tag"),
    ("survey:\"After checkout\"", "a survey by its name"),
    ("after:7d before:2026-11-01", "a day, or 7d, 2w, 3m ago"),
    ("release:2.4 env:production lang:de kind:api", "where it came from"),
];

/// The query language in a fold under the search box.
#[component]
pub fn SyntaxHelp() -> impl IntoView {
    view! {
        <details class="syntax-help">
            <summary>"What can I write here?"</summary>
            <dl class="syntax">
                {SYNTAX.iter().map(|(write, means)| view! { <dt><code>{*write}</code></dt><dd>{*means}</dd> }).collect_view()}
            </dl>
            <p class="small muted">"Spam is left out unless you ask for status:spam."</p>
        </details>
    }
    .into_any()
}

const READING: &[(&str, &str)] = &[
    ("J", "next item"),
    ("K", "previous item"),
    ("Enter", "open the item"),
    ("Esc", "close the item, leave a field"),
    ("/", "search"),
    ("[", "previous page"),
    ("]", "next page"),
    ("?", "these keys"),
];

const TRIAGING: &[(&str, &str)] = &[
    ("E", "resolve"),
    ("S", "mark as spam, or say that it is none"),
    ("A", "assign"),
    ("T", "tag"),
    ("L", "link to a backlog item"),
    ("C", "comment"),
    ("X", "select; with Shift all from the last one"),
    ("Z or U", "undo"),
];

/// The keys, in a dialog that `?` opens.
#[component]
pub fn KeysDialog(
    /// Whether the person may change anything.
    can_triage: bool,
) -> impl IntoView {
    let keys = |list: &'static [(&'static str, &'static str)]| {
        list.iter().map(|(key, does)| view! { <dt><kbd>{*key}</kbd></dt><dd>{*does}</dd> }).collect_view()
    };
    view! {
        <dialog id="keys" aria-labelledby="keys-title">
            <form method="dialog" class="stack">
                <h2 id="keys-title">"Keys"</h2>
                <dl class="keys">
                    {keys(READING)}
                    {can_triage.then(|| keys(TRIAGING))}
                </dl>
                <div class="form-actions"><button class="button">"Close"</button></div>
            </form>
        </dialog>
    }
    .into_any()
}
