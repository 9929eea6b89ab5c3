//! Shared test support: a database of each kind, a settable clock, sequential ids, and, with the feature `app`, the use cases over all of
//! it.
//!
//! PostgreSQL variants run when `EARSHOT_TEST_POSTGRES` names a server (`cargo xtask test` always starts one); each test has its own
//! database there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[cfg(feature = "app")]
mod app;
#[cfg(feature = "app")]
pub mod feedback;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use domain::{Clock, IdSource, Timestamp};
use uuid::Uuid;

#[cfg(feature = "app")]
pub use app::{BusyWriters, FullQueue, PASSWORD, TestApp, adding, sample, submission};

/// A clock that tests set.
#[derive(Debug)]
pub struct TestClock(AtomicI64);

impl TestClock {
    /// A clock set to a moment.
    #[must_use]
    pub fn at(ms: i64) -> Self {
        Self(AtomicI64::new(ms))
    }

    /// Moves the clock.
    pub fn advance_ms(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// Sequential ids: UUIDv7 in format, the same in every run.
#[derive(Debug)]
pub struct TestIds(AtomicU64);

impl TestIds {
    /// Ids from `n` on, so that several programs in a test do not share ids.
    #[must_use]
    pub fn starting_at(n: u64) -> Self {
        Self(AtomicU64::new(n))
    }
}

impl IdSource for TestIds {
    fn uuid(&self) -> Uuid {
        let n = self.0.fetch_add(1, Ordering::SeqCst);
        Uuid::from_u128((0x0199_0000_0000_7000_8000_u128 << 48) | u128::from(n))
    }

    fn random(&self, buffer: &mut [u8]) {
        for byte in buffer {
            let n = self.0.fetch_add(1, Ordering::SeqCst);
            *byte = n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()[0];
        }
    }
}

/// The database of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// A file in the test's own directory.
    Sqlite,
    /// A separate database on the server for tests.
    Postgres,
}

/// Declares a test for both databases: `on_both!(name, |t| async move { … })` with `t: TestApp`; to change settings: `on_both!(name,
/// |settings| …, |t| async move { … })`.
#[macro_export]
macro_rules! on_both {
    ($name:ident, $body:expr) => {
        $crate::on_both!($name, |_| {}, $body);
    };
    ($name:ident, $change:expr, $body:expr) => {
        $crate::on_both_of!($crate::TestApp, $name, $change, $body);
    };
}

/// As [`on_both!`] with the caller's own type, which has `with_settings(Database, change) -> Option<Self>`.
#[macro_export]
macro_rules! on_both_of {
    ($app:path, $name:ident, $change:expr, $body:expr) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                let run = $body;
                if let Some(t) = <$app>::with_settings($crate::Database::Sqlite, $change).await {
                    run(t).await;
                }
            }
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                let run = $body;
                if let Some(t) = <$app>::with_settings($crate::Database::Postgres, $change).await {
                    run(t).await;
                }
            }
        }
    };
}

/// As [`on_both!`], for tests of one database only: `on_one!(name, Postgres, |t| async move { … })`.
#[macro_export]
macro_rules! on_one {
    ($name:ident, $database:ident, $body:expr) => {
        $crate::on_one_of!($crate::TestApp, $name, $database, $body);
    };
}

/// As [`on_one!`] with the caller's own type.
#[macro_export]
macro_rules! on_one_of {
    ($app:path, $name:ident, $database:ident, $body:expr) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let run = $body;
            if let Some(t) = <$app>::with_settings($crate::Database::$database, |_| {}).await {
                run(t).await;
            }
        }
    };
}

/// A directory with the same permissions as the program's data directory.
#[must_use]
pub fn private_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    #[cfg(unix)]
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    dir
}

/// Records that a test was skipped, so that `cargo xtask test` lists it at the end although the test passes.
pub fn skipped(test: &str, why: &str) {
    let text = format!("!!! SKIPPED {test}: {why}");
    eprintln!("{text}");
    #[expect(clippy::disallowed_methods, reason = "where to write is told by the environment")]
    let file = std::env::var_os("EARSHOT_TEST_NOTES");
    let file = file.and_then(|file| std::fs::OpenOptions::new().create(true).append(true).open(file).ok());
    if let Some(mut file) = file {
        std::io::Write::write_all(&mut file, format!("{text}\n").as_bytes()).unwrap();
    }
}

/// A separate database on the server for tests; without a server `None`, and the test is recorded as skipped.
pub async fn fresh_postgres() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "where to test is told by the environment")]
    let admin = std::env::var("EARSHOT_TEST_POSTGRES").ok();
    let Some(admin) = admin else {
        let test = std::thread::current().name().unwrap_or("a test on PostgreSQL").to_owned();
        skipped(&test, "EARSHOT_TEST_POSTGRES names no server; cargo xtask test starts one");
        return None;
    };
    sqlx::any::install_default_drivers();
    #[expect(clippy::disallowed_methods, reason = "a name that no other test run uses")]
    let name = format!("t_{}", Uuid::now_v7().simple());
    let pool = sqlx::AnyPool::connect(&admin).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&pool).await.unwrap();
    pool.close().await;
    let mut url = url::Url::parse(&admin).unwrap();
    url.set_path(&name);
    Some(url.to_string())
}
