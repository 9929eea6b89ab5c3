//! Importing a file: upload, mapping, preview, progress.

mod list;
mod mapping;
mod progress;

pub use list::{ImportRow, ImportsPage, ImportsView};
pub use mapping::{MappingPage, MappingView, PreviewRow};
pub use progress::{BadRow, ProgressPage, ProgressView};

use domain::imports::ImportStatus;

/// The colour of a status.
fn tone(status: ImportStatus) -> &'static str {
    match status {
        ImportStatus::Done => "good",
        ImportStatus::Running | ImportStatus::TakingBack => "info",
        ImportStatus::Failed => "bad",
        ImportStatus::Ready | ImportStatus::Cancelled => "warn",
        ImportStatus::Uploading | ImportStatus::TakenBack => "neutral",
    }
}

/// `10,003`.
fn number(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut out = String::from(if n < 0 { "-" } else { "" });
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `10,003 rows`, `1 row`.
fn counted(n: i64, one: &str, many: &str) -> String {
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
        assert_eq!(counted(1, "row", "rows"), "1 row");
        assert_eq!(size(1_250_000), "1.2 MB");
    }
}
