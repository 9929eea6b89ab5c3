//! Asks for confirmation before leaving a page with unsaved input. The inbox keeps drafts ([`super::drafts`]) and the survey editor saves
//! automatically, so this covers the other forms.

use std::cell::RefCell;

use leptos::{ev, leptos_dom::helpers::WindowListenerHandle, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlFormElement, HtmlInputElement, HtmlTextAreaElement};

use super::dom;

thread_local! {
    /// The form whose submission leaves the page.
    static SENT: RefCell<Option<HtmlFormElement>> = const { RefCell::new(None) };
}

pub fn start() -> [WindowListenerHandle; 2] {
    [
        window_event_listener(ev::submit, |event| {
            // Enhanced forms do not leave the page.
            if event.default_prevented() {
                return;
            }
            let form = event.target().and_then(|t| t.dyn_into::<HtmlFormElement>().ok());
            SENT.with_borrow_mut(|sent| *sent = form);
        }),
        window_event_listener(ev::beforeunload, |event| {
            if dom::first(".inbox, #editor").is_none() && dom::all("main form[method=post] :is(input, textarea)").iter().any(is_unsent) {
                event.prevent_default();
            }
        }),
    ]
}

fn is_unsent(field: &Element) -> bool {
    let form = field.closest("form").ok().flatten();
    if SENT.with_borrow(|sent| sent.as_ref().is_some_and(|s| form.as_ref().is_some_and(|f| s.is_same_node(Some(f))))) {
        return false;
    }
    if let Some(area) = field.dyn_ref::<HtmlTextAreaElement>() {
        return area.value() != area.default_value().unwrap_or_default();
    }
    field.dyn_ref::<HtmlInputElement>().is_some_and(|input| match input.type_().as_str() {
        "hidden" | "file" | "password" => false,
        "checkbox" | "radio" => input.checked() != input.default_checked(),
        _ => input.value() != input.default_value(),
    })
}
