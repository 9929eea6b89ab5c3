//! Rendering of views to HTML.

use std::sync::Arc;

use hydration_context::SsrSharedContext;
use leptos::prelude::*;

/// Renders a whole document. `view` runs inside a reactive owner of its own, in islands mode: only islands carry hydration marks.
pub fn document<V: IntoView + 'static>(view: impl FnOnce() -> V) -> String {
    let owner = Owner::new_root(Some(Arc::new(SsrSharedContext::new_islands())));
    let html = owner.with(|| view().into_view().to_html());
    owner.cleanup();
    format!("<!DOCTYPE html>{}", without_marks(&html))
}

/// Removes the empty comments that Leptos uses for hydration, except inside islands: nothing else is hydrated, and in a `<title>` a
/// comment would be text. Rendered text and attributes contain no unescaped `<`, so user text cannot look like such a comment.
fn without_marks(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    let mut islands = 0_usize;
    while let Some(at) = rest.find('<') {
        let (before, tag) = rest.split_at(at);
        out.push_str(before);
        if islands == 0
            && let Some(after) = tag.strip_prefix("<!>")
        {
            rest = after;
            continue;
        }
        if tag.starts_with("<leptos-island") {
            islands += 1;
        } else if tag.starts_with("</leptos-island") {
            islands = islands.saturating_sub(1);
        }
        out.push('<');
        rest = &tag[1..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_stay_inside_islands_only() {
        let html = "<title>A<!></title><!><leptos-island a><p>x<!></p><leptos-island></leptos-island><!></leptos-island><!><p>ü<!></p>";
        assert_eq!(
            without_marks(html),
            "<title>A</title><leptos-island a><p>x<!></p><leptos-island></leptos-island><!></leptos-island><p>ü</p>"
        );
    }

    #[test]
    fn what_people_write_stays_as_it_is() {
        let text = "a <!> b <leptos-island> \"c\"";
        let html = document(move || view! { <p title=text>{text}</p><p>{text}</p> });
        assert_eq!(html.matches("&lt;!&gt;").count() + html.matches("&lt;!>").count(), 3, "{html}");
    }
}
