//! The few tools from npm: minifiers for release builds, Playwright for the browser tests. `end2end/package-lock.json` pins them.

use std::{fs, path::PathBuf, process::Command};

use crate::{
    Result,
    paths::Paths,
    process::{apt_install, capture, step, which},
};

/// Makes sure that the packages of `end2end/package-lock.json` are installed. `false`: there is no Node.js, and none can be installed here.
pub fn ensure(paths: &Paths) -> Result<bool> {
    if which("npm").is_none() && !(apt_install(&["nodejs", "npm"])? && which("npm").is_some()) {
        return Ok(false);
    }
    let dir = paths.end2end();
    let lock = fs::read(dir.join("package-lock.json"))?;
    let stamp = dir.join("node_modules/.earshot-lock");
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(true);
    }
    step("installing npm packages", || {
        let mut npm = Command::new("npm");
        npm.current_dir(&dir).env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1");
        capture(npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]))?;
        fs::write(&stamp, &lock)?;
        Ok(true)
    })
}

/// A program that one of the packages brings.
pub fn tool(paths: &Paths, name: &str) -> Result<Command> {
    let program: PathBuf =
        paths.end2end().join("node_modules/.bin").join(if cfg!(windows) { format!("{name}.cmd") } else { name.to_owned() });
    if !program.exists() {
        return Err(format!("{} is missing: delete end2end/node_modules and try again", program.display()).into());
    }
    let mut command = Command::new(program);
    command.current_dir(paths.end2end());
    Ok(command)
}
