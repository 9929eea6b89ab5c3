//! Forms of a ticket: reply, internal note, priority. Reply and note are separate forms that differ in look, texts and buttons, so that
//! nobody sends a note to the requester by accident.

use domain::tickets::{MAX_MESSAGE, MessageAuthor, Priority, TicketState};
use leptos::prelude::*;

use super::TicketView;
use crate::{
    components::{
        forms::{ActionFields, textarea_text},
        keys::{SEND_KEYS, SendKeys},
    },
    replies::picker::ReplyPicker,
};

/// The item's id, from its URL.
fn item_id(base: &str) -> String {
    base.rsplit('/').next().unwrap_or_default().to_owned()
}

/// The reply form.
#[component]
pub fn AnswerForm(
    /// The ticket.
    ticket: TicketView,
    /// The item's URL.
    base: String,
    /// A fresh idempotency key.
    form_key: String,
    /// The version shown.
    version: i64,
    /// Where the response redirects to.
    return_to: String,
) -> impl IntoView {
    let TicketView { requester, state, replies, typed, .. } = ticket;
    let error_at = |field: &str| typed.errors.message_for(field).map(ToOwned::to_owned);
    let (error, files_error) = (error_at("message"), error_at("files"));
    let (bad, bad_files) = (error.is_some(), files_error.is_some());
    let is_redisplayed = !typed.key.is_empty();
    let key = if is_redisplayed { typed.key } else { format!("{form_key}-answer") };
    let describedby = if bad { "answer-who answer-error" } else { "answer-who" };
    view! {
        <form method="post" action=format!("{base}/answer") enctype="multipart/form-data" class="answer-form stack-s" id="answer-form" data-draft=item_id(&base) data-enhance>
            <ActionFields key=key version=version return_to=return_to />
            {typed.conflict.map(|why| view! {
                <div class="notice notice-warn" role="alert" id="answer-conflict"><p><strong>"Not sent yet. "</strong>{why}</p></div>
            })}
            <div class="field" class:field-invalid=bad>
                <label for="answer">"Reply to " {requester} " " <kbd>"R"</kbd></label>
                <p class="hint" id="answer-who">"The requester sees this."</p>
                {error.map(|message| view! { <p class="field-error" id="answer-error">{message}</p> })}
                <textarea id="answer" name="message" rows="6" autofocus=is_redisplayed maxlength=MAX_MESSAGE aria-describedby=describedby aria-invalid=bad.then_some("true")>{textarea_text(&typed.answer)}</textarea>
            </div>
            <div class="answer-more">
                <ReplyPicker options=replies error=error_at("reply") />
                <span class="cluster answer-files">
                    {files_error.map(|message| view! { <p class="field-error" id="answer-files-error">{message}</p> })}
                    <label for="answer-files">"Files"</label>
                    <input type="file" id="answer-files" name="files" multiple aria-describedby=bad_files.then_some("answer-files-error") aria-invalid=bad_files.then_some("true") />
                </span>
            </div>
            {(!typed.files.is_empty()).then(|| view! {
                <p class="small">"Already attached: " {typed.files.join(", ")}</p>
            })}
            <div class="cluster">
                <button type="submit" id="answer-send" name="do" value="send" class="button button-primary" data-send aria-keyshortcuts=SEND_KEYS>"Send"<SendKeys /></button>
                <button type="submit" id="answer-close" name="do" value="close" class="button">{if state == TicketState::Closed { "Send and keep closed" } else { "Send and close" }}</button>
            </div>
        </form>
    }
    .into_any()
}

/// The form for an internal note.
#[component]
pub fn NoteForm(
    /// The ticket.
    ticket: TicketView,
    /// The item's URL.
    base: String,
    /// A fresh idempotency key.
    form_key: String,
    /// The version shown.
    version: i64,
    /// Where the response redirects to.
    return_to: String,
) -> impl IntoView {
    let typed = ticket.typed;
    let error = typed.errors.message_for("note").map(ToOwned::to_owned);
    let bad = error.is_some();
    let describedby = if bad { "note-who body-error" } else { "note-who" };
    view! {
        <form method="post" action=format!("{base}/note") class="note-form stack-s" id="note-form" data-draft=item_id(&base) data-enhance>
            <ActionFields key=format!("{form_key}-note") version=version return_to=return_to />
            <div class="field" class:field-invalid=bad>
                <label for="body">"Internal note " <kbd>"C"</kbd></label>
                <p class="hint" id="note-who">"Only your team sees it, never the requester."</p>
                {error.map(|message| view! { <p class="field-error" id="body-error">{message}</p> })}
                <textarea id="body" name="note" rows="2" maxlength=MAX_MESSAGE aria-describedby=describedby aria-invalid=bad.then_some("true")>{textarea_text(&typed.note)}</textarea>
            </div>
            <div><button type="submit" id="note-send" class="button button-small" data-send aria-keyshortcuts=SEND_KEYS>"Add note"<SendKeys /></button></div>
        </form>
    }
    .into_any()
}

/// Priority, and closing or reopening without a message.
#[component]
pub fn TicketForms(
    /// The ticket.
    ticket: TicketView,
    /// The item's URL.
    base: String,
    /// A fresh idempotency key.
    form_key: String,
    /// The version shown.
    version: i64,
    /// Where the response redirects to.
    return_to: String,
) -> impl IntoView {
    let closed = ticket.state == TicketState::Closed;
    let close = if ticket.messages.iter().any(|m| m.author == MessageAuthor::Staff) { "Close" } else { "Close without replying" };
    view! {
        <div class="cluster">
            <form method="post" action=format!("{base}/priority") class="cluster" id="priority-form" data-enhance>
                <ActionFields key=format!("{form_key}-p") version=version return_to=return_to.clone() />
                <label for="priority">"Priority" " " <kbd>"P"</kbd></label>
                <select id="priority" name="priority" class="fit" data-submit-on-enter>
                    {Priority::ALL.iter().map(|p| view! { <option value=p.as_str() selected=*p == ticket.priority>{p.label()}</option> }).collect_view()}
                </select>
                <button type="submit" id="priority-send" class="button button-small">"Set"</button>
            </form>
            {if closed {
                view! {
                    <form method="post" action=format!("{base}/reopen") class="cluster" id="reopen-form" data-enhance>
                        <ActionFields key=format!("{form_key}-o") version=version return_to=return_to />
                        <button type="submit" class="button button-small">"Reopen"</button>
                    </form>
                }.into_any()
            } else {
                view! {
                    <form method="post" action=format!("{base}/status") class="cluster" id="close-form" data-enhance>
                        <ActionFields key=format!("{form_key}-x") version=version return_to=return_to />
                        <button type="submit" name="status" value="resolved" class="button button-small">{close}</button>
                    </form>
                }.into_any()
            }}
        </div>
    }
    .into_any()
}
