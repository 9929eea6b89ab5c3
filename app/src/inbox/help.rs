//! Help for the query language.

use leptos::prelude::*;

const SYNTAX: &[(&str, &str)] = &[
    ("slow checkout", "both words, in any form; longer words may be misspelled"),
    ("invoice OR bill", "either word; also between phrases"),
    ("\"log in\"", "these words next to each other"),
    ("-refund", "excludes this; also works with everything below, but not with numbers"),
    ("status:new", "new, triaged, linked, resolved or spam; repeat it to match either; is:new is the same"),
    ("score:<=6", "also >=, <, >, one number, or a range like 3..5"),
    ("tag:billing", "a tag"),
    ("kind:ticket priority:urgent", "tickets: low, normal, high or urgent"),
    ("assignee:me", "me, none, or an e-mail address"),
    ("has:link", "link, comment, contact, text, score or tag"),
    ("survey:\"After checkout\"", "a survey, by name"),
    ("after:7d before:2026-11-01", "since or before a date, in the project’s time zone; also 7d, 2w, 3m ago"),
    ("release:2.4 env:production lang:de kind:import", "where it came from"),
];

/// The query syntax, collapsed under the search box.
#[component]
pub fn SyntaxHelp() -> impl IntoView {
    view! {
        <details class="syntax-help">
            <summary>"Search syntax"</summary>
            <dl class="syntax">
                {SYNTAX.iter().map(|(write, means)| view! { <dt><code>{*write}</code></dt><dd>{*means}</dd> }).collect_view()}
            </dl>
            <p class="small muted">"Spam is hidden unless you search for status:spam."</p>
        </details>
    }
    .into_any()
}
