//! The column mapping, with a preview of the first rows.

use domain::{
    FieldErrors,
    feedback::MAX_TAG,
    imports::{ColumnMapping, DateOrder, Encoding, MAX_HEADER_ROWS, ProblemCounts, Target},
};
use leptos::prelude::*;

use super::{ProblemList, count_phrase, number, size};
use crate::{
    components::{
        forms::{ErrorSummary, IdempotencyKey, SelectField, TextField},
        layout::PageHead,
    },
    islands::poll::Poll,
};

/// One row of the preview: the line, and its cells or the reason it fails.
#[derive(Debug, Clone)]
pub struct PreviewRow {
    /// The line in the file.
    pub line: u64,
    /// Text, tags, score, person, other fields; or the reason.
    pub row: Result<[String; 5], String>,
    /// Values that are left out, with the reason.
    pub left_out: Vec<String>,
}

/// The choice whether the day or the month comes first.
#[derive(Debug, Clone)]
pub struct DateChoice {
    /// A value that can be read both ways.
    pub example: String,
    /// Its meaning in each order.
    pub readings: Vec<(DateOrder, String)>,
    /// Whether other values of the column determine the order.
    pub is_clear: bool,
}

/// View model of the page.
#[derive(Debug, Clone)]
pub struct MappingView {
    /// URL of this import.
    pub url: String,
    /// URL of the list.
    pub list_url: String,
    /// A fresh idempotency key.
    pub form_key: String,
    /// The file's name.
    pub name: String,
    /// Its size.
    pub bytes: i64,
    /// Its columns.
    pub columns: Vec<String>,
    /// The chosen mapping.
    pub mapping: ColumnMapping,
    /// The tag for every row, as it was typed.
    pub add_tag: String,
    /// Validation errors.
    pub errors: FieldErrors,
    /// The detected encoding.
    pub detected: Encoding,
    /// The order of day and month, if dates are ambiguous.
    pub dates: Option<DateChoice>,
    /// The first rows.
    pub rows: Vec<PreviewRow>,
    /// How many rows were checked.
    pub checked: usize,
    /// Problems found in them.
    pub groups: ProblemCounts,
    /// Whether none of them can be imported.
    pub nothing: bool,
    /// When the same file was imported before, if it was.
    pub before: Option<String>,
    /// The time zone of times without one in the file.
    pub zone: String,
    /// Rows imported by an earlier run of this import.
    pub brought: i64,
}

/// Targets that most files have; the others are collapsed.
const FIRST: [Target; 5] = [Target::Text, Target::Tag, Target::Score, Target::ScoreMax, Target::CreatedAt];

fn hint(target: Target, zone: &str) -> Option<String> {
    let text = match target {
        Target::Text => "What the person said. Required.",
        Target::Tag => "Separate several tags in one cell with commas or semicolons.",
        Target::ScoreMax => "The highest possible score: one number for all rows, or a column.",
        Target::CreatedAt => {
            return Some(format!(
                "When the person said it. Most formats are recognized. Times without a zone are in the project’s time zone, {zone}."
            ));
        }
        Target::ExternalId => "An ID that identifies a row when it is imported again, even if its text has changed.",
        Target::Kind => "survey_response, idea, usability or api. Default: import.",
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
    /// Its content.
    view: MappingView,
) -> impl IntoView {
    let MappingView { url, list_url, form_key, name, bytes, columns, mapping, errors, rows, before, brought, .. } = view;
    let MappingView { zone, detected, dates, checked, groups, nothing, add_tag, .. } = view;
    let dates = dates.map(|choice| view! { <Dates choice=choice chosen=mapping.dates errors=errors.clone() /> }.into_any());
    let select = {
        let (columns, mapping, errors) = (columns.clone(), mapping.clone(), errors.clone());
        move |target: Target| {
            let value = mapping.column(target).unwrap_or_default().to_owned();
            // An optional prop cannot be passed as an `Option`: both branches render the same field.
            match hint(target, &zone) {
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
    let more_open = more.iter().any(|t| mapping.column(*t).is_some() || errors.message_for(t.as_str()).is_some());
    let (encoding, header_rows) = (mapping.encoding.unwrap_or(detected), mapping.header_rows.unwrap_or(1));
    let lines =
        (1..=MAX_HEADER_ROWS).map(|n| (n.to_string(), if n == 1 { "The first line".to_owned() } else { format!("The first {n} lines") }));
    let encoding_hint = format!("Detected: {}. Choose another one if characters look wrong in the preview.", detected.label());
    let encodings = Encoding::ALL.iter().map(|e| (e.as_str().to_owned(), e.label().to_owned())).collect::<Vec<_>>();
    let (start_url, preview_url, cancel_url) = (format!("{url}/start"), format!("{url}/preview"), format!("{url}/cancel"));
    let lead = format!("{} with {} columns. Map the columns; the preview shows what would be imported.", size(bytes), columns.len());
    view! {
        <nav aria-label="Breadcrumb" class="small"><a href=list_url>"Imports"</a></nav>
        <div id="import" class="stack" data-part>
            <PageHead title=name lead=lead />
            {before.map(|at| view! {
                <p class="notice notice-info">{format!("The same file was imported on {at}. Importing it again adds no duplicates.")}</p>
            })}
            {(brought > 0).then(|| view! {
                <p class="notice notice-info">
                    {format!("Already imported from this file and left unchanged: {}. To import them with different columns, undo the import first.",
                        count_phrase(brought, "row", "rows"))}
                </p>
            })}
            <ErrorSummary errors=errors.clone() />
            <div class="imports-mapping">
                <form id="mapping" class="card stack" method="post" action=start_url data-enhance data-autosubmit>
                    <h2>"Columns"</h2>
                    <IdempotencyKey key=form_key.clone() />
                    <input type="hidden" name="drawn_encoding" value=encoding.as_str() />
                    <input type="hidden" name="drawn_header_rows" value=header_rows.to_string() />
                    {FIRST.into_iter().map(select.clone()).collect_view()}
                    {dates}
                    <details open=more_open>
                        <summary>"More fields"</summary>
                        <div class="stack">{more.into_iter().map(select).collect_view()}</div>
                    </details>
                    <TextField
                        name="add_tag" label="Also tag every row" value=add_tag
                        hint="Optional. Helps you find this import in the inbox." errors=errors.clone() maxlength=MAX_TAG
                    />
                    <h2>"File"</h2>
                    <SelectField
                        name="encoding" label="Encoding" options=encodings value=encoding.as_str() hint=encoding_hint errors=errors.clone()
                    />
                    <SelectField
                        name="header_rows" label="Column names" options=lines.collect() value=header_rows.to_string()
                        hint="Survey tools often use two header lines." errors=errors
                    />
                    <div class="form-actions">
                        {if nothing {
                            view! { <button type="submit" class="button" name="anyway" value="1">"Start anyway"</button> }.into_any()
                        } else {
                            view! { <button type="submit" class="button button-primary">"Start the import"</button> }.into_any()
                        }}
                        <button type="submit" class="button" formaction=preview_url formnovalidate data-preview>"Update preview"</button>
                    </div>
                </form>
                <section class="stack">
                    <h2 id="preview-title">"Preview"</h2>
                    <PreviewSummary shown=rows.len() checked=checked groups=groups nothing=nothing />
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

/// The choice whether day or month comes first, with an example from the file.
#[component]
fn Dates(choice: DateChoice, chosen: Option<DateOrder>, errors: FieldErrors) -> impl IntoView {
    let DateChoice { example, readings, is_clear } = choice;
    let ask = (!is_clear).then(|| (String::new(), "Choose the order".to_owned()));
    let option = |(order, day): (DateOrder, String)| (order.as_str().to_owned(), format!("{}: {day}", order.label()));
    let hint = if is_clear {
        format!("Detected from the other dates in the column. {example} is read as:")
    } else {
        format!("The dates in this column can be read in two ways. Choose what {example} means:")
    };
    view! {
        <SelectField
            name="dates" label="Order of day and month" options=ask.into_iter().chain(readings.into_iter().map(option)).collect()
            value=chosen.map(DateOrder::as_str).unwrap_or_default() hint=hint errors=errors
        />
    }
}

/// Summary of the preview.
#[component]
fn PreviewSummary(shown: usize, checked: usize, groups: ProblemCounts, nothing: bool) -> impl IntoView {
    let (lost, left_out) = (groups.of(true), groups.of(false));
    let failing: i64 = lost.iter().map(|g| g.rows).sum();
    let of = if checked == 1 {
        "the first row".to_owned()
    } else {
        format!("the first {} rows", number(i64::try_from(checked).unwrap_or(i64::MAX)))
    };
    let say = match shown {
        0 => "Choose the text column to see the first rows.".to_owned(),
        1 => "The first row as it would be imported.".to_owned(),
        n => format!("The first {n} rows as they would be imported."),
    };
    view! {
        <div role="status" class="stack">
            <p class="muted small">{say}</p>
            {(!lost.is_empty()).then(|| view! {
                <div class="notice" class:notice-bad=nothing class:notice-warn=!nothing>
                    <p>
                        <strong>
                            {if nothing {
                                format!("None of {of} can be imported.")
                            } else {
                                format!("Of {of}, {} cannot be imported.", number(failing))
                            }}
                        </strong>
                        {nothing.then_some(" Check the columns, the encoding and the file’s separator.")}
                    </p>
                    <ProblemList groups=lost />
                </div>
            })}
            {(!left_out.is_empty()).then(|| view! {
                <div class="notice notice-warn">
                    <p><strong>"Some values cannot be read."</strong>" The rows are imported without them."</p>
                    <ProblemList groups=left_out />
                </div>
            })}
        </div>
    }
}

fn preview_row(row: PreviewRow) -> AnyView {
    match row.row {
        Ok([text, tags, score, person, other]) => view! {
            <tr>
                <td class="num muted">{row.line}</td>
                <td class="imports-text">
                    {text}
                    {row.left_out.into_iter().map(|reason| view! { <span class="imports-left-out">"Left out: "{reason}</span> }).collect_view()}
                </td>
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
                <td colspan="5"><strong>"Cannot be imported: "</strong>{reason}</td>
            </tr>
        }
        .into_any(),
    }
}
