//! Operator settings, as the use cases need them. The program reads them from flags, variables and a file.

mod mail;
mod password;

pub use mail::MailSettings;
pub use password::PasswordCost;

use std::path::{Path, PathBuf};

use domain::{Secret, webhooks::address::IpNetwork};

/// The settings of all use cases, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The data directory: SQLite, the search index.
    pub data: PathBuf,
    /// The public URL, `https://feedback.example.com` without a trailing slash; derived from the `Host` header when unset.
    pub public_url: Option<String>,
    /// Submissions per minute from one address.
    pub rate_per_address: u32,
    /// Submissions per minute for one project key.
    pub rate_per_key: u32,
    /// Requests per minute with one API key.
    pub rate_per_api_key: u32,
    /// Bytes of one project's files above which strangers may not add more.
    pub files_per_project: u64,
    /// The same limit for all projects together.
    pub files_in_all: u64,
    /// Disk bytes that files must leave free.
    pub keep_free: u64,
    /// The path of this program; it is started again to decode images.
    pub program: PathBuf,
    /// Settings for outgoing mail; `None`: no mail is sent.
    pub mail: Option<MailSettings>,
    /// Private network addresses that webhooks may call; public ones need no entry.
    pub webhook_allow: Vec<IpNetwork>,
    /// Secret for signing, combined with the one in the database, from a file that is not part of database backups.
    pub secret: Option<Secret<Vec<u8>>>,
    /// Work factor of new password hashes.
    pub password_cost: PasswordCost,
}

impl Settings {
    /// Whether the public URL uses HTTPS, so that cookies may be `Secure`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.public_url.as_ref().is_some_and(|url| url.starts_with("https://"))
    }

    /// For tests: everything in `data`, generous limits, and passwords that take no time.
    #[must_use]
    pub fn for_tests(data: PathBuf) -> Self {
        Self {
            data,
            public_url: None,
            rate_per_address: 10_000,
            rate_per_key: 100_000,
            rate_per_api_key: 100_000,
            files_per_project: megabytes(5_000),
            files_in_all: megabytes(20_000),
            keep_free: 0,
            program: own_program(),
            mail: None,
            webhook_allow: Vec::new(),
            secret: None,
            password_cost: PasswordCost::MINIMAL,
        }
    }
}

/// Converts megabytes of 1,048,576 bytes to bytes.
#[must_use]
pub fn megabytes(n: u64) -> u64 {
    n.saturating_mul(1 << 20)
}

/// Returns the path of this process's program, even after the file was replaced.
#[must_use]
pub fn own_program() -> PathBuf {
    let linked = Path::new("/proc/self/exe");
    if linked.exists() { linked.to_owned() } else { std::env::current_exe().unwrap_or_else(|_| "earshot".into()) }
}
