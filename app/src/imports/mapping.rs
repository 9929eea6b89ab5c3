//! Which column is what, with the first rows as they would go in.

use domain::{
    FieldErrors,
    imports::{Mapping, Target},
};
use leptos::prelude::*;

use super::size;
use crate::{
    components::{
        forms::{ErrorSummary, IdempotencyKey, SelectField, TextField},
        layout::PageHead,
    },
    islands::poll::Poll,
};

/// One row of the preview: line, and its cells or why it is bad.
#[derive(Debug, Clone)]
pub struct PreviewRow {
    /// The line in the file.
    pub line: u64,
    /// Text, tags, score, person, other fields; or the reason.
    pub row: Result<[String; 5], String>,
}

/// All that the page shows.
#[derive(Debug, Clone)]
pub struct MappingView {
    /// Where this import is.
    pub url: String,
    /// Where the list is.
    pub list_url: String,
    /// A fresh key.
    pub form_key: String,
    /// The file's name.
    pub name: String,
    /// Its size.
    pub bytes: i64,
    /// Its columns.
    pub columns: Vec<String>,
    /// What is chosen.
    pub mapping: Mapping,
    /// What is wrong with that.
    pub errors: FieldErrors,
    /// The first rows.
    pub rows: Vec<PreviewRow>,
    /// When the same file was imported before, if it was.
    pub before: Option<String>,
}

/// Targets that most files have; the others are folded away.
const FIRST: [Target; 5] = [Target::Text, Target::Tag, Target::Score, Target::ScoreMax, Target::CreatedAt];

fn hint(target: Target) -> Option<String> {
    let text = match target {
        Target::Text => "What the person said. Needed.",
        Target::Tag => "Several in one cell may be separated by comma or semicolon.",
        Target::ScoreMax => "The best possible score, as a number for all rows or a column.",
        Target::CreatedAt => "Like 2026-11-23 or 2026-11-23T10:30:00Z. Without it: today.",
        Target::ExternalId => "An id by which a row is known when it is imported again, even with another text.",
        Target::Kind => "survey_response, ticket, idea, usability or api.",
        Target::Status => "new, triaged, resolved or spam.",
        _ => return None,
    };
    Some(text.into())
}

fn options(target: Target, columns: &[String]) -> Vec<(String, String)> {
    let none = if target == Target::Text { "Choose a column" } else { "None" };
    let fixed: &[&str] = if target == Target::ScoreMax { &["5", "7", "10", "100"] } else { &[] };
    let fixed = fixed.iter().filter(|f| !columns.iter().any(|c| c == *f)).map(|f| ((*f).to_owned(), (*f).to_owned()));
    std::iter::once((String::new(), none.to_owned())).chain(fixed).chain(columns.iter().map(|c| (c.clone(), c.clone()))).collect()
}

/// The page.
#[component]
pub fn MappingPage(
    /// What it shows.
    view: MappingView,
) -> impl IntoView {
    let MappingView { url, list_url, form_key, name, bytes, columns, mapping, errors, rows, before } = view;
    let select = {
        let (columns, mapping, errors) = (columns.clone(), mapping.clone(), errors.clone());
        move |target: Target| {
            let value = mapping.column(target).unwrap_or_default().to_owned();
            // A hint is no optional prop of a view that has none: both spellings draw the same field.
            match hint(target) {
                Some(hint) => view! {
                    <SelectField name=target.as_str() label=target.label() options=options(target, &columns) value=value hint=hint errors=errors.clone() />
                }.into_any(),
                None => view! {
                    <SelectField name=target.as_str() label=target.label() options=options(target, &columns) value=value errors=errors.clone() />
                }.into_any(),
            }
        }
    };
    let more = Target::ALL.iter().copied().filter(|t| !FIRST.contains(t)).collect::<Vec<_>>();
    let more_open = more.iter().any(|t| mapping.column(*t).is_some() || errors.at(t.as_str()).is_some());
    let bad = rows.iter().filter(|r| r.row.is_err()).count();
    let (start_url, preview_url, cancel_url) = (format!("{url}/start"), format!("{url}/preview"), format!("{url}/cancel"));
    let lead = format!("{} with {} columns. Choose what each column is; the preview shows what would come in.", size(bytes), columns.len());
    view! {
        <nav aria-label="Breadcrumb" class="small"><a href=list_url>"Imports"</a></nav>
        <div id="import" class="stack" data-part>
            <PageHead title=name lead=lead />
            {before.map(|at| view! {
                <p class="notice notice-info">{format!("The same file was imported on {at}. Importing it again adds nothing twice.")}</p>
            })}
            <ErrorSummary errors=errors.clone() />
            <div class="imports-mapping">
                <form id="mapping" class="card stack" method="post" action=start_url data-enhance data-autosubmit>
                    <h2>"Columns"</h2>
                    <IdempotencyKey key=form_key.clone() />
                    {FIRST.into_iter().map(select.clone()).collect_view()}
                    <details open=more_open>
                        <summary>"More fields"</summary>
                        <div class="stack">{more.into_iter().map(select).collect_view()}</div>
                    </details>
                    <TextField
                        name="add_tag" label="Also tag every row" value=mapping.add_tag.clone().unwrap_or_default()
                        hint="So that you find in the inbox what came with this file. May be empty." errors=errors maxlength=60
                    />
                    <div class="form-actions">
                        <button type="submit" class="button button-primary">"Start the import"</button>
                        <button type="submit" class="button" formaction=preview_url formnovalidate data-preview>"Update preview"</button>
                    </div>
                </form>
                <section class="stack" aria-labelledby="preview-title">
                    <h2 id="preview-title">"Preview"</h2>
                    <p class="muted small" role="status">
                        {match (rows.len(), bad) {
                            (0, _) => "Choose the column that holds the text to see the first rows.".to_owned(),
                            (n, 0) => format!("The first {n} rows as they would come in."),
                            (n, bad) => format!("The first {n} rows as they would come in; {bad} of them cannot."),
                        }}
                    </p>
                    {(!rows.is_empty()).then(|| view! {
                        <div class="table-wrap" tabindex="0" role="region" aria-labelledby="preview-title">
                            <table class="table imports-preview">
                                <thead>
                                    <tr>
                                        <th scope="col" class="num">"Line"</th>
                                        <th scope="col">"Text"</th>
                                        <th scope="col">"Tags"</th>
                                        <th scope="col" class="num">"Score"</th>
                                        <th scope="col">"Person"</th>
                                        <th scope="col">"Other"</th>
                                    </tr>
                                </thead>
                                <tbody>{rows.into_iter().map(preview_row).collect_view()}</tbody>
                            </table>
                        </div>
                    })}
                </section>
            </div>
            <form method="post" action=cancel_url>
                <IdempotencyKey key=format!("{form_key}-cancel") />
                <button type="submit" class="button button-quiet">"Remove this file"</button>
            </form>
        </div>
        <Poll />
    }
}

fn preview_row(row: PreviewRow) -> AnyView {
    match row.row {
        Ok([text, tags, score, person, other]) => view! {
            <tr>
                <td class="num muted">{row.line}</td>
                <td class="imports-text">{text}</td>
                <td>{tags.split_whitespace().map(|t| view! { <span class="tag">{t.to_owned()}</span>" " }).collect_view()}</td>
                <td class="num">{score}</td>
                <td>{person}</td>
                <td class="small muted">{other}</td>
            </tr>
        }
        .into_any(),
        Err(reason) => view! {
            <tr class="imports-bad">
                <td class="num muted">{row.line}</td>
                <td colspan="5"><strong>"Cannot come in: "</strong>{reason}</td>
            </tr>
        }
        .into_any(),
    }
}
