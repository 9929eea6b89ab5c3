//! Backlog items and their links to feedback.

use serde::{Deserialize, Serialize};

use crate::feedback::words;

words! {
    /// How far the work has come.
    BacklogStatus {
        /// Not decided.
        Open = "open" / "Open",
        /// Decided, not begun.
        Planned = "planned" / "Planned",
        /// Being made.
        InProgress = "in_progress" / "In progress",
        /// In the hands of people.
        Shipped = "shipped" / "Shipped",
        /// Decided against.
        Declined = "declined" / "Declined",
    }
}
