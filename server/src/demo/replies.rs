//! The demonstration's canned replies.

use domain::{Timestamp, accounts::Scope};
use service::{error::Result, replies};

use super::BackdatedApp;

const REPLIES: &[(&str, &str)] = &[
    (
        "Asking for a file",
        "Hello {name},\n\nthank you for writing. Could you attach the plan in which this happens? You can do so at {link}.\n\n{me}",
    ),
    (
        "Fixed in the next release",
        "Hello {name},\n\nwe found the problem, and it is fixed in the next release. I will write here as soon as it is out.\n\n{me}",
    ),
    ("Closing without a response", "Hello {name},\n\nI am closing ticket {number} for now. If you write again, it reopens.\n\n{me}"),
];

/// Adds the canned replies, long before the tickets.
pub(super) async fn fill(past: &mut BackdatedApp, owner: &Scope, now: Timestamp) -> Result<()> {
    for (name, body) in REPLIES {
        let key = past.key();
        replies::create(past.at(now.plus_days(-80)), owner, &key, name, body).await?;
    }
    Ok(())
}
