//! A Chromium for the browser tests.

use std::{env, path::PathBuf};

use crate::{
    Result, npm,
    paths::Paths,
    process::{apt_install, run, step, which},
};

/// Program names on various systems.
const NAMES: &[&str] = &["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
const MAC: &[&str] =
    &["/Applications/Chromium.app/Contents/MacOS/Chromium", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"];

/// The browser to use: the one named by `EARSHOT_CHROMIUM`, the system's, or (`None`) Playwright's own. Installs one if there is none.
pub fn ensure(paths: &Paths) -> Result<Option<PathBuf>> {
    if let Some(browser) = env::var_os("EARSHOT_CHROMIUM") {
        return Ok(Some(browser.into()));
    }
    if let Some(browser) = system() {
        return Ok(Some(browser));
    }
    // If the system has no package of this name, fall back to Playwright's own.
    if apt_install(&["chromium", "fonts-liberation"]).unwrap_or_else(|error| {
        eprintln!("{error}");
        false
    }) && let Some(browser) = system()
    {
        return Ok(Some(browser));
    }
    step("fetching Chromium (Playwright)", || {
        run(npm::tool(paths, "playwright")?.args(["install", "chromium"]))
            .map_err(|e| format!("{e}; install Chromium, or set EARSHOT_CHROMIUM to where it is").into())
    })?;
    Ok(None)
}

fn system() -> Option<PathBuf> {
    NAMES.iter().find_map(|name| which(name)).or_else(|| MAC.iter().map(PathBuf::from).find(|p| p.is_file()))
}
