//! Autosave, reordering and preview in the survey editor.

use leptos::prelude::*;

/// The island. Draws the line that says whether everything is saved.
#[island]
pub fn SurveyEditor() -> impl IntoView {
    view! {
        <p class="editor-status small muted" id="editor-status" role="status"></p>
    }
}
