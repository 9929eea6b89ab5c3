//! Form fields with label, hint and error associated, and the error summary at the top of a form.

use domain::FieldErrors;
use leptos::prelude::*;

/// The hidden idempotency key: a double click or a retry results in one write.
#[component]
pub fn IdempotencyKey(
    /// A fresh key per rendering.
    #[prop(into)]
    key: String,
) -> impl IntoView {
    view! { <input type="hidden" name="idempotency_key" value=key /> }
}

/// The hidden fields of every action on one item: return URL, version and idempotency key.
#[component]
pub fn ActionFields(
    /// A fresh idempotency key, different for each form of the page.
    #[prop(into)]
    key: String,
    /// The version shown.
    version: i64,
    /// Where the response redirects to.
    #[prop(into)]
    return_to: String,
) -> impl IntoView {
    view! {
        <IdempotencyKey key=key />
        <input type="hidden" name="version" value=version />
        <input type="hidden" name="return_to" value=return_to />
    }
    .into_any()
}

/// The validation errors with a link to each field; empty without errors.
#[component]
pub fn ErrorSummary(
    /// The errors.
    errors: FieldErrors,
) -> impl IntoView {
    (!errors.is_empty()).then(|| {
        view! {
            <div class="error-summary" role="alert" tabindex="-1">
                <h2>"There is a problem"</h2>
                <ul>
                    {errors.0.into_iter().map(|e| view! { <li><a href=format!("#{}", e.field)>{e.message}</a></li> }).collect_view()}
                </ul>
            </div>
        }
    })
}

/// A one-line input with label, hint and error.
#[component]
pub fn TextField(
    /// The form name, and the element's id.
    #[prop(into)]
    name: String,
    /// The label.
    #[prop(into)]
    label: String,
    /// The value to start with.
    #[prop(optional, into)]
    value: String,
    /// `text`, `email`, `password`, `url`, …
    #[prop(default = "text")]
    kind: &'static str,
    /// A line under the label.
    #[prop(optional, into)]
    hint: Option<String>,
    /// All errors of the form; this field picks its own.
    #[prop(optional)]
    errors: FieldErrors,
    /// Whether the browser requires a value.
    #[prop(optional)]
    required: bool,
    /// Whether it is read-only; its value is still sent.
    #[prop(optional)]
    readonly: bool,
    /// The `autocomplete` token for password managers and autofill.
    #[prop(optional, into)]
    autocomplete: Option<String>,
    /// The maximum number of characters.
    #[prop(optional)]
    maxlength: Option<usize>,
    /// The minimum number of characters.
    #[prop(optional)]
    minlength: Option<u32>,
) -> impl IntoView {
    let error = errors.message_for(&name).map(ToOwned::to_owned);
    let invalid = error.is_some();
    let described = describe(&name, hint.is_some(), invalid);
    view! {
        <div class="field" class:field-invalid=invalid>
            <label for=name.clone()>{label}</label>
            {hint.map(|hint| view! { <p class="hint" id=format!("{name}-hint")>{hint}</p> })}
            {error.map(|error| view! { <p class="field-error" id=format!("{name}-error")>{error}</p> })}
            <input
                id=name.clone() name=name type=kind value=value required=required readonly=readonly autocomplete=autocomplete
                maxlength=maxlength minlength=minlength aria-describedby=described aria-invalid=invalid.then_some("true")
            />
        </div>
    }
}

/// The content of a `<textarea>`, escaped. Leptos does not escape it, as for scripts and styles, so a text that contains
/// `</textarea>` would end the element and become markup. Every text area must use this function.
#[must_use]
pub fn textarea_text(text: &str) -> String {
    // HTML drops a newline directly after the tag.
    let leading_newline = if text.starts_with('\n') { "\n" } else { "" };
    format!("{leading_newline}{}", text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}

/// A text area with label, hint and error.
#[component]
pub fn TextArea(
    /// The form name, and the element's id.
    #[prop(into)]
    name: String,
    /// The label.
    #[prop(into)]
    label: String,
    /// The value to start with.
    #[prop(optional, into)]
    value: String,
    /// A line under the label.
    #[prop(optional, into)]
    hint: Option<String>,
    /// All errors of the form; this field picks its own.
    #[prop(optional)]
    errors: FieldErrors,
    /// Height in lines.
    #[prop(default = 4)]
    rows: u32,
    /// Whether the browser requires a value.
    #[prop(optional)]
    required: bool,
    /// The maximum number of characters.
    #[prop(optional)]
    maxlength: Option<usize>,
) -> impl IntoView {
    let error = errors.message_for(&name).map(ToOwned::to_owned);
    let invalid = error.is_some();
    let described = describe(&name, hint.is_some(), invalid);
    view! {
        <div class="field" class:field-invalid=invalid>
            <label for=name.clone()>{label}</label>
            {hint.map(|hint| view! { <p class="hint" id=format!("{name}-hint")>{hint}</p> })}
            {error.map(|error| view! { <p class="field-error" id=format!("{name}-error")>{error}</p> })}
            <textarea
                id=name.clone() name=name rows=rows required=required maxlength=maxlength
                aria-describedby=described aria-invalid=invalid.then_some("true")
            >{textarea_text(&value)}</textarea>
        </div>
    }
}

/// A choice of one from a short list.
#[component]
pub fn SelectField(
    /// The form name, and the element's id.
    #[prop(into)]
    name: String,
    /// The label.
    #[prop(into)]
    label: String,
    /// Value and label of each option.
    options: Vec<(String, String)>,
    /// The chosen value.
    #[prop(optional, into)]
    value: String,
    /// A line under the label.
    #[prop(optional, into)]
    hint: Option<String>,
    /// All errors of the form; this field picks its own.
    #[prop(optional)]
    errors: FieldErrors,
) -> impl IntoView {
    let error = errors.message_for(&name).map(ToOwned::to_owned);
    let invalid = error.is_some();
    let described = describe(&name, hint.is_some(), invalid);
    view! {
        <div class="field" class:field-invalid=invalid>
            <label for=name.clone()>{label}</label>
            {hint.map(|hint| view! { <p class="hint" id=format!("{name}-hint")>{hint}</p> })}
            {error.map(|error| view! { <p class="field-error" id=format!("{name}-error")>{error}</p> })}
            <select id=name.clone() name=name aria-describedby=described aria-invalid=invalid.then_some("true")>
                {options.into_iter().map(|(v, l)| {
                    let selected = v == value;
                    view! { <option value=v selected=selected>{l}</option> }
                }).collect_view()}
            </select>
        </div>
    }
}

/// The browser's time zone as a hidden field. Without JavaScript, the value does not change.
#[component]
pub fn BrowserZone(
    /// The value sent before.
    #[prop(optional, into)]
    value: String,
    /// The request's CSP nonce.
    nonce: String,
) -> impl IntoView {
    view! {
        <input type="hidden" name="time_zone" id="time_zone" value=value />
        <script nonce=nonce>"document.getElementById('time_zone').value=Intl.DateTimeFormat().resolvedOptions().timeZone||''"</script>
    }
}

fn describe(name: &str, hint: bool, error: bool) -> Option<String> {
    let ids: Vec<String> =
        [(hint, "hint"), (error, "error")].into_iter().filter(|(is, _)| *is).map(|(_, part)| format!("{name}-{part}")).collect();
    (!ids.is_empty()).then(|| ids.join(" "))
}

#[cfg(test)]
mod tests {
    use super::textarea_text;

    #[test]
    fn a_text_never_ends_its_text_area() {
        assert_eq!(textarea_text("a </textarea><img src=x> &amp;"), "a &lt;/textarea&gt;&lt;img src=x&gt; &amp;amp;");
        assert_eq!(textarea_text("\nb"), "\n\nb");
    }
}
