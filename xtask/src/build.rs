//! `cargo xtask build`.

use std::path::PathBuf;

use crate::{
    Result,
    paths::{Paths, TEST_PROFILE},
    process::{cargo, run, step},
    site,
};

/// Builds the browser part, then the program that contains it; returns the program's path.
pub fn program(paths: &Paths, release: bool) -> Result<PathBuf> {
    reloading(paths, release, false)
}

/// As [`program`]; with `reload`, open pages reload when a newer program takes over.
pub fn reloading(paths: &Paths, release: bool, reload: bool) -> Result<PathBuf> {
    site::build(paths, release, reload)?;
    server(paths, release, &["--package", "earshot-server", "--profile", if release { "release" } else { "dev" }])?;
    Ok(paths.program(release))
}

/// Builds the program for tests; returns its path.
pub fn for_tests(paths: &Paths) -> Result<PathBuf> {
    site::build(paths, true, false)?;
    // The whole workspace, because Cargo chooses the features of dependencies for it, and the tests are to use the same build.
    server(paths, true, &["--workspace", "--profile", TEST_PROFILE])?;
    Ok(paths.test_program())
}

fn server(paths: &Paths, release: bool, args: &[&str]) -> Result<()> {
    step("building the server", || {
        run(cargo(paths).args(["build", "--bin", "earshot"]).args(args).env("EARSHOT_SITE", paths.site(release)))
    })
}
