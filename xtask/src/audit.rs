//! `cargo xtask audit`: cargo-deny.

use std::{
    path::PathBuf,
    process::{Command, ExitCode},
};

use crate::{
    Result,
    paths::Paths,
    process::{cargo, run, step, tee, which},
};

/// Licences, bans and sources must pass; advisories too, if their database can be fetched.
pub fn audit(paths: &Paths) -> Result<ExitCode> {
    let deny = find(paths)?;
    let check = |what: &[&str]| {
        let mut command = Command::new(&deny);
        command.current_dir(&paths.root).args(["--workspace", "check"]).args(what);
        command
    };
    let (rules, _) = tee(&mut check(&["licenses", "bans", "sources"]))?;
    let (advisories, text) = tee(&mut check(&["advisories"]))?;
    let unfetched =
        !advisories && ["failed to fetch", "failed to load advisory", "failed to clone", "unable to open"].iter().any(|w| text.contains(w));
    if unfetched {
        eprintln!("\nThe list of known vulnerabilities could not be fetched: advisories were NOT checked.");
    }
    Ok(if rules && (advisories || unfetched) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn find(paths: &Paths) -> Result<PathBuf> {
    if let Some(deny) = which("cargo-deny") {
        return Ok(deny);
    }
    let tools = paths.target.join("tools");
    let deny = tools.join("bin").join(format!("cargo-deny{}", std::env::consts::EXE_SUFFIX));
    if !deny.is_file() {
        step("building cargo-deny; this takes a few minutes the first time", || {
            run(cargo(paths).args(["install", "--locked", "--quiet", "cargo-deny", "--root"]).arg(&tools))
        })?;
    }
    Ok(deny)
}
