//! Webhooks: endpoints, events, and their deliveries and attempts.

mod authority;
mod deliveries;
mod endpoints;
mod outbox;

pub use deliveries::{AttemptResult, ClaimedDelivery, Delivery, DeliveryAttempt, DeliveryOutcome};
pub use endpoints::Endpoint;
pub use outbox::NewEvent;
