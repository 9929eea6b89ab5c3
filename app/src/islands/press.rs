//! Whether a pointer or the space bar is pressed. A press becomes a click only if its element is still in the page at the release: content
//! that is replaced meanwhile swallows the click. Whoever replaces a part of the page waits for [`released`] first.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use js_sys::{Function, Promise};
use leptos::{ev, leptos_dom::helpers::WindowListenerHandle, prelude::*};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

use super::dom;

/// How long a press delays new content: the release of a pointer outside the window may go unnoticed.
const LONGEST: Duration = Duration::from_secs(3);

thread_local! {
    static IS_PRESSED: Cell<bool> = const { Cell::new(false) };
    /// Resolves the promises of those that wait for the release.
    static WAITING: RefCell<Vec<Function>> = const { RefCell::new(Vec::new()) };
}

/// Listens to presses; returns the listeners.
pub fn start() -> Vec<WindowListenerHandle> {
    vec![
        window_event_listener(ev::pointerdown, |_| IS_PRESSED.set(true)),
        window_event_listener(ev::pointerup, |_| release_soon()),
        window_event_listener(ev::pointercancel, |_| release_soon()),
        window_event_listener(ev::keydown, |event| {
            if event.key() == " " && !dom::is_typing(&event) {
                IS_PRESSED.set(true);
            }
        }),
        window_event_listener(ev::keyup, |_| release_soon()),
        window_event_listener(ev::blur, |_| release_soon()),
    ]
}

/// Returns when nothing is pressed, after the click that the press became.
pub async fn released() {
    if !IS_PRESSED.get() {
        return;
    }
    let promise = Promise::new(&mut |resolve, _| {
        WAITING.with_borrow_mut(|waiting| waiting.push(resolve.clone()));
        set_timeout(move || call(&resolve), LONGEST);
    });
    drop(JsFuture::from(promise).await);
}

/// The click follows the release in the same task; what waits runs in a later one.
fn release_soon() {
    if IS_PRESSED.replace(false) {
        set_timeout(release, Duration::ZERO);
    }
}

fn release() {
    WAITING.take().iter().for_each(call);
}

fn call(resolve: &Function) {
    drop(resolve.call0(&JsValue::NULL));
}
