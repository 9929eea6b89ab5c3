//! Browser side of the console. The islands are in `app`; this separate crate builds them as a library, so that the server does not
//! link a library it never uses.
#![cfg(target_arch = "wasm32")]
// wasm-bindgen writes items without documentation.
#![allow(missing_docs)]

// Islands are found by the names that `app` exports.
use app as _;

/// The browser's entry point; islands are hydrated one by one afterwards by `public/console.js`.
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    leptos::mount::hydrate_islands();
}
