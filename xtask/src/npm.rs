//! The few tools from npm: minifiers for release builds and Playwright for the browser tests, pinned by `end2end/package-lock.json`, and
//! the dependencies of the generated TypeScript client.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Result,
    paths::Paths,
    process::{apt_install, capture, step, which},
};

/// Makes sure that the packages of `end2end/package-lock.json` are installed. `false`: there is no Node.js, and it cannot be installed
/// here.
pub fn ensure(paths: &Paths) -> Result<bool> {
    ensure_in(&paths.end2end())
}

/// As [`ensure`], for the `package-lock.json` of any directory.
pub fn ensure_in(dir: &Path) -> Result<bool> {
    if which("npm").is_none() && !(apt_install(&["nodejs", "npm"])? && which("npm").is_some()) {
        return Ok(false);
    }
    let lock = fs::read(dir.join("package-lock.json"))?;
    let stamp = dir.join("node_modules/.earshot-lock");
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(true);
    }
    step("installing npm packages", || {
        let mut npm = Command::new("npm");
        npm.current_dir(dir).env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1");
        capture(npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]))?;
        fs::write(&stamp, &lock)?;
        Ok(true)
    })
}

/// A program from one of the packages of `end2end`.
pub fn tool(paths: &Paths, name: &str) -> Result<Command> {
    tool_in(&paths.end2end(), name)
}

/// As [`tool`], for the packages of any directory.
pub fn tool_in(dir: &Path, name: &str) -> Result<Command> {
    let modules = dir.join("node_modules");
    let program: PathBuf = modules.join(".bin").join(if cfg!(windows) { format!("{name}.cmd") } else { name.to_owned() });
    if !program.exists() {
        return Err(format!("{} is missing: delete {} and try again", program.display(), modules.display()).into());
    }
    let mut command = Command::new(program);
    command.current_dir(dir);
    Ok(command)
}
