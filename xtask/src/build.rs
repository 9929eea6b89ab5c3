//! `cargo xtask build`.

use std::path::PathBuf;

use crate::{
    Result,
    paths::Paths,
    process::{cargo, run, step},
    site,
};

/// Builds the browser's half, then the program with it inside; gives where the program is.
pub fn program(paths: &Paths, release: bool) -> Result<PathBuf> {
    reloading(paths, release, false)
}

/// As [`program`]; with `reload`, open pages load themselves again when a newer program takes over.
pub fn reloading(paths: &Paths, release: bool, reload: bool) -> Result<PathBuf> {
    site::build(paths, release, reload)?;
    step("building the server", || {
        let mut build = cargo(paths);
        build.args(["build", "--package", "earshot-server", "--bin", "earshot"]).env("EARSHOT_SITE", paths.site(release));
        if release {
            build.arg("--release");
        }
        run(&mut build)
    })?;
    Ok(paths.program(release))
}
