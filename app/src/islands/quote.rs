//! Text selected in an element marked `data-quote-source` becomes the quote of the link form (`data-quote-target`).

use leptos::prelude::*;

/// The island. Renders nothing.
#[island]
pub fn QuoteSelection() -> impl IntoView {
    #[cfg(feature = "hydrate")]
    Effect::new(|_| browser::start());
}

#[cfg(feature = "hydrate")]
mod browser {
    use leptos::{ev, prelude::*};
    use wasm_bindgen::JsCast;
    use web_sys::{Element, HtmlTextAreaElement, Node};

    use crate::islands::dom;

    pub fn start() {
        let mouse = window_event_listener(ev::mouseup, |_| take());
        let touch = window_event_listener(ev::touchend, |_| take());
        let keys = window_event_listener(ev::keyup, |event| {
            if event.shift_key() || event.key() == "Shift" {
                take();
            }
        });
        on_cleanup(move || {
            mouse.remove();
            touch.remove();
            keys.remove();
        });
    }

    fn inside_source(node: Option<Node>) -> bool {
        let element = node.and_then(|n| n.dyn_ref::<Element>().cloned().or_else(|| n.parent_element()));
        element.and_then(|e| e.closest("[data-quote-source]").ok().flatten()).is_some()
    }

    fn take() {
        let Ok(Some(selection)) = dom::window().get_selection() else { return };
        if selection.is_collapsed() || !inside_source(selection.anchor_node()) || !inside_source(selection.focus_node()) {
            return;
        }
        let words = String::from(selection.to_string());
        let words = words.trim();
        let Some(target) = dom::first("[data-quote-target]").and_then(|e| e.dyn_into::<HtmlTextAreaElement>().ok()) else { return };
        if !words.is_empty() {
            target.set_value(words);
        }
    }
}
