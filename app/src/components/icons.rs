//! Inline SVG icons. Decorative: each is next to a text or inside a labelled control.

use leptos::prelude::*;

/// The logo: an ear as two arcs around a dot.
#[component]
pub fn Logo() -> impl IntoView {
    view! {
        <svg class="logo" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="2.2" stroke-linecap="round">
            <path d="M7 20c2.6 1.6 5 .2 5.6-2.4.5-2.3 1.2-2.8 2.6-4C17 12 18 10.600 18 8.800A6.300 6.300 0 0 0 5.400 8.800" />
            <path d="M9 9a2.800 2.800 0 0 1 5.500.3c0 1.700-1.300 2.300-2.200 3.200" />
        </svg>
    }
}
