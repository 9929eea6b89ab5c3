//! Importing a file: upload, mapping, preview, progress.

mod list;
mod mapping;
mod progress;

pub use list::{ImportRow, ImportsPage, ImportsView};
pub use mapping::{DateChoice, MappingPage, MappingView, PreviewRow};
pub use progress::{BadRow, ProgressPage, ProgressView};

use domain::imports::{ImportStatus, ProblemGroup};
use leptos::prelude::*;

use crate::components::{badges::Badge, numbers::thousands};

/// The status of an import, including that nothing or only some rows were imported.
#[component]
fn StatusBadge(
    /// Its status.
    status: ImportStatus,
    /// Whether the file was read completely and nothing was imported.
    nothing: bool,
    /// Rows that failed.
    failed: i64,
) -> impl IntoView {
    let (label, tone) = match status {
        ImportStatus::Done if nothing => ("Nothing imported", "bad"),
        ImportStatus::Done if failed > 0 => ("Partly imported", "warn"),
        ImportStatus::Done => (status.label(), "good"),
        ImportStatus::Running | ImportStatus::TakingBack => (status.label(), "info"),
        ImportStatus::Failed => (status.label(), "bad"),
        ImportStatus::Ready | ImportStatus::Cancelled => (status.label(), "warn"),
        ImportStatus::Uploading | ImportStatus::TakenBack => (status.label(), "neutral"),
    };
    view! { <Badge label=label tone=tone /> }
}

/// Problems by kind, with the number of rows and the first examples.
#[component]
fn ProblemList(
    /// The largest first.
    groups: Vec<ProblemGroup>,
) -> impl IntoView {
    view! {
        <ul class="imports-problems">
            {groups.into_iter().map(|group| {
                let examples = group.examples.into_iter().map(|e| match e.value.as_str() {
                    "" => format!("line {}", number(e.line)),
                    value => format!("line {}: “{value}”", number(e.line)),
                });
                let examples = examples.collect::<Vec<_>>().join(", ");
                view! {
                    <li>
                        <strong class="imports-times">{number(group.rows)}" ×"</strong>
                        <span>
                            {group.fault.label()}
                            <span class="imports-examples">{examples}</span>
                        </span>
                    </li>
                }
            }).collect_view()}
        </ul>
    }
}

/// `10,003`.
fn number(n: i64) -> String {
    let sign = if n < 0 { "-" } else { "" };
    format!("{sign}{}", thousands(usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX)))
}

/// `10,003 rows`, `1 row`.
fn count_phrase(n: i64, one: &str, many: &str) -> String {
    format!("{} {}", number(n), if n == 1 { one } else { many })
}

/// `812 kB`.
fn size(bytes: i64) -> String {
    match bytes {
        ..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!(number(10_003), "10,003");
        assert_eq!(number(-999), "-999");
        assert_eq!(count_phrase(1, "row", "rows"), "1 row");
        assert_eq!(size(1_250_000), "1.2 MB");
    }
}
