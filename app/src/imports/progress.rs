//! A running or finished import: progress, imported rows and failed rows.

use domain::imports::{ImportStatus, ProblemGroup};
use leptos::prelude::*;

use super::{ProblemList, StatusBadge, count_phrase, number, size};
use crate::{
    components::{forms::IdempotencyKey, layout::PageHead},
    islands::poll::Poll,
};

/// A row that failed.
#[derive(Debug, Clone)]
pub struct BadRow {
    /// Its number in the file.
    pub line: i64,
    /// Why.
    pub reason: String,
}

/// View model of the page.
#[derive(Debug, Clone)]
pub struct ProgressView {
    /// URL of this import.
    pub url: String,
    /// URL of the list.
    pub list_url: String,
    /// A fresh idempotency key.
    pub form_key: String,
    /// The file's name.
    pub name: String,
    /// Its status.
    pub status: ImportStatus,
    /// Whether the command reads the file rather than the server.
    pub by_command: bool,
    /// Whether it has reported no progress for so long that it must have stopped.
    pub is_silent: bool,
    /// Size of the file.
    pub bytes_total: i64,
    /// Bytes read so far.
    pub bytes_done: i64,
    /// Imported rows.
    pub added: i64,
    /// Duplicates: rows that already existed.
    pub known: i64,
    /// Rows that failed.
    pub bad: i64,
    /// Rows removed by undoing it.
    pub removed: i64,
    /// Rows without later changes: undoing the import removes them.
    pub untouched: i64,
    /// Rows with later changes: these are kept.
    pub touched: i64,
    /// Whether the file was read completely and nothing was imported.
    pub brought_nothing: bool,
    /// Whether its file is still stored, so that the mapping can be changed.
    pub can_change: bool,
    /// Why rows failed, by kind.
    pub failed: Vec<ProblemGroup>,
    /// Values left out of imported rows, by kind.
    pub left_out: Vec<ProblemGroup>,
    /// Whether every row got a tag that the inbox can filter by.
    pub has_tag: bool,
    /// Why it failed.
    pub error: Option<String>,
    /// The column mapping.
    pub mapping: Vec<(String, String)>,
    /// URL of the imported rows in the inbox.
    pub inbox_url: String,
    /// One page of failed rows.
    pub bad_rows: Vec<BadRow>,
    /// The next page of them.
    pub more_url: Option<String>,
    /// Whether this is not their first page.
    pub is_later_page: bool,
}

impl ProgressView {
    fn is_running(&self) -> bool {
        match self.status {
            ImportStatus::Running => !self.is_silent,
            ImportStatus::TakingBack => self.error.is_none(),
            _ => false,
        }
    }
}

/// The page.
#[component]
pub fn ProgressPage(
    /// Its content.
    view: ProgressView,
) -> impl IntoView {
    let running = view.is_running();
    let (list_url, name) = (view.list_url.clone(), view.name.clone());
    view! {
        <nav aria-label="Breadcrumb" class="small"><a href=list_url>"Imports"</a></nav>
        <div id="import" class="stack" data-part data-poll=running.then_some("")>
            <PageHead title=name />
            {running.then(|| view! { <noscript><meta http-equiv="refresh" content="3" /></noscript> })}
            <State view=view.clone() running=running />
            <Problems view=view.clone() />
            <Counts view=view.clone() />
            <TakeBack view=view.clone() running=running />
            <BadLines view=view />
        </div>
        <Poll />
    }
}

#[component]
fn State(view: ProgressView, running: bool) -> impl IntoView {
    let ProgressView { url, form_key, status, by_command, is_silent, bytes_total, bytes_done, error, added, known, bad, inbox_url, .. } =
        view;
    let ProgressView { removed, untouched, touched, has_tag, brought_nothing, can_change, left_out, .. } = view;
    let (done, total) = if status == ImportStatus::TakingBack { (removed, removed + untouched) } else { (bytes_done, bytes_total) };
    let percent = if total > 0 { (done.saturating_mul(100) / total).clamp(0, 100) } else { 0 };
    let title = match status {
        ImportStatus::TakingBack if running => format!("{percent}% undone"),
        _ if running => format!("{percent}% read"),
        ImportStatus::Done if brought_nothing => "Nothing imported".to_owned(),
        _ => "Result".to_owned(),
    };
    let stay = match touched {
        0 => String::new(),
        1 => " 1 that someone worked on was kept.".into(),
        n => format!(" {} that someone worked on were kept.", number(n)),
    };
    let say = match status {
        ImportStatus::Running if is_silent => "The command that read this file has stopped. Run it again to resume.".to_owned(),
        ImportStatus::Running if by_command => "A command is reading this file.".into(),
        ImportStatus::Running => "You can leave this page; the import continues.".into(),
        ImportStatus::Done if brought_nothing && can_change => {
            format!(
                "All {} in this file failed. Change the columns and start again; the file is still here.",
                count_phrase(bad, "row", "rows")
            )
        }
        ImportStatus::Done if brought_nothing => format!("All {} in this file failed.", count_phrase(bad, "row", "rows")),
        ImportStatus::Done if bad == 0 && added == 0 => "No new rows: everything in this file was already here.".into(),
        ImportStatus::Done if bad == 0 && left_out.is_empty() => "All rows imported.".into(),
        ImportStatus::Done if bad == 0 => "All rows imported, some of them without a value.".into(),
        ImportStatus::Done if bad == 1 => "1 row could not be imported; it is listed below.".into(),
        ImportStatus::Done => format!("{} rows could not be imported; they are listed below.", number(bad)),
        ImportStatus::Cancelled => "This import was stopped. Imported rows are kept; you can resume the import.".into(),
        ImportStatus::Failed => error.unwrap_or_else(|| "This import failed.".into()),
        ImportStatus::TakingBack if running => "You can leave this page; the undo continues.".into(),
        ImportStatus::TakingBack => error.unwrap_or_default(),
        ImportStatus::TakenBack => {
            format!("Import undone: {} removed.{stay} You can import the file again.", count_phrase(removed, "item", "items"))
        }
        ImportStatus::Ready | ImportStatus::Uploading => String::new(),
    };
    let can_go_on = !by_command && matches!(status, ImportStatus::Cancelled | ImportStatus::Failed);
    let refresh = url.clone();
    view! {
        <section class="card stack" class:imports-nothing=brought_nothing aria-labelledby="state-title">
            <div class="spread">
                <h2 id="state-title">{title}</h2>
                <StatusBadge status=status nothing=brought_nothing failed=bad />
            </div>
            {(status == ImportStatus::Running || running).then(|| view! {
                <progress class="progress" max="100" value=percent.to_string() aria-labelledby="state-title">{format!("{percent}%")}</progress>
            })}
            <p role="status">{say}</p>
            {(status == ImportStatus::Running).then(|| view! {
                <p class="muted small">{format!("{} of {}", size(bytes_done), size(bytes_total))}</p>
            })}
            <div class="cluster">
                {(added + known - removed > 0).then(|| view! {
                    <a class="button button-primary" href=inbox_url>{if has_tag { "Show in the inbox" } else { "Go to the inbox" }}</a>
                })}
                {running.then(|| view! { <noscript><a class="button" href=refresh>"Refresh"</a></noscript> })}
                {(status == ImportStatus::Running && !by_command).then(|| view! {
                    <form method="post" action=format!("{url}/cancel") data-enhance>
                        <IdempotencyKey key=format!("{form_key}-cancel") />
                        <button id="stop" type="submit" class="button">"Stop"</button>
                    </form>
                })}
                {can_change.then(|| {
                    let class = if brought_nothing { "button button-primary" } else { "button" };
                    view! {
                        <form method="post" action=format!("{url}/change") data-enhance>
                            <IdempotencyKey key=format!("{form_key}-change") />
                            <button id="change" type="submit" class=class>"Change columns"</button>
                        </form>
                    }
                })}
                {can_go_on.then(|| view! {
                    <form method="post" action=format!("{url}/continue") data-enhance>
                        <IdempotencyKey key=form_key />
                        <button id="continue" type="submit" class="button">"Resume"</button>
                    </form>
                })}
            </div>
        </section>
    }
}

/// Why rows failed or lack a value, grouped by reason.
#[component]
fn Problems(view: ProgressView) -> impl IntoView {
    let ProgressView { failed, left_out, .. } = view;
    (!failed.is_empty() || !left_out.is_empty()).then(|| {
        view! {
            <section class="card stack" aria-labelledby="problems-title">
                <h2 id="problems-title">"Problems"</h2>
                {(!failed.is_empty()).then(|| view! {
                    <h3>"Rows that were not imported"</h3>
                    <ProblemList groups=failed />
                })}
                {(!left_out.is_empty()).then(|| view! {
                    <h3>"Values that were left out"</h3>
                    <p class="muted small">"Their rows were imported without them."</p>
                    <ProblemList groups=left_out />
                })}
            </section>
        }
    })
}

#[component]
fn Counts(view: ProgressView) -> impl IntoView {
    view! {
        <dl class="imports-counts">
            <div><dt>"Added"</dt><dd>{number(view.added)}</dd></div>
            <div><dt>"Duplicates"</dt><dd>{number(view.known)}</dd></div>
            <div><dt>"Failed"</dt><dd>{number(view.bad)}</dd></div>
            {(view.removed > 0).then(|| view! { <div><dt>"Removed by undo"</dt><dd>{number(view.removed)}</dd></div> })}
        </dl>
        <details>
            <summary>"Column mapping"</summary>
            <dl class="facts">
                {view.mapping.into_iter().map(|(what, column)| view! { <dt>{what}</dt><dd>{column}</dd> }).collect_view()}
            </dl>
        </details>
    }
}

/// Asks for confirmation and names the data that would be lost.
#[component]
fn TakeBack(view: ProgressView, running: bool) -> impl IntoView {
    let offered = !running && view.status != ImportStatus::TakenBack && view.untouched > 0;
    offered.then(|| {
        let stays = match view.touched {
            0 => String::new(),
            1 => " 1 item that someone triaged, tagged, commented on or linked is kept.".to_owned(),
            n => format!(" {} items that someone triaged, tagged, commented on or linked are kept.", number(n)),
        };
        let loses = format!(
            "This permanently removes {} that came from this file and that nobody has worked on.{stays} You can then import the same \
             file again, with different columns.",
            count_phrase(view.untouched, "item", "items")
        );
        view! {
            <details class="card imports-take-back">
                <summary>"Undo this import"</summary>
                <p>{loses}</p>
                <form method="post" action=format!("{}/take-back", view.url) data-enhance>
                    <IdempotencyKey key=format!("{}-back", view.form_key) />
                    <button id="take-back" type="submit" class="button button-danger">{format!("Remove {}", count_phrase(view.untouched, "item", "items"))}</button>
                </form>
            </details>
        }
    })
}

#[component]
fn BadLines(view: ProgressView) -> impl IntoView {
    let download = format!("{}/bad-lines.csv", view.url);
    let first = view.url.clone();
    (!view.bad_rows.is_empty()).then(|| {
        view! {
            <section class="stack">
                <div class="spread">
                    <h2 id="bad-title">"Rows that failed"</h2>
                    <a class="button button-small" href=download download>"Download as CSV"</a>
                </div>
                <div class="table-wrap" tabindex="0" role="region" aria-labelledby="bad-title">
                    <table class="table">
                        <thead><tr><th scope="col" class="num">"Line"</th><th scope="col">"Reason"</th></tr></thead>
                        <tbody>
                            {view.bad_rows.into_iter().map(|row| view! {
                                <tr><th scope="row" class="num">{number(row.line)}</th><td>{row.reason}</td></tr>
                            }).collect_view()}
                        </tbody>
                    </table>
                </div>
                <p class="cluster">
                    {view.is_later_page.then(|| view! { <a href=first data-enhance>"First rows"</a> })}
                    {view.more_url.map(|more| view! { <a href=more data-enhance>"More rows"</a> })}
                </p>
            </section>
        }
    })
}
