//! New project, settings, embedding.

pub mod embed;
pub mod new;
pub mod settings;

use leptos::prelude::*;

/// The pages of a project's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettingsTab {
    /// Name, origins, language, theme.
    General,
    /// People.
    Members,
    /// The snippets.
    Embed,
    /// Signed identity.
    Identity,
    /// API keys.
    Keys,
    /// Webhooks.
    Webhooks,
    /// Export.
    Export,
}

/// The tabs that the settings pages share.
#[component]
pub fn SettingsTabs(
    /// The project, for URLs.
    slug: String,
    /// The current tab.
    current: SettingsTab,
) -> impl IntoView {
    let tabs = [
        (SettingsTab::General, "settings", "General"),
        (SettingsTab::Members, "members", "Members"),
        (SettingsTab::Embed, "embed", "Embed"),
        (SettingsTab::Identity, "identity", "Identity"),
        (SettingsTab::Keys, "keys", "API keys"),
        (SettingsTab::Webhooks, "webhooks", "Webhooks"),
        (SettingsTab::Export, "export", "Export"),
    ];
    view! {
        <nav class="tabs" aria-label="Settings">
            <ul>
                {tabs.into_iter().map(|(tab, path, label)| view! {
                    <li><a href=format!("/p/{slug}/{path}") aria-current=(tab == current).then_some("page")>{label}</a></li>
                }).collect_view()}
            </ul>
        </nav>
    }
}

/// A read-only text with a copy button.
#[component]
pub fn CopyBox(
    /// The box's id.
    #[prop(into)]
    id: String,
    /// The accessible label.
    #[prop(into)]
    label: String,
    /// The text.
    text: String,
    /// Height in lines.
    #[prop(default = 2)]
    rows: u32,
) -> impl IntoView {
    view! {
        <div class="copy-box">
            <label class="visually-hidden" for=id.clone()>{label.clone()}</label>
            <textarea id=id.clone() class="mono" readonly rows=rows spellcheck="false">{crate::components::forms::textarea_text(&text)}</textarea>
            <button type="button" class="button button-small copy-button" data-copy=format!("#{id}") aria-live="polite" aria-label=format!("Copy: {label}")>"Copy"</button>
        </div>
    }
}
