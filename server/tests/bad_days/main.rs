//! Bad days: the real program is killed, starved of disk, robbed of its index and its database, and attacked by slow and by large
//! requests. Beside each test stands a control, which shows that the test would notice.
//!
//! Sizes are small in an ordinary run and full with `cargo xtask test --long`.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod backup;
mod full;
mod gone;
mod harness;
mod hostile;
mod index;
mod kill;
mod log;
mod nodes;
mod second;
mod slow;
mod spend;
mod stop;
mod sync;
