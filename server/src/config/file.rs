//! The TOML file of settings.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use service::error::{Error, Result};

use super::{Hsts, LogFormat, TrustedProxies};

/// The settings in the file. Unknown names are refused: a misspelt setting must not silently fall back to its default.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConfigFile {
    pub data: Option<PathBuf>,
    pub database_url: Option<String>,
    pub listen: Option<SocketAddr>,
    pub public_url: Option<String>,
    pub trusted_proxies: Option<TrustedProxies>,
    pub hsts: Option<Hsts>,
    pub rate_per_address: Option<u32>,
    pub rate_per_key: Option<u32>,
    pub rate_per_api_key: Option<u32>,
    pub connections_per_address: Option<usize>,
    pub files_per_project: Option<u64>,
    pub files_in_all: Option<u64>,
    pub keep_free: Option<u64>,
    pub smtp_url: Option<String>,
    pub mail_from: Option<String>,
    pub metrics_token: Option<String>,
    pub webhook_allow: Option<String>,
    pub secret_file: Option<PathBuf>,
    pub log: Option<String>,
    pub log_format: Option<LogFormat>,
}

pub(super) fn read(path: &Path) -> Result<ConfigFile> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| Error::Internal(format!("cannot read the settings file {shown}: {e}")))?;
    toml::from_str(&text).map_err(|error| {
        // Leaves out the line's text, which may contain the database's password.
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let name = text.lines().nth(line - 1).and_then(|l| l.split_once('=')).map_or("", |(name, _)| name.trim());
        Error::Internal(format!("the settings file {shown} is wrong at line {line} ({name}): {}", error.message()))
    })
}
