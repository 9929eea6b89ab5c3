//! Webhooks: event kinds, the retry schedule for deliveries, and the addresses that may be called ([`address`]).

pub mod address;

use crate::words::words;

words! {
    /// The events that webhooks deliver.
    EventKind {
        /// Feedback arrived.
        FeedbackCreated = "feedback.created" / "New feedback",
        /// Feedback, its tags, status, assignee or links changed, or its author added to it.
        FeedbackUpdated = "feedback.updated" / "Feedback updated",
        /// Someone opened a ticket.
        TicketCreated = "ticket.created" / "New ticket",
        /// The requester or the team added a message to a ticket.
        TicketMessageAdded = "ticket.message_added" / "New ticket message",
        /// A ticket was closed.
        TicketClosed = "ticket.closed" / "Ticket closed",
        /// A closed ticket was reopened.
        TicketReopened = "ticket.reopened" / "Ticket reopened",
        /// A backlog item was created.
        BacklogItemCreated = "backlog_item.created" / "Backlog item created",
        /// A backlog item's title, description or status changed.
        BacklogItemUpdated = "backlog_item.updated" / "Backlog item updated",
        /// A backlog item was removed because its creation was undone. Its number is not reused.
        BacklogItemDeleted = "backlog_item.deleted" / "Backlog item removed",
        /// Someone tests an endpoint; sent to that endpoint only, regardless of its subscribed events.
        Test = "webhook.test" / "Test",
    }
}

impl EventKind {
    /// Returns whether endpoints can subscribe to it.
    #[must_use]
    pub fn is_offered(self) -> bool {
        self != Self::Test
    }
}

words! {
    /// The state of a delivery.
    DeliveryState {
        /// Due, or waiting for the next attempt.
        Pending = "pending" / "Pending",
        /// The receiver returned a success status.
        Delivered = "delivered" / "Delivered",
        /// Failed permanently, until someone retries it.
        Dead = "dead" / "Failed",
    }
}

/// Delays after each failed attempt, in seconds: eight attempts within a day and four hours.
const PAUSES: [i64; 7] = [5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 10 * 3600];

/// The delay before the next attempt, in milliseconds, after `failures` failed attempts; `None` if no further attempt is made.
#[must_use]
pub fn retry_delay(failures: i64) -> Option<i64> {
    let at = usize::try_from(failures.checked_sub(1)?).ok()?;
    PAUSES.get(at).map(|seconds| seconds * 1000)
}

/// An endpoint is disabled if its last attempts, at least this many, all failed, …
pub const FAILURES_TO_DISABLE: i64 = 10;
/// … over at least this many days.
pub const DAYS_TO_DISABLE: i64 = 5;
/// Days for which a rotated secret still signs deliveries.
pub const PREVIOUS_SECRET_DAYS: i64 = 1;
/// Days for which events and their deliveries are kept.
pub const RETENTION_DAYS: i64 = 30;
/// Longest URL, in characters.
pub const MAX_URL: usize = 2_000;
/// Longest note, in characters.
pub const MAX_NOTE: usize = 200;
/// Most endpoints of one project.
pub const MAX_ENDPOINTS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_end_within_about_a_day() {
        let pauses: Vec<i64> = (1..).map_while(retry_delay).collect();
        assert_eq!(pauses.len(), 7);
        assert!(pauses.is_sorted());
        let hours = pauses.iter().sum::<i64>() / 3_600_000;
        assert!((24..36).contains(&hours), "{hours}");
        assert_eq!((retry_delay(0), retry_delay(-3), retry_delay(8)), (None, None, None));
    }

    #[test]
    fn words_are_read_back_and_fit_into_a_list_with_commas() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::parse(kind.as_str()), Some(*kind));
            assert!(kind.as_str().chars().all(|c| c.is_ascii_lowercase() || matches!(c, '.' | '_')));
        }
        assert!(!EventKind::Test.is_offered());
    }
}
