//! The project's imports, and the upload form.

use domain::{FieldErrors, imports::ImportStatus};
use leptos::prelude::*;

use super::{StatusBadge, number};
use crate::components::{
    forms::{ErrorSummary, IdempotencyKey},
    layout::{Empty, PageHead},
};

/// One import of the list.
#[derive(Debug, Clone)]
pub struct ImportRow {
    /// Its URL.
    pub href: String,
    /// The file's name.
    pub name: String,
    /// Its status.
    pub status: ImportStatus,
    /// Whether the file was read completely and nothing was imported.
    pub brought_nothing: bool,
    /// Imported rows.
    pub added: i64,
    /// Duplicates: rows that already existed.
    pub known: i64,
    /// Rows that failed.
    pub bad: i64,
    /// When it began, for display and machine-readable.
    pub at: (String, String),
    /// The person who started it.
    pub by: String,
}

/// View model of the page.
#[derive(Debug, Clone)]
pub struct ImportsView {
    /// The project's name in URLs.
    pub slug: String,
    /// A fresh idempotency key.
    pub form_key: String,
    /// Validation errors of the upload.
    pub errors: FieldErrors,
    /// Newest first.
    pub rows: Vec<ImportRow>,
}

/// The page.
#[component]
pub fn ImportsPage(
    /// Its content.
    view: ImportsView,
) -> impl IntoView {
    let error = view.errors.message_for("file").map(ToOwned::to_owned);
    let described = if error.is_some() { "file-hint file-error" } else { "file-hint" };
    let command = format!("earshot import --project {} FILE.csv --map text=COLUMN,tag=COLUMN", view.slug);
    view! {
        <PageHead title="Imports" lead="Import feedback from a CSV file with one message per row." />
        <ErrorSummary errors=view.errors.clone() />
        <section class="card" aria-labelledby="upload-title">
            <h2 id="upload-title">"Import a file"</h2>
            <form method="post" action=format!("/p/{}/imports", view.slug) enctype="multipart/form-data">
                <IdempotencyKey key=view.form_key />
                <div class="field" class:field-invalid=error.is_some()>
                    <label for="file">"CSV file"</label>
                    <p class="hint" id="file-hint">
                        "Up to 64 MB, in any common encoding, with the column names in the first line. You map the columns in the next step."
                    </p>
                    {error.clone().map(|error| view! { <p class="field-error" id="file-error">{error}</p> })}
                    <input
                        id="file" name="file" type="file" accept=".csv,.tsv,.txt,text/csv" required aria-describedby=described
                        aria-invalid=error.is_some().then_some("true")
                    />
                </div>
                <div class="form-actions">
                    <button type="submit" class="button button-primary">"Upload and map columns"</button>
                </div>
            </form>
            <details class="imports-command">
                <summary>"Larger files, or from a script"</summary>
                <p class="hint">"On the server, this command reads a file of any size and can be run again at any time:"</p>
                <pre><code>{command}</code></pre>
            </details>
        </section>
        {if view.rows.is_empty() {
            view! {
                <Empty
                    title="No imports yet"
                    text="Imported files are listed here with the rows that were added and the rows that failed. Importing the same file again adds no duplicates."
                />
            }.into_any()
        } else {
            view! {
                <section class="stack">
                    <h2 id="imports-title">"Previous imports"</h2>
                    <div class="table-wrap" tabindex="0" role="region" aria-labelledby="imports-title">
                        <table class="table table-cards">
                            <thead>
                                <tr>
                                    <th scope="col">"File"</th>
                                    <th scope="col">"Status"</th>
                                    <th scope="col" class="num">"Added"</th>
                                    <th scope="col" class="num">"Duplicates"</th>
                                    <th scope="col" class="num">"Failed"</th>
                                    <th scope="col">"Started"</th>
                                </tr>
                            </thead>
                            <tbody>
                                {view.rows.into_iter().map(|row| view! {
                                    <tr>
                                        <th scope="row"><a href=row.href>{row.name}</a></th>
                                        <td data-label="Status"><StatusBadge status=row.status nothing=row.brought_nothing failed=row.bad /></td>
                                        <td class="num" data-label="Added">{number(row.added)}</td>
                                        <td class="num" data-label="Duplicates">{number(row.known)}</td>
                                        <td class="num" data-label="Failed">{number(row.bad)}</td>
                                        <td data-label="Started"><time datetime=row.at.1>{row.at.0}</time>" "<span class="muted">{row.by}</span></td>
                                    </tr>
                                }).collect_view()}
                            </tbody>
                        </table>
                    </div>
                </section>
            }.into_any()
        }}
    }
}
