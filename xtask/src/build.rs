//! `cargo xtask build`.

use std::path::PathBuf;

use crate::{
    Result,
    paths::Paths,
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
    server(paths, release, if release { "release" } else { "dev" })?;
    Ok(paths.program(release))
}

/// Builds the program for tests; returns its path.
pub fn for_tests(paths: &Paths) -> Result<PathBuf> {
    site::build(paths, true, false)?;
    server(paths, true, "test-release")?;
    Ok(paths.test_program())
}

fn server(paths: &Paths, release: bool, profile: &str) -> Result<()> {
    step("building the server", || {
        run(cargo(paths)
            .args(["build", "--package", "earshot-server", "--bin", "earshot", "--profile", profile])
            .env("EARSHOT_SITE", paths.site(release)))
    })
}
