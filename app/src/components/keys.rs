//! The keyboard shortcuts of the console, in a dialog that `?` opens on every page.

use leptos::prelude::*;

type KeyBindings = &'static [(&'static str, &'static str)];

/// The shortcut that submits the form being edited, for `aria-keyshortcuts` on a button marked `data-send`.
pub const SEND_KEYS: &str = "Control+Enter Meta+Enter";

/// The same shortcut as a visible hint; hidden from the button's accessible name.
#[component]
pub fn SendKeys() -> impl IntoView {
    view! { <kbd aria-hidden="true" class="send-keys">"Ctrl ⏎"</kbd> }
}

const EVERYWHERE: KeyBindings = &[
    ("G I", "inbox"),
    ("G T", "tickets"),
    ("G B", "backlog"),
    ("G S", "surveys"),
    ("J", "next item in a list"),
    ("K", "previous item"),
    ("Enter", "open the item"),
    ("/", "search"),
    ("Z", "undo; again to undo the step before"),
    ("Ctrl ⏎", "send what you are writing (⌘ ⏎ on a Mac)"),
    ("Esc", "close, or leave a field"),
    ("?", "keyboard shortcuts"),
];

const INBOX: KeyBindings = &[("[", "previous page"), ("]", "next page")];

const TRIAGING: KeyBindings = &[
    ("E", "resolve"),
    ("S", "mark or unmark spam"),
    ("1 2 3", "set status to New, Triaged, Resolved"),
    ("A", "assign"),
    ("T", "tag"),
    ("L", "link to a backlog item"),
    ("C", "comment; in a ticket, an internal note"),
    ("R", "reply to a ticket"),
    ("P", "set the priority of a ticket"),
    ("X", "select; with Shift, select a range"),
];

/// The dialog. Without scripts there are no shortcuts, and it stays closed.
#[component]
pub fn KeysDialog(
    /// Whether the page is the inbox, which has more shortcuts.
    in_inbox: bool,
    /// Whether the user can change anything.
    can_triage: bool,
) -> impl IntoView {
    let keys = |list: KeyBindings| list.iter().map(|(key, does)| view! { <dt><kbd>{*key}</kbd></dt><dd>{*does}</dd> }).collect_view();
    view! {
        <dialog id="keys" aria-labelledby="keys-title">
            <form method="dialog" class="stack">
                <h2 id="keys-title">"Keyboard shortcuts"</h2>
                <dl class="keys">
                    {keys(EVERYWHERE)}
                    {in_inbox.then(|| keys(INBOX))}
                    {(in_inbox && can_triage).then(|| keys(TRIAGING))}
                </dl>
                <label class="check"><input type="checkbox" data-single-keys checked />"Single-key shortcuts on this device"</label>
                <p class="hint">"Turn these off if you use dictation, or if your screen reader uses the same keys."</p>
                <div class="form-actions"><button class="button">"Close"</button></div>
            </form>
        </dialog>
    }
    .into_any()
}
