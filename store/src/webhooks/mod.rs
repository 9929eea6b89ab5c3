//! Webhooks: endpoints, what happened (events), and its way to each endpoint (deliveries, attempts).

mod authority;
mod deliveries;
mod endpoints;
mod outbox;

pub use deliveries::{AttemptResult, ClaimedDelivery, Delivery, DeliveryAttempt, DeliveryOutcome};
pub use endpoints::Endpoint;
pub use outbox::NewEvent;
