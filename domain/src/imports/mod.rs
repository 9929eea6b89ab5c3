//! Importing a file: the mapping of its columns ([`ColumnMapping`]), and the conversion of a line into feedback ([`BoundMapping::row`]).
//! Pure rules; the server reads the file and stores the rows.

mod dates;
mod encoding;
mod header;
mod mapping;
mod problem;
mod row;
mod target;
mod values;

pub use dates::{DateOrder, DateOrderEvidence, DateParseError, read as read_date};
pub use encoding::{Encoding, UNREADABLE};
pub use header::{MAX_HEADER_ROWS, column_names, count_header_rows, header};
pub use mapping::{BoundMapping, ColumnMapping};
pub use problem::{ProblemCounts, ProblemExample, ProblemGroup, ProblemKind, RowProblem};
pub use row::{ImportedContact, ImportedFeedback, ImportedRow, MAX_TEXT};
pub use target::Target;
pub use values::{ParsedScore, infer_scale_max, is_blank_value, parse_contact_address, parse_score};

use crate::words::words;

words! {
    /// The progress of an import.
    ImportStatus {
        /// The file is still being uploaded.
        Uploading = "uploading" / "Uploading",
        /// The file is uploaded; its columns must be mapped.
        Ready = "ready" / "Ready to map",
        /// Rows are being imported.
        Running = "running" / "Running",
        /// Every line has been read.
        Done = "done" / "Done",
        /// Stopped by a person; imported rows stay.
        Cancelled = "cancelled" / "Stopped",
        /// Failed after several attempts; can be continued.
        Failed = "failed" / "Failed",
        /// Its rows are being removed.
        TakingBack = "taking_back" / "Being undone",
        /// Its rows that nobody has worked on have been removed.
        TakenBack = "taken_back" / "Undone",
    }
}
