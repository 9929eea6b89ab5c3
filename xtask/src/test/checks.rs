//! Formatting, lints, documentation.

use super::{Args, TestCounts};
use crate::{
    Result,
    paths::Paths,
    process::{cargo, run},
    site,
};

/// `cargo fmt --check`.
pub fn format(paths: &Paths, _: &Args) -> Result<TestCounts> {
    run(cargo(paths).args(["fmt", "--all", "--check"]))?;
    Ok(TestCounts::GOOD)
}

/// All crates for this machine, including tests.
pub fn clippy(paths: &Paths, _: &Args) -> Result<TestCounts> {
    run(cargo(paths).args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    Ok(TestCounts::GOOD)
}

/// The browser part.
pub fn clippy_wasm(paths: &Paths, _: &Args) -> Result<TestCounts> {
    site::ensure_target(paths)?;
    let wasm = ["clippy", "--package", "earshot-app", "--package", "earshot-app-wasm", "--lib", "--target", "wasm32-unknown-unknown"];
    run(cargo(paths).args(wasm).args(["--features", "earshot-app/hydrate", "--", "-D", "warnings"]))?;
    Ok(TestCounts::GOOD)
}

/// Documentation including private items: every link must resolve.
pub fn docs(paths: &Paths, _: &Args) -> Result<TestCounts> {
    run(cargo(paths).args(["doc", "--workspace", "--no-deps", "--document-private-items"]).env("RUSTDOCFLAGS", "-D warnings"))?;
    Ok(TestCounts::GOOD)
}
