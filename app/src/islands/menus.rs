//! Menus are `<details class="menu">`: they close on a click outside, when the focus leaves, and on Escape.

use leptos::{ev, leptos_dom::helpers::WindowListenerHandle, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::{Element, Event, HtmlElement, Node};

use super::dom;

pub fn start() -> [WindowListenerHandle; 2] {
    [
        window_event_listener(ev::pointerdown, |event| close_unless_inside(&event)),
        window_event_listener(ev::focusin, |event| close_unless_inside(&event)),
    ]
}

fn open() -> Vec<Element> {
    dom::all("details.menu[open]")
}

/// Whether a menu is open, so that Escape closes it and nothing else.
pub fn is_open() -> bool {
    !open().is_empty()
}

fn close_unless_inside(event: &Event) {
    let target = event.target().and_then(|t| t.dyn_into::<Node>().ok());
    for menu in open().iter().filter(|menu| !menu.contains(target.as_ref())) {
        drop(menu.remove_attribute("open"));
    }
}

/// Closes all menus; if the focus was inside one, it returns to the menu's button.
pub fn close() {
    for menu in open() {
        let within = menu.contains(dom::document().active_element().as_deref());
        drop(menu.remove_attribute("open"));
        if let (true, Ok(Some(summary))) = (within, menu.query_selector("summary")) {
            drop(summary.unchecked_into::<HtmlElement>().focus());
        }
    }
}
