//! A Firefox for the widget's tests. The system's own, as users have it, driven through WebDriver BiDi.

use std::{env, path::PathBuf};

use crate::process::{apt_install, which};

/// Program names on various systems.
const NAMES: &[&str] = &["firefox-esr", "firefox"];

/// The browser to use: the one named by `EARSHOT_FIREFOX`, or the system's. Installs one if possible; `None` if there is none.
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
