//! What the operator decides, as the use cases need it. The program reads it from flags, variables and a file.

mod mail;

pub use mail::MailSettings;

use std::path::{Path, PathBuf};

use domain::{Secret, webhooks::address::IpNetwork};

/// The settings of all use cases, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The data directory: SQLite, the search index.
    pub data: PathBuf,
    /// How people reach us, `https://feedback.example.com` without a slash at the end; from the `Host` header when unset.
    pub public_url: Option<String>,
    /// Submissions per minute from one address.
    pub rate_per_address: u32,
    /// Submissions per minute for one project key.
    pub rate_per_key: u32,
    /// Requests per minute with one API key.
    pub rate_per_api_key: u32,
    /// Bytes of files of one project from which on strangers may add no more.
    pub files_per_project: u64,
    /// The same for all projects together.
    pub files_in_all: u64,
    /// Bytes of the disk that files leave free.
    pub keep_free: u64,
    /// The program of this process; pictures are decoded by others of it.
    pub program: PathBuf,
    /// How mail goes out; `None`: no mail is sent.
    pub mail: Option<MailSettings>,
    /// Addresses of private networks that webhooks may call all the same; what is public needs no mention.
    pub webhook_allow: Vec<IpNetwork>,
    /// What signs together with what the database holds, from a file that no backup of the database has.
    pub secret: Option<Secret<Vec<u8>>>,
}

impl Settings {
    /// Whether people reach us by HTTPS, so that cookies may be `Secure`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.public_url.as_ref().is_some_and(|url| url.starts_with("https://"))
    }

    /// For tests: everything in `data`, generous limits.
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
        }
    }
}

/// Bytes of so many megabytes, each 1,048,576.
#[must_use]
pub fn megabytes(n: u64) -> u64 {
    n.saturating_mul(1 << 20)
}

/// Where the program of this process is, also after another one was put in its place.
#[must_use]
pub fn own_program() -> PathBuf {
    let linked = Path::new("/proc/self/exe");
    if linked.exists() { linked.to_owned() } else { std::env::current_exe().unwrap_or_else(|_| "earshot".into()) }
}
