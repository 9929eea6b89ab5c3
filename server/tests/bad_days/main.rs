//! Failure tests: the real program is killed, runs out of disk space, loses its index and its database, and is attacked with slow and with
//! large requests. Each test has a control, which shows that the test would detect the failure.
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
