//! A project's general settings.

use domain::FieldErrors;
use leptos::prelude::*;

use super::{SettingsTab, SettingsTabs};
use crate::components::{
    forms::{ErrorSummary, IdempotencyKey, SelectField, TextArea, TextField},
    layout::PageHead,
};

/// What the page shows: stored or as typed.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// For URLs.
    pub slug: String,
    /// The name.
    pub name: String,
    /// The origins, one for each line.
    pub origins: String,
    /// The language of texts that name none.
    pub language: String,
    /// `#rrggbb`.
    pub accent: String,
    /// `auto`, `light` or `dark`.
    pub theme: String,
    /// Whether people may write tickets.
    pub portal: bool,
    /// Query parameters that are kept in addresses, separated by commas.
    pub kept_parameters: String,
    /// A remark about the colour, when it is hard to see.
    pub accent_warning: Option<String>,
    /// What the form is compared with when it comes back.
    pub seen: String,
    /// Whether the person who looks may change anything.
    pub may_change: bool,
    /// What was refused.
    pub errors: FieldErrors,
}

const LANGUAGES: [(&str, &str); 14] = [
    ("en", "English"),
    ("de", "Deutsch"),
    ("fr", "Français"),
    ("es", "Español"),
    ("it", "Italiano"),
    ("pt", "Português"),
    ("nl", "Nederlands"),
    ("pl", "Polski"),
    ("sv", "Svenska"),
    ("da", "Dansk"),
    ("fi", "Suomi"),
    ("tr", "Türkçe"),
    ("uk", "Українська"),
    ("ja", "日本語"),
];

/// The page.
#[component]
pub fn SettingsPage(
    /// Its content.
    model: Settings,
    /// For the form.
    idempotency_key: String,
) -> impl IntoView {
    let Settings { slug, name, origins, language, accent, theme, portal, kept_parameters, accent_warning, seen, may_change, errors } =
        model;
    let mut languages: Vec<(String, String)> =
        LANGUAGES.iter().map(|(code, name)| ((*code).to_owned(), format!("{name} ({code})"))).collect();
    if !languages.iter().any(|(code, _)| *code == language) {
        languages.push((language.clone(), language.clone()));
    }
    let themes = [("auto", "As the person’s system"), ("light", "Light"), ("dark", "Dark")].map(|(v, l)| (v.to_owned(), l.to_owned()));
    let portals = [("on", "On"), ("off", "Off")].map(|(v, l)| (v.to_owned(), l.to_owned()));
    let accent_error = errors.at("accent").map(ToOwned::to_owned);
    let accent_invalid = accent_error.is_some();
    view! {
        <div id="settings" data-part class="narrow">
            <PageHead title="Settings" />
            <SettingsTabs slug=slug.clone() current=SettingsTab::General />
            <ErrorSummary errors=errors.clone() />
            {(!may_change).then(|| view! { <p class="notice">"Only admins and owners change these."</p> })}
            <form method="post" action=format!("/p/{slug}/settings") class="card">
                <IdempotencyKey key=idempotency_key />
                <input type="hidden" name="seen" value=seen />
                <fieldset class="fieldset-plain" disabled=!may_change>
                    <legend class="visually-hidden">"General settings"</legend>
                    <TextField name="name" label="Name" value=name required=true maxlength=80 errors=errors.clone() />
                    <TextArea name="origins" label="Sites that may show surveys" value=origins rows=4
                        hint="One for each line, like https://www.example.com. Left empty, any site may." errors=errors.clone() />
                    <SelectField name="language" label="Default language" options=languages value=language
                        hint="For surveys and feedback that name no language." errors=errors.clone() />
                    <div class="field" class:field-invalid=accent_invalid>
                        <label for="accent">"Accent colour"</label>
                        <p class="hint" id="accent-hint">"Buttons and marks on the pages that people answer on."</p>
                        {accent_error.map(|e| view! { <p class="field-error" id="accent-error">{e}</p> })}
                        {accent_warning.map(|w| view! { <p class="notice notice-warn" id="accent-warning">{w}</p> })}
                        <input type="color" id="accent" name="accent" value=accent aria-describedby="accent-hint" />
                    </div>
                    <SelectField name="theme" label="Looks of the pages that people answer on" options=themes.to_vec() value=theme errors=errors.clone() />
                    <SelectField name="portal" label="Ticket portal" options=portals.to_vec() value=if portal { "on" } else { "off" }
                        hint="A public page of this project: people write to the team there, and read the answers." errors=errors.clone() />
                    <TextField name="kept_parameters" label="Query parameters to keep (optional)" value=kept_parameters maxlength=2000
                        hint="Names separated by commas, like utm_source, plan. Everything else after ? or # in a page’s address may hold secrets, so it is not stored." errors=errors />
                    {may_change.then(|| view! {
                        <div class="form-actions"><button type="submit" class="button button-primary">"Save settings"</button></div>
                    })}
                </fieldset>
            </form>
        </div>
    }
}
