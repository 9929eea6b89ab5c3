//! Small DOM helpers that fail silently: an island that cannot work leaves the plain page.

use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Document, DomParser, Element, HtmlDialogElement, HtmlElement, RequestInit, Response, SupportedType, Window};

/// The window; there is always one where islands run.
pub fn window() -> Window {
    leptos::prelude::window()
}

/// The document.
pub fn document() -> Document {
    leptos::prelude::document()
}

/// All elements that match, as a snapshot rather than a live list.
pub fn all(selector: &str) -> Vec<Element> {
    let Ok(list) = document().query_selector_all(selector) else { return Vec::new() };
    (0..list.length()).filter_map(|i| list.item(i)?.dyn_into().ok()).collect()
}

/// The first element that matches.
pub fn first(selector: &str) -> Option<HtmlElement> {
    document().query_selector(selector).ok()??.dyn_into().ok()
}

/// The event's target or its nearest ancestor that matches.
pub fn closest(event: &web_sys::Event, selector: &str) -> Option<HtmlElement> {
    event.target()?.dyn_into::<Element>().ok()?.closest(selector).ok()??.dyn_into().ok()
}

/// Whether the user is typing, so that single keys are text.
pub fn is_typing(event: &web_sys::Event) -> bool {
    closest(event, "input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]").is_some()
}

/// The storage key for single-key shortcuts being off (WCAG 2.2, 2.1.4).
const KEYS: &str = "earshot:keys";

/// Whether single-key shortcuts are on.
pub fn keys_are_on() -> bool {
    let stored = window().local_storage().ok().flatten().and_then(|s| s.get_item(KEYS).ok().flatten());
    stored.as_deref() != Some("off")
}

/// Turns single-key shortcuts on or off on this device.
pub fn set_keys(on: bool) {
    if let Ok(Some(storage)) = window().local_storage() {
        drop(if on { storage.remove_item(KEYS) } else { storage.set_item(KEYS, "off") });
    }
    if let Some(root) = document().document_element() {
        drop(if on { root.remove_attribute("data-keys-off") } else { root.set_attribute("data-keys-off", "") });
    }
}

/// Opens the dialog with this id.
pub fn show_dialog(id: &str) -> bool {
    let dialog = document().get_element_by_id(id).and_then(|e| e.dyn_into::<HtmlDialogElement>().ok());
    dialog.is_some_and(|dialog| dialog.show_modal().is_ok())
}

/// Parses a fetched page and removes its `<noscript>` elements: the parser treats their content as markup, which would become active
/// in this document.
pub fn parse(html: &str) -> Option<Document> {
    let page = DomParser::new().ok()?.parse_from_string(html, SupportedType::TextHtml).ok()?;
    let list = page.query_selector_all("noscript").ok()?;
    for element in (0..list.length()).filter_map(|i| list.item(i)?.dyn_into::<Element>().ok()) {
        element.remove();
    }
    Some(page)
}

/// The error message of a fetched page.
pub fn refusal(page: &Document) -> Option<String> {
    page.query_selector("[data-refusal]").ok()??.text_content()
}

/// Fetches with the page's cookies; posts `body` if there is one. Returns the final URL (after redirects), the status and the text.
///
/// # Errors
/// The browser's error if the network fails.
pub async fn fetch(url: &str, body: Option<&JsValue>) -> Result<(String, u16, String), JsValue> {
    let init = RequestInit::new();
    init.set_credentials(web_sys::RequestCredentials::SameOrigin);
    if let Some(body) = body {
        init.set_method("POST");
        init.set_body(body);
    }
    let response: Response = JsFuture::from(window().fetch_with_str_and_init(url, &init)).await?.dyn_into()?;
    let text = JsFuture::from(response.text()?).await?.as_string().unwrap_or_default();
    Ok((response.url(), response.status(), text))
}
