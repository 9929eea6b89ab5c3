//! `cargo xtask build`.

use std::{path::PathBuf, process::Command};

use crate::{
    Result,
    paths::Paths,
    process::{cargo, run, step},
    site,
};

/// Builds the browser's half, then the program with it inside; returns where the program is.
pub fn program(paths: &Paths, release: bool) -> Result<PathBuf> {
    site::build(paths, release, false)?;
    server(paths, release, |_| {})
}

/// As [`program`]; open pages load themselves again when a newer program takes over.
pub fn reloading(paths: &Paths, release: bool) -> Result<PathBuf> {
    site::build(paths, release, true)?;
    server(paths, release, |_| {})
}

/// The release program as tests use it: without link-time optimization, which takes minutes and changes nothing that they look at.
pub fn for_tests(paths: &Paths) -> Result<PathBuf> {
    site::build(paths, true, false)?;
    server(paths, true, |build| {
        build.env("CARGO_PROFILE_RELEASE_LTO", "off");
    })
}

fn server(paths: &Paths, release: bool, change: impl FnOnce(&mut Command)) -> Result<PathBuf> {
    step("building the server", || {
        let mut build = cargo(paths);
        build.args(["build", "--package", "earshot-server", "--bin", "earshot"]).env("EARSHOT_SITE", paths.site(release));
        if release {
            build.arg("--release");
        }
        change(&mut build);
        run(&mut build)
    })?;
    Ok(paths.program(release))
}
