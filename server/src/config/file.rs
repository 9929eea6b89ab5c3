//! The TOML file of settings.

use std::path::Path;

use service::error::{Error, Result};

use super::ConfigFile;

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
