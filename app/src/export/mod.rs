//! Export of the project's data.

use domain::FieldErrors;
use leptos::prelude::*;

use crate::{
    components::{
        forms::{ErrorSummary, TextField},
        layout::PageHead,
    },
    projects::{SettingsTab, SettingsTabs},
};

/// View model of the page.
#[derive(Debug, Clone)]
pub struct ExportView {
    /// For URLs.
    pub slug: String,
    /// The time zone of exported times.
    pub zone: String,
    /// Whether the user can export.
    pub may_export: bool,
    /// The inbox query that filters feedback; empty: everything.
    pub query: String,
    /// Validation errors of the query.
    pub errors: FieldErrors,
    /// Id and name of each survey.
    pub surveys: Vec<(String, String)>,
}

/// The page.
#[component]
pub fn ExportPage(
    /// Its content.
    view: ExportView,
) -> impl IntoView {
    let ExportView { slug, zone, may_export, query, errors, surveys } = view;
    let action = format!("/p/{slug}/export/file");
    view! {
        <div class="narrow">
            <PageHead title="Export" lead="Export all data as an Excel workbook, as CSV, or as JSON lines for programs." />
            <SettingsTabs slug=slug current=SettingsTab::Export />
            <ErrorSummary errors=errors.clone() />
            {if may_export {
                view! {
                    <p class="muted small">"Use Excel for spreadsheets: its cells are typed, so no text ever runs as a formula; text longer than 32,767 characters is truncated. In CSV, a ' precedes anything that a spreadsheet could read as a formula; use “CSV with BOM” for programs that show ü as Ã¼. JSON lines keep all text unchanged."</p>
                    <p class="muted small">{format!("Times are in the project’s time zone, {zone}, and include the UTC offset.")}</p>
                    <Kind action=action.clone() what="feedback" title="Feedback" text="Every item of feedback with its status, tags, person, linked backlog items and ticket number." surveys=None query=Some((query, errors)) />
                    {if surveys.is_empty() {
                        view! {
                            <section class="card" aria-labelledby="export-responses">
                                <h2 id="export-responses">"Responses to a survey"</h2>
                                <p class="muted">"There are no surveys yet."</p>
                            </section>
                        }.into_any()
                    } else {
                        view! { <Kind action=action.clone() what="responses" title="Responses to a survey" text="One row per response, one column per question, across all versions of the survey." surveys=Some(surveys) query=None /> }.into_any()
                    }}
                    <Kind action=action what="backlog" title="Backlog" text="Every item with the IDs of its linked feedback." surveys=None query=None />
                }.into_any()
            } else {
                view! { <p class="notice">"Only triagers, admins and owners can export, because the files contain people’s names and e-mail addresses."</p> }.into_any()
            }}
        </div>
    }
}

#[component]
fn Kind(
    action: String,
    what: &'static str,
    title: &'static str,
    text: &'static str,
    surveys: Option<Vec<(String, String)>>,
    query: Option<(String, FieldErrors)>,
) -> impl IntoView {
    let id = format!("export-{what}");
    view! {
        <section class="card" aria-labelledby=id.clone()>
            <h2 id=id.clone()>{title}</h2>
            <p>{text}</p>
            <form method="get" action=action class="stack">
                <input type="hidden" name="what" value=what />
                {surveys.map(|surveys| view! {
                    <div class="field">
                        <label for="export-survey">"Survey"</label>
                        <select id="export-survey" name="survey">
                            {surveys.into_iter().map(|(id, name)| view! { <option value=id>{name}</option> }).collect_view()}
                        </select>
                    </div>
                })}
                {query.map(|(query, errors)| view! {
                    <TextField name="q" label="Only feedback that matches this search" value=query maxlength=500
                        hint="Same syntax as in the inbox. Leave empty for everything, including spam." errors=errors />
                })}
                <div class="form-actions">
                    <button type="submit" class="button" name="format" value="xlsx" aria-label=format!("{title} as Excel")>"Excel"</button>
                    <button type="submit" class="button" name="format" value="csv" aria-label=format!("{title} as CSV")>"CSV"</button>
                    <button type="submit" class="button" name="format" value="csv-bom" aria-label=format!("{title} as CSV with BOM")>"CSV with BOM"</button>
                    <button type="submit" class="button" name="format" value="jsonl" aria-label=format!("{title} as JSON lines")>"JSON lines"</button>
                </div>
            </form>
        </section>
    }
    .into_any()
}
