//! The Rust tests.

use std::{fs, path::PathBuf, process::Command};

use super::{Args, TestCounts};
use crate::{
    Result,
    paths::{Paths, TEST_PROFILE},
    postgres::{Postgres, VARIABLE},
    process::{apt_install, cargo, clean_env, tee, which},
};

/// Unit and integration tests; the store's contract on both databases.
pub fn tests(paths: &Paths, args: &Args) -> Result<TestCounts> {
    let postgres = Postgres::start()?;
    tracer();
    let mut command = cargo(paths);
    if which("cargo-nextest").is_some() {
        command.args([
            "nextest",
            "run",
            "--cargo-profile",
            TEST_PROFILE,
            "--workspace",
            "--no-fail-fast",
            "--status-level",
            "fail",
            "--final-status-level",
            "fail",
        ]);
        command.args(["--failure-output", "immediate-final"]);
    } else {
        command.args(["test", "--profile", TEST_PROFILE, "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"]);
    }
    clean_env(&mut command).env(VARIABLE, &postgres.url).env("EARSHOT_TEST_NOTES", notes_file(paths));
    // A changed snapshot fails, and nothing is written: accepting a change is a separate step.
    command.env("INSTA_UPDATE", "no");
    if args.long {
        command.env("EARSHOT_TEST_LONG", "1");
    }
    outcome(with_site(&mut command, paths))
}

/// Embeds the same files as in the program under test, so that the server is compiled once; if there are none yet, the plain sources.
fn with_site<'c>(command: &'c mut Command, paths: &Paths) -> &'c mut Command {
    let site = paths.site(true);
    if site.is_dir() { command.env("EARSHOT_SITE", site) } else { command }
}

/// The program that counts how often another one syncs to disk. Without it one test reports that it was skipped.
fn tracer() {
    if cfg!(target_os = "linux") && which("strace").is_none() && !matches!(apt_install(&["strace"]), Ok(true)) {
        println!("strace could not be installed");
    }
}

/// The file in which passing tests leave notes for people.
fn notes_file(paths: &Paths) -> PathBuf {
    paths.target.join("test-notes")
}

/// The notes of the tests of this run.
pub fn notes(paths: &Paths) -> String {
    fs::read_to_string(notes_file(paths)).unwrap_or_default()
}

/// Removes the notes of the previous run.
pub fn forget_notes(paths: &Paths) {
    fs::remove_file(notes_file(paths)).ok();
}

/// The examples in documentation comments.
pub fn doctests(paths: &Paths, _: &Args) -> Result<TestCounts> {
    let mut command = cargo(paths);
    clean_env(command.args(["test", "--profile", TEST_PROFILE, "--workspace", "--doc", "--quiet"]));
    outcome(with_site(&mut command, paths))
}

fn outcome(command: &mut Command) -> Result<TestCounts> {
    let (success, text) = tee(command)?;
    let tally = TestCounts { failures: failures(&text), ..count(&text) };
    if success || tally.failed > 0 { Ok(tally) } else { Err("the tests did not finish".into()) }
}

/// What nextest prints about failed tests after its summary line, or cargo test from its list of failures on.
fn failures(text: &str) -> String {
    let start = |line: &str| (line.contains("Summary [") && line.contains("run:")) || line == "failures:";
    text.lines().skip_while(|line| !start(line)).collect::<Vec<_>>().join("\n")
}

/// Adds up the summary lines of nextest (`Summary [ 1.2s] 12 tests run: 11 passed, 1 failed, 0 skipped`) and of cargo test (`test result:
/// ok. 5 passed; 0 failed; …`). Timeouts and crashes count as failures.
pub fn count(text: &str) -> TestCounts {
    let of_nextest = |line: &&str| line.contains("Summary") && line.contains("run:");
    // nextest shows the output of a failed test, which ends like a run of cargo test: that test counts once.
    let nextest = text.lines().any(|line| of_nextest(&line));
    let closing = |line: &&str| if nextest { of_nextest(line) } else { line.contains("test result:") };
    let mut tally = TestCounts::default();
    for line in text.lines().filter(closing) {
        let mut words = line.split([' ', '(']).filter(|w| !w.is_empty()).peekable();
        while let Some(word) = words.next() {
            let (Ok(n), Some(what)) = (word.parse::<u32>(), words.peek()) else { continue };
            match what.trim_end_matches([',', ';', ')']) {
                "passed" => tally.passed += n,
                "failed" | "timed" | "exec" | "leaky-failed" => tally.failed += n,
                _ => {}
            }
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn closing_lines_are_added_up() {
        let nextest = "     Summary [   5.432s] 41 tests run: 39 passed (1 slow), 1 failed, 1 timed out, 2 skipped";
        let tally = count(nextest);
        assert_eq!((tally.passed, tally.failed), (39, 2));
        let shown = format!("test result: FAILED. 0 passed; 1 failed; 0 ignored\n{nextest}");
        assert_eq!((count(&shown).passed, count(&shown).failed), (39, 2));
        let cargo = "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
                     test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        let tally = count(cargo);
        assert_eq!((tally.passed, tally.failed), (8, 2));
    }
}
