//! Keeps a region marked `data-poll` up to date while something runs on the server: once a second, the page is fetched again and the region
//! replaced by the one with the same id, until the fetched one is no longer marked. Also submits a form marked `data-autosubmit` with its
//! button `data-preview` when a choice in it changes.

use leptos::prelude::*;

/// The island. Renders nothing.
#[island]
pub fn Poll() -> impl IntoView {
    #[cfg(feature = "hydrate")]
    Effect::new(|_| browser::start());
}

#[cfg(feature = "hydrate")]
mod browser {
    use std::time::Duration;

    use leptos::{ev, prelude::*};
    use wasm_bindgen::JsCast;
    use web_sys::{CustomEvent, HtmlElement, HtmlFormElement};

    use crate::islands::{dom, press};

    pub fn start() {
        let timer = set_interval_with_handle(look, Duration::from_secs(1)).ok();
        let change = window_event_listener(ev::change, |event| {
            let Some(form) = dom::closest(&event, "form[data-autosubmit]").and_then(|f| f.dyn_into::<HtmlFormElement>().ok()) else {
                return;
            };
            let button = form.query_selector("[data-preview]").ok().flatten().and_then(|b| b.dyn_into::<HtmlElement>().ok());
            if let Some(button) = button {
                button.click();
            }
        });
        on_cleanup(move || {
            change.remove();
            if let Some(timer) = timer {
                timer.clear();
            }
        });
    }

    fn look() {
        let Some(part) = dom::first("[data-poll]") else { return };
        if part.has_attribute("aria-busy") {
            return;
        }
        drop(part.set_attribute("aria-busy", "true"));
        leptos::task::spawn_local(async move {
            let url = dom::window().location().href().unwrap_or_default();
            let answer = dom::fetch(&url, None).await;
            press::released().await;
            drop(part.remove_attribute("aria-busy"));
            let Ok((_, 200, html)) = answer else { return };
            let Some(next) = dom::parse(&html) else { return };
            let Some(new) = next.get_element_by_id(&part.id()) else { return };
            let focus = dom::document().active_element().filter(|e| part.contains(Some(e))).map(|e| e.id());
            drop(part.replace_with_with_node_1(&new));
            if let Some(element) = focus.and_then(|id| dom::document().get_element_by_id(&id)) {
                drop(element.unchecked_into::<HtmlElement>().focus());
            }
            drop(CustomEvent::new("earshot:loaded").map(|e| dom::window().dispatch_event(&e)));
        });
    }
}
