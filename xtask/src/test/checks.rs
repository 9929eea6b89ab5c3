//! Formatting, lints, documentation.

use super::{Args, Tally};
use crate::{
    Result,
    paths::Paths,
    process::{cargo, run},
    site,
};

/// `cargo fmt --check`.
pub fn format(paths: &Paths, _: &Args) -> Result<Tally> {
    run(cargo(paths).args(["fmt", "--all", "--check"]))?;
    Ok(Tally::GOOD)
}

/// Everything for this machine, tests included.
pub fn clippy(paths: &Paths, _: &Args) -> Result<Tally> {
    run(cargo(paths).args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    Ok(Tally::GOOD)
}

/// The browser's half.
pub fn clippy_wasm(paths: &Paths, _: &Args) -> Result<Tally> {
    site::ensure_target(paths)?;
    let wasm = ["clippy", "--package", "earshot-app", "--package", "earshot-app-wasm", "--lib", "--target", "wasm32-unknown-unknown"];
    run(cargo(paths).args(wasm).args(["--features", "earshot-app/hydrate", "--", "-D", "warnings"]))?;
    Ok(Tally::GOOD)
}

/// Documentation of private items too: every link in it leads somewhere.
pub fn docs(paths: &Paths, _: &Args) -> Result<Tally> {
    run(cargo(paths).args(["doc", "--workspace", "--no-deps", "--document-private-items"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(Tally::GOOD)
}
