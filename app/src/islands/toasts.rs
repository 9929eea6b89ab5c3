//! Toasts, some with an undo button. A toast disappears automatically; `z` undoes the last steps for some minutes longer, one after the
//! other.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement, HtmlFormElement};

use super::dom;

/// How long a message without an action is shown.
const READING_TIME: Duration = Duration::from_secs(6);
/// How long a message with an undo button is shown.
const CHOOSING_TIME: Duration = Duration::from_secs(10);
/// How long steps can be undone by key, in milliseconds. After that, people no longer know what the key would undo.
const MEMORY: f64 = 300_000.0;
/// The maximum number of steps.
const STEPS: usize = 20;

thread_local! {
    /// The undo forms, most recent last, with the time each was offered.
    static STEPS_BACK: RefCell<Vec<(HtmlFormElement, f64)>> = const { RefCell::new(Vec::new()) };
    /// An undo is running.
    static TAKEN_BACK: Cell<bool> = const { Cell::new(false) };
}

fn form_of(toast: &Element) -> Option<HtmlFormElement> {
    toast.query_selector("form").ok()??.dyn_into().ok()
}

/// Remembers the undo form of the page's message, and schedules its removal.
pub fn begin() {
    let Some(toast) = dom::first("#toasts .toast:not(.toast-error)") else { return };
    let form = form_of(&toast);
    let time = if form.is_some() { CHOOSING_TIME } else { READING_TIME };
    if let Some(form) = form {
        offer(form);
    }
    leave(toast, time);
}

/// Pushes the form onto the undo stack.
pub fn offer(form: HtmlFormElement) {
    STEPS_BACK.with_borrow_mut(|steps| {
        steps.push((form, js_sys::Date::now()));
        if steps.len() > STEPS {
            steps.remove(0);
        }
    });
}

/// Removes a message after a time, unless it is hovered or focused.
fn leave(toast: HtmlElement, time: Duration) {
    set_timeout(
        move || {
            if toast.matches(":hover, :focus-within").unwrap_or_default() {
                leave(toast, time);
            } else {
                toast.remove();
            }
        },
        time,
    );
}

/// Replaces the messages by those of a fetched page. Without new ones, an undo message stays visible.
pub fn replace(old: &Element, new: &Element) {
    if new.first_element_child().is_some() {
        drop(old.replace_with_with_node_1(new));
        begin();
    } else if let Ok(Some(error)) = old.query_selector(".toast-error") {
        error.remove();
    }
}

/// Undoes the last step that can be undone; `send` sends a form that is no longer part of the page.
pub fn undo(send: impl FnOnce(&HtmlFormElement)) -> bool {
    let oldest = js_sys::Date::now() - MEMORY;
    let last = STEPS_BACK.with_borrow_mut(|steps| {
        steps.retain(|(_, at)| *at > oldest);
        steps.last().map(|(form, _)| form.clone())
    });
    let Some(form) = last else { return false };
    if form.is_connected() {
        return form.request_submit().is_ok();
    }
    // The survey editor has its own undo.
    if dom::first("#editor").is_none() {
        send(&form);
    }
    true
}

/// Called when a form is sent: returns whether it is an undo form, and if so removes it from the stack.
pub fn take(form: &HtmlFormElement) -> bool {
    STEPS_BACK.with_borrow_mut(|steps| {
        let before = steps.len();
        steps.retain(|(step, _)| !step.is_same_node(Some(form)));
        let taken = steps.len() < before;
        TAKEN_BACK.set(taken);
        taken
    })
}

/// Whether the page just loaded is the result of an undo; resets the flag.
pub fn was_undo() -> bool {
    TAKEN_BACK.take()
}

/// Shows an error until it is closed or another page is loaded.
pub fn say(message: &str) {
    let Some(toasts) = dom::first("#toasts") else { return };
    let make = |tag: &str, class: &str, text: &str| {
        let element = dom::document().create_element(tag).ok()?;
        element.set_class_name(class);
        element.set_text_content(Some(text));
        Some(element)
    };
    let (Some(toast), Some(text), Some(close)) =
        (make("div", "toast toast-error", ""), make("p", "", message), make("button", "button button-quiet toast-close", "×"))
    else {
        return;
    };
    for (name, value) in [("type", "button"), ("data-close-toast", ""), ("aria-label", "Close this message")] {
        drop(close.set_attribute(name, value));
    }
    toasts.set_text_content(None);
    drop(toast.append_child(&text));
    drop(toast.append_child(&close));
    drop(toasts.append_child(&toast));
}
