//! Inserting a canned reply into the reply to a ticket.

use leptos::prelude::*;

/// The canned replies that a person can insert: id and name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplyOptions(pub Vec<(String, String)>);

/// The choice of a canned reply in the form of an answer, with a button of its own; nothing if there are none.
#[component]
pub fn ReplyPicker(
    /// The replies.
    options: ReplyOptions,
    /// Why the choice was refused.
    error: Option<String>,
) -> impl IntoView {
    let bad = error.is_some();
    (!options.0.is_empty()).then(|| {
        view! {
            <span class="cluster">
                {error.map(|message| view! { <p class="field-error" id="canned-error">{message}</p> })}
                <label for="canned">"Canned reply"</label>
                <select id="canned" name="reply" class="fit" aria-describedby=bad.then_some("canned-error") aria-invalid=bad.then_some("true")>
                    <option value="">"Choose…"</option>
                    {options.0.into_iter().map(|(id, name)| view! { <option value=id>{name}</option> }).collect_view()}
                </select>
                <button type="submit" id="canned-insert" name="do" value="insert" class="button button-small">"Insert"</button>
            </span>
        }
    })
}
