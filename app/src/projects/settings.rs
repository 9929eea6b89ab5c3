//! A project's general settings.

use domain::{
    FieldErrors,
    projects::{MAX_NAME, MAX_PARAMETERS},
};
use leptos::prelude::*;

use super::{SettingsTab, SettingsTabs};
use crate::components::{
    forms::{ErrorSummary, IdempotencyKey, SelectField, TextArea, TextField},
    languages::language_options,
    layout::PageHead,
};

/// View model of the page: the stored or the submitted values.
#[derive(Debug, Clone, Default)]
pub struct ProjectSettingsView {
    /// For URLs.
    pub slug: String,
    /// The name.
    pub name: String,
    /// The origins, one per line.
    pub origins: String,
    /// The default language.
    pub language: String,
    /// The time zone, by its name in the IANA database.
    pub time_zone: String,
    /// The selectable zones, each with its current UTC offset.
    pub time_zones: Vec<(String, String)>,
    /// The current time in that zone.
    pub time_now: String,
    /// `#rrggbb`.
    pub accent: String,
    /// `auto`, `light` or `dark`.
    pub theme: String,
    /// Whether the ticket portal is on.
    pub portal: bool,
    /// Query parameters that are kept in page URLs, separated by commas.
    pub kept_parameters: String,
    /// A warning if the colour has too little contrast.
    pub accent_warning: Option<String>,
    /// The values the form was rendered with, to detect concurrent changes.
    pub seen: String,
    /// Whether the current user can change anything.
    pub may_change: bool,
    /// Validation errors.
    pub errors: FieldErrors,
}

/// The time zone select: places grouped by region, so that typing a city's name finds it.
#[component]
fn ZoneField(zone: String, mut zones: Vec<(String, String)>, now: String, errors: FieldErrors) -> impl IntoView {
    if !zones.iter().any(|(name, _)| *name == zone) {
        zones.push((zone.clone(), String::new()));
        zones.sort_unstable();
    }
    let hint = format!("Dates in searches, results, imports and exports use this time zone. It is now {now} in {zone}.");
    let (places, others): (Vec<_>, Vec<_>) = zones.into_iter().partition(|(name, _)| name.contains('/'));
    let error = errors.message_for("time_zone").map(ToOwned::to_owned);
    let invalid = error.is_some();
    let described = if invalid { "time_zone-hint time_zone-error" } else { "time_zone-hint" };
    let option = move |(name, offset): &(String, String)| {
        let place = name.split_once('/').map_or(name.as_str(), |(_, place)| place).replace('_', " ").replace('/', ", ");
        let label = if offset.is_empty() || *offset == place { place } else { format!("{place} ({offset})") };
        view! { <option value=name.clone() selected=*name == zone>{label}</option> }
    };
    let others = others.iter().map(&option).collect_view();
    let regions = places
        .chunk_by(|a, b| a.0.split('/').next() == b.0.split('/').next())
        .map(|places| {
            let region = places.first().and_then(|(name, _)| name.split('/').next()).unwrap_or_default().to_owned();
            view! { <optgroup label=region>{places.iter().map(&option).collect_view()}</optgroup> }
        })
        .collect_view();
    view! {
        <div class="field" class:field-invalid=invalid>
            <label for="time_zone">"Time zone"</label>
            <p class="hint" id="time_zone-hint">{hint}</p>
            {error.map(|error| view! { <p class="field-error" id="time_zone-error">{error}</p> })}
            <select id="time_zone" name="time_zone" aria-describedby=described aria-invalid=invalid.then_some("true")>{others}{regions}</select>
        </div>
    }
}

/// The page.
#[component]
pub fn SettingsPage(
    /// Its content.
    model: ProjectSettingsView,
    /// Idempotency key of the form.
    idempotency_key: String,
) -> impl IntoView {
    let ProjectSettingsView {
        slug,
        name,
        origins,
        language,
        time_zone,
        time_zones,
        time_now,
        accent,
        theme,
        portal,
        kept_parameters,
        accent_warning,
        seen,
        may_change,
        errors,
    } = model;
    let themes = [("auto", "Match system"), ("light", "Light"), ("dark", "Dark")].map(|(v, l)| (v.to_owned(), l.to_owned()));
    let portals = [("on", "On"), ("off", "Off")].map(|(v, l)| (v.to_owned(), l.to_owned()));
    let accent_error = errors.message_for("accent").map(ToOwned::to_owned);
    let accent_invalid = accent_error.is_some();
    view! {
        <div id="settings" data-part class="narrow">
            <PageHead title="Settings" />
            <SettingsTabs slug=slug.clone() current=SettingsTab::General />
            <ErrorSummary errors=errors.clone() />
            {(!may_change).then(|| view! { <p class="notice">"Only admins and owners can change these settings."</p> })}
            <form method="post" action=format!("/p/{slug}/settings") class="card">
                <IdempotencyKey key=idempotency_key />
                <input type="hidden" name="seen" value=seen />
                <fieldset class="fieldset-plain" disabled=!may_change>
                    <legend class="visually-hidden">"General settings"</legend>
                    <TextField name="name" label="Name" value=name required=true maxlength=MAX_NAME errors=errors.clone() />
                    <TextArea name="origins" label="Allowed sites" value=origins rows=4
                        hint="Sites that can show surveys, one per line, like https://www.example.com. Leave empty to allow any." errors=errors.clone() />
                    <SelectField name="language" label="Default language" options=language_options(&language) value=language
                        hint="For surveys and feedback without a language of their own." errors=errors.clone() />
                    <ZoneField zone=time_zone zones=time_zones now=time_now errors=errors.clone() />
                    <div class="field" class:field-invalid=accent_invalid>
                        <label for="accent">"Accent color"</label>
                        <p class="hint" id="accent-hint">"Used for buttons and highlights on survey and portal pages."</p>
                        {accent_error.map(|e| view! { <p class="field-error" id="accent-error">{e}</p> })}
                        {accent_warning.map(|w| view! { <p class="notice notice-warn" id="accent-warning">{w}</p> })}
                        <input type="color" id="accent" name="accent" value=accent aria-describedby="accent-hint" />
                    </div>
                    <SelectField name="theme" label="Theme of survey and portal pages" options=themes.to_vec() value=theme errors=errors.clone() />
                    <SelectField name="portal" label="Ticket portal" options=portals.to_vec() value=if portal { "on" } else { "off" }
                        hint="The public page where people create tickets. When it is off, nobody can create new ones; existing conversations continue." errors=errors.clone() />
                    <TextField name="kept_parameters" label="Query parameters to keep (optional)" value=kept_parameters maxlength=MAX_PARAMETERS
                        hint="Comma-separated names, like utm_source, plan. Everything else after ? or # in a page’s URL may contain secrets, so it is not stored." errors=errors />
                    {may_change.then(|| view! {
                        <div class="form-actions"><button type="submit" class="button button-primary">"Save settings"</button></div>
                    })}
                </fieldset>
            </form>
        </div>
    }
}
