//! Stores text typed into forms marked `data-draft` (the id of their item) on this device until it is sent, so that it is not lost when
//! another item is opened. The list marks items that have a draft. Drafts belong to the account that typed them: another account never
//! sees them, and signing out removes them.

use std::collections::BTreeSet;

use leptos::{ev, leptos_dom::helpers::WindowListenerHandle, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::{Element, Event, HtmlElement, HtmlFormElement, HtmlTextAreaElement, Storage};

use super::dom;

/// Followed by account id, item id and field name, separated by colons.
const PREFIX: &str = "earshot:draft:";

pub fn start() -> [WindowListenerHandle; 3] {
    // Remove the drafts of an expired session.
    let own = own();
    remove(|key| !key.starts_with(&own));
    restore();
    [
        window_event_listener(ev::input, |event| on_input(&event)),
        window_event_listener(ev::submit, |event| {
            if dom::closest(&event, "form[action='/sign-out']").is_some() {
                remove(|_| true);
            }
        }),
        window_event_listener_untyped("earshot:loaded", |_| restore()),
    ]
}

fn storage() -> Option<Storage> {
    dom::window().local_storage().ok().flatten()
}

/// The prefix of this account's draft keys.
fn own() -> String {
    let staff = dom::first("body").and_then(|body| body.dataset().get("staff")).unwrap_or_default();
    format!("{PREFIX}{staff}:")
}

fn key(area: &HtmlTextAreaElement) -> Option<String> {
    let item = area.closest("form[data-draft]").ok()??.get_attribute("data-draft")?;
    Some(format!("{}{item}:{}", own(), area.name()))
}

fn keys() -> Vec<String> {
    let Some(storage) = storage() else { return Vec::new() };
    let all = (0..storage.length().unwrap_or_default()).filter_map(|n| storage.key(n).ok().flatten());
    all.filter(|key| key.starts_with(PREFIX)).collect()
}

fn remove(which: impl Fn(&str) -> bool) {
    for key in keys().iter().filter(|key| which(key)) {
        drop(storage().map(|s| s.remove_item(key)));
    }
}

fn keep(area: &HtmlTextAreaElement, text: &str) {
    if let (Some(key), Some(storage)) = (key(area), storage()) {
        drop(if text.trim().is_empty() { storage.remove_item(&key) } else { storage.set_item(&key, text) });
    }
}

fn on_input(event: &Event) {
    if let Some(area) = dom::closest(event, "form[data-draft] textarea").and_then(|a| a.dyn_into::<HtmlTextAreaElement>().ok()) {
        keep(&area, &area.value());
        mark();
    }
}

/// Deletes the drafts of a form that was sent.
pub fn forget(form: &HtmlFormElement) {
    let Ok(areas) = form.query_selector_all("textarea") else { return };
    for area in (0..areas.length()).filter_map(|n| areas.item(n)?.dyn_into::<HtmlTextAreaElement>().ok()) {
        keep(&area, "");
    }
}

/// Restores drafts into empty fields of the page. A text that the server returned with a rejected form is newer than the draft.
fn restore() {
    for area in dom::all("form[data-draft] textarea").into_iter().filter_map(|a| a.dyn_into::<HtmlTextAreaElement>().ok()) {
        let sent_back = area.default_value().unwrap_or_default();
        if !sent_back.is_empty() {
            keep(&area, &area.value());
        } else if area.value().is_empty()
            && let Some(text) = key(&area).and_then(|key| storage()?.get_item(&key).ok().flatten())
        {
            area.set_value(&text);
        }
    }
    mark();
}

/// Marks the rows of items with a draft.
pub fn mark() {
    let own = own();
    let items: BTreeSet<String> =
        keys().iter().filter_map(|key| key.strip_prefix(&own)?.split_once(':').map(|(item, _)| item.to_owned())).collect();
    for row in dom::all(".inbox-row").into_iter().filter_map(|row| row.dyn_into::<HtmlElement>().ok()) {
        let has = row.dataset().get("id").is_some_and(|id| items.contains(&id));
        let mark = row.query_selector(".row-draft").ok().flatten();
        if let (false, Some(mark)) = (has, &mark) {
            mark.remove();
        } else if has && mark.is_none() {
            add_mark(&row);
        }
    }
}

fn add_mark(row: &Element) {
    let (Ok(Some(meta)), Ok(mark)) = (row.query_selector(".row-meta"), dom::document().create_element("span")) else { return };
    mark.set_class_name("badge row-draft");
    mark.set_text_content(Some("Draft"));
    drop(meta.insert_before(&mark, meta.query_selector(".row-source").ok().flatten().as_deref()));
}
