//! Forms and links marked `data-enhance` are fetched instead of navigated to, and each region of the page marked `data-part` is replaced by
//! the region with the same id in the answer. The server sends the same pages as always; without wasm, everything
//! still works, only with a full page load.

use leptos::prelude::*;

/// The island. Draws nothing.
#[island]
pub fn Enhance() -> impl IntoView {
    #[cfg(feature = "hydrate")]
    Effect::new(|_| browser::start());
}

#[cfg(feature = "hydrate")]
pub use browser::visit;

#[cfg(feature = "hydrate")]
mod browser {
    use leptos::{ev, prelude::*};
    use wasm_bindgen::{JsCast, JsValue};
    use web_sys::{DomParser, FormData, HtmlElement, HtmlFormElement, SubmitEvent, SupportedType, UrlSearchParams};

    use crate::islands::dom;

    pub fn start() {
        let submit = window_event_listener(ev::submit, |event| on_submit(&event));
        let click = window_event_listener(ev::click, |event| on_click(&event));
        let back = window_event_listener(ev::popstate, |_| {
            let url = dom::window().location().href().unwrap_or_default();
            leptos::task::spawn_local(async move { load(url, None, false).await });
        });
        let keys = window_event_listener(ev::keydown, |event| on_key(&event));
        on_cleanup(move || {
            submit.remove();
            click.remove();
            back.remove();
            keys.remove();
        });
    }

    fn on_submit(event: &SubmitEvent) {
        if event.default_prevented() {
            return;
        }
        let Some(form) = event.target().and_then(|t| t.dyn_into::<HtmlFormElement>().ok()) else { return };
        if !form.has_attribute("data-enhance") {
            return;
        }
        let Ok(data) = FormData::new_with_form(&form) else { return };
        let mut action = form.get_attribute("action").unwrap_or_default();
        if let Some(button) = event.submitter().and_then(|b| b.dyn_into::<HtmlElement>().ok()) {
            if let Some(name) = button.get_attribute("name") {
                drop(data.append_with_str(&name, &button.get_attribute("value").unwrap_or_default()));
            }
            if let Some(other) = button.get_attribute("formaction") {
                action = other;
            }
        }
        let Ok(params) = UrlSearchParams::new_with_str_sequence_sequence(&data) else { return };
        event.prevent_default();
        form.set_attribute("aria-busy", "true").ok();
        let is_post = form.method() == "post";
        leptos::task::spawn_local(async move {
            if is_post {
                load(action, Some(params.into()), true).await;
            } else {
                load(format!("{action}?{}", String::from(params.to_string())), None, true).await;
            }
            form.remove_attribute("aria-busy").ok();
        });
    }

    fn on_click(event: &web_sys::MouseEvent) {
        if event.default_prevented() || event.button() != 0 || event.ctrl_key() || event.meta_key() || event.shift_key() {
            return;
        }
        let Some(link) = dom::closest(event, "a[data-enhance]") else { return };
        let Some(url) = link.get_attribute("href") else { return };
        event.prevent_default();
        visit(url);
    }

    /// `g` then a letter goes to a section; `z` takes back; Escape closes menus.
    fn on_key(event: &web_sys::KeyboardEvent) {
        if dom::is_typing(event) || event.ctrl_key() || event.meta_key() || event.alt_key() {
            return;
        }
        let key = event.key();
        let body = dom::first("body");
        let waiting = body.as_ref().and_then(|b| b.dataset().get("keys")).unwrap_or_default();
        if let Some(body) = &body {
            body.dataset().delete("keys");
        }
        if waiting == "g" {
            let chord = format!("g {key}");
            if let Some(link) = dom::all("a[data-key]").into_iter().find(|a| a.get_attribute("data-key").as_deref() == Some(&chord)) {
                event.prevent_default();
                link.unchecked_into::<HtmlElement>().click();
            }
            return;
        }
        match key.as_str() {
            "g" => {
                if let Some(body) = body {
                    drop(body.dataset().set("keys", "g"));
                }
            }
            "z" => {
                if let Some(button) = dom::first("#toasts button") {
                    event.prevent_default();
                    button.click();
                }
            }
            "Escape" => {
                for menu in dom::all("details.menu[open]") {
                    drop(menu.remove_attribute("open"));
                }
            }
            _ => {}
        }
    }

    /// Goes to a page of ours by replacing the parts of this one.
    pub fn visit(url: String) {
        leptos::task::spawn_local(async move { load(url, None, true).await });
    }

    /// Fetches `url` and puts the answer's parts in place; a page that shares no part with this one, or a failure to
    /// fetch, becomes an ordinary navigation or a message.
    async fn load(url: String, body: Option<JsValue>, push: bool) {
        drop(dom::first("body").map(|b| b.set_attribute("data-loading", "")));
        let answer = dom::fetch(&url, body.as_ref()).await;
        drop(dom::first("body").map(|b| b.remove_attribute("data-loading")));
        let Ok((to, _status, html)) = answer else {
            say("No connection. Nothing was lost; try again.");
            return;
        };
        let Some(next) = DomParser::new().ok().and_then(|p| p.parse_from_string(&html, SupportedType::TextHtml).ok()) else { return };
        let focus = dom::document().active_element().map(|e| e.id()).filter(|id| !id.is_empty());
        let mut replaced = 0;
        for part in dom::all("[data-part]") {
            let Some(new) = next.get_element_by_id(&part.id()) else { continue };
            let scroll = part.scroll_top();
            drop(part.replace_with_with_node_1(&new));
            new.set_scroll_top(scroll);
            if part.id() != "toasts" {
                replaced += 1;
            }
        }
        if replaced == 0 {
            drop(dom::window().location().set_href(&to));
            return;
        }
        dom::document().set_title(&next.title());
        if push && to != dom::window().location().href().unwrap_or_default() {
            drop(dom::window().history().and_then(|h| h.push_state_with_url(&JsValue::NULL, "", Some(&to))));
        }
        if let Some(element) = focus.and_then(|id| dom::document().get_element_by_id(&id)) {
            drop(element.unchecked_into::<HtmlElement>().focus());
        }
        let event = web_sys::CustomEvent::new("earshot:loaded");
        drop(event.map(|e| dom::window().dispatch_event(&e)));
    }

    fn say(message: &str) {
        let Some(toasts) = dom::first("#toasts") else { return };
        let Ok(toast) = dom::document().create_element("div") else { return };
        toast.set_class_name("toast toast-error");
        toast.set_text_content(Some(message));
        toasts.set_text_content(None);
        drop(toasts.append_child(&toast));
    }
}
