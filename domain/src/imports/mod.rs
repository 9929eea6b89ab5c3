//! Importing a file: which column becomes what ([`Mapping`]), and one line of the file as feedback ([`Plan::row`]). Pure rules; reading
//! the file and storing the rows is the server's part.

mod dates;
mod encoding;
mod header;
mod mapping;
mod problem;
mod row;
mod target;
mod values;

pub use dates::{DateOrder, Order, Unread, read as read_date};
pub use encoding::{Encoding, UNREADABLE};
pub use header::{MAX_HEADER_ROWS, columns, header, header_rows};
pub use mapping::{Mapping, Plan};
pub use problem::{Example, Fault, Group, Groups, Problem};
pub use row::{MAX_TEXT, NewContact, NewFeedback, NewRow};
pub use target::Target;
pub use values::{Score, address, is_nothing, score, usual_scale};

use crate::words::words;

words! {
    /// How far an import has come.
    ImportStatus {
        /// The file is still arriving.
        Uploading = "uploading" / "Uploading",
        /// The file is here; someone must say which column is what.
        Ready = "ready" / "Ready to map",
        /// Rows are going in.
        Running = "running" / "Running",
        /// Every line was read.
        Done = "done" / "Done",
        /// Stopped by a person; what went in stays.
        Cancelled = "cancelled" / "Stopped",
        /// Given up after several attempts; can be continued.
        Failed = "failed" / "Failed",
        /// What it brought is being removed again.
        TakingBack = "taking_back" / "Being undone",
        /// What it brought and nobody touched is gone.
        TakenBack = "taken_back" / "Undone",
    }
}
