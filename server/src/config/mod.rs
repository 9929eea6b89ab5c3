//! Settings: read once at start, from flags, `EARSHOT_*` variables and a TOML file; a wrong one is named at once.

use std::{net::SocketAddr, path::PathBuf};

/// All settings of `earshot serve`, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The data directory: SQLite, the search index.
    pub data: PathBuf,
    /// `postgres://…` instead of SQLite. Holds a password: never logged.
    pub database_url: Option<Secret<String>>,
    /// Where to listen.
    pub listen: SocketAddr,
    /// How people reach us, `https://feedback.example.com` without a slash at the end; from the `Host` header when unset.
    pub public_url: Option<String>,
    /// How many reverse proxies in front of us may be believed about `X-Forwarded-For`; 0: none.
    pub trusted_proxies: usize,
    /// Whether cookies are marked `Secure` and `__Host-`; on when `public_url` is https.
    pub secure_cookies: bool,
    /// Submissions per minute from one address.
    pub rate_per_address: u32,
    /// Submissions per minute for one project key.
    pub rate_per_key: u32,
}

impl Config {
    /// For tests: everything in `data`, a free port, generous limits.
    #[must_use]
    pub fn for_tests(data: PathBuf) -> Self {
        Self {
            data,
            database_url: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            public_url: None,
            trusted_proxies: 0,
            secure_cookies: false,
            rate_per_address: 10_000,
            rate_per_key: 100_000,
        }
    }
}

/// A value that never shows in logs or errors.
#[derive(Clone)]
pub struct Secret<T>(pub T);

impl<T> std::fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}
