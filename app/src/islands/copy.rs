//! Buttons that copy a text: `<button data-copy="#id">`. Without wasm, people select the text themselves.

use leptos::prelude::*;

/// The island. Renders nothing.
#[island]
pub fn Copy() -> impl IntoView {
    #[cfg(feature = "hydrate")]
    Effect::new(|_| {
        use wasm_bindgen::JsCast;

        use crate::islands::dom;

        let click = window_event_listener(leptos::ev::click, |event| {
            let Some(button) = dom::closest(&event, "button[data-copy]") else { return };
            let Some(source) = button.get_attribute("data-copy").and_then(|selector| dom::first(&selector)) else { return };
            let Ok(area) = source.dyn_into::<web_sys::HtmlTextAreaElement>() else { return };
            area.select();
            // In an insecure context there is no clipboard API: the text is selected, ready to copy by keyboard.
            if !dom::window().is_secure_context() {
                return;
            }
            let copying = dom::window().navigator().clipboard().write_text(&area.value());
            leptos::task::spawn_local(async move {
                if wasm_bindgen_futures::JsFuture::from(copying).await.is_ok() {
                    drop(button.set_attribute("aria-label", "Copied"));
                    button.set_text_content(Some("Copied"));
                }
            });
        });
        on_cleanup(move || click.remove());
    });
}
