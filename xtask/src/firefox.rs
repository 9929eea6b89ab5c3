//! A Firefox for the widget's cases. The system's own, as people have it: it is driven through WebDriver BiDi.

use std::{env, path::PathBuf};

use crate::process::{apt_install, which};

/// Names under which systems have it.
const NAMES: &[&str] = &["firefox-esr", "firefox"];

/// The browser to use: what `EARSHOT_FIREFOX` names, or the system's. Installs one where that is possible; `None` when there is none.
pub fn ensure() -> Option<PathBuf> {
    if let Some(browser) = env::var_os("EARSHOT_FIREFOX") {
        return Some(browser.into());
    }
    system().or_else(|| {
        let installed = apt_install(&["firefox-esr"]).unwrap_or_else(|error| {
            eprintln!("{error}");
            false
        });
        if installed { system() } else { None }
    })
}

fn system() -> Option<PathBuf> {
    NAMES.iter().find_map(|name| which(name))
}
