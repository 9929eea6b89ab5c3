//! `cargo xtask test`: every check and every test in stages, with a table at the end.

pub mod browser;
mod budgets;
mod checks;
mod clients;
mod contract;
mod dependency_rules;
mod module_cycles;
mod rust;
mod server;
mod unused;

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use crate::{Result, build, paths::Paths};

/// Arguments of `test`.
#[derive(clap::Args)]
pub struct Args {
    /// Run only these stages (repeatable)
    #[arg(long, value_name = "STAGE")]
    only: Vec<String>,
    /// Skip these stages (repeatable)
    #[arg(long, value_name = "STAGE")]
    skip: Vec<String>,
    /// Failure tests (kill -9, power loss, lost databases) and generated inputs at full size: adds about 45 minutes
    #[arg(long)]
    long: bool,
    /// Arguments for Playwright, after `--`, for example: test --only browser -- -g inbox
    #[arg(last = true)]
    extra: Vec<String>,
}

/// The result of a stage.
#[derive(Default)]
pub struct TestCounts {
    /// Single tests that passed.
    pub passed: u32,
    /// Single tests that failed.
    pub failed: u32,
    /// What the test tool printed about failed tests, to be repeated at the end of the run. A long output that is cut in the middle (as
    /// continuous integration does) still says what failed.
    pub failures: String,
}

impl TestCounts {
    const GOOD: Self = Self { passed: 1, failed: 0, failures: String::new() };
    const BAD: Self = Self { passed: 0, failed: 1, failures: String::new() };
}

impl std::ops::Add for TestCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed, failures: self.failures + &other.failures }
    }
}

type StageFn = fn(&Paths, &Args) -> Result<TestCounts>;

/// The stages, in order. Quick stages that fail most often come first.
const STAGES: &[(&str, &str, StageFn)] = &[
    ("format", "cargo fmt", checks::format),
    ("directions", "dependency directions", dependency_rules::check),
    ("unused", "dependencies that nothing uses", unused::check),
    ("clippy", "clippy, host", checks::clippy),
    ("clippy-wasm", "clippy, wasm", checks::clippy_wasm),
    ("docs", "rustdoc without warnings", checks::docs),
    // Before the Rust tests: they use the same build.
    ("program", "the program under test", |paths, _| build::for_tests(paths).map(|_| TestCounts::GOOD)),
    ("rust", "Rust tests on SQLite and PostgreSQL", rust::tests),
    ("doctests", "examples in documentation", rust::doctests),
    ("budgets", "sizes of served files", budgets::check),
    ("contract", "schemathesis against the API's document", contract::check),
    ("clients", "generated clients: Python, TypeScript", clients::check),
    ("browser", "Playwright, JavaScript on and off", browser::tests),
];

struct StageResult {
    name: &'static str,
    what: &'static str,
    took: Duration,
    tally: TestCounts,
    error: Option<String>,
}

/// Runs all stages, even after one has failed, so that one run reports everything.
pub fn test(paths: &Paths, args: &Args) -> Result<ExitCode> {
    for name in args.only.iter().chain(&args.skip) {
        if !STAGES.iter().any(|(n, ..)| n == name) {
            let names: Vec<_> = STAGES.iter().map(|(n, ..)| *n).collect();
            return Err(format!("no stage `{name}`; there are: {}", names.join(", ")).into());
        }
    }
    let wanted = |name: &str| (args.only.is_empty() || args.only.iter().any(|n| n == name)) && !args.skip.iter().any(|n| n == name);
    let mut all = Vec::new();
    rust::forget_notes(paths);
    for &(name, what, run) in STAGES.iter().filter(|(name, ..)| wanted(name)) {
        println!("\n── {name}: {what}");
        let start = Instant::now();
        // These need the program; without it they would only repeat its failure, or test an old program.
        let blocked = matches!(name, "budgets" | "contract" | "clients" | "browser")
            && all.iter().any(|d: &StageResult| d.name == "program" && d.error.is_some());
        let outcome = if blocked { Err("not run: the program was not built".into()) } else { run(paths, args) };
        let took = start.elapsed();
        let (tally, error) = match outcome {
            Ok(tally) if tally.failed == 0 => (tally, None),
            Ok(tally) => {
                let error = format!("{} failed", tally.failed);
                (tally, Some(error))
            }
            Err(error) => (TestCounts::BAD, Some(error.to_string())),
        };
        match &error {
            None => println!("   {name}: ok ({:.1} s)", took.as_secs_f64()),
            Some(error) => println!("   {name}: FAILED ({:.1} s)\n{error}", took.as_secs_f64()),
        }
        all.push(StageResult { name, what, took, tally, error });
    }
    // The output of passing tests is hidden: their measurements, and reasons for skipping, are printed at the end.
    let notes = rust::notes(paths);
    if !notes.is_empty() {
        println!("\n{notes}");
    }
    Ok(report(&all))
}

fn report(all: &[StageResult]) -> ExitCode {
    println!("\n{:<12} {:<38} {:>8} {:>8} {:>8}", "stage", "", "seconds", "passed", "failed");
    let mut sum = TestCounts::default();
    for done in all {
        let seconds = done.took.as_secs_f64();
        println!("{:<12} {:<38} {:>8.1} {:>8} {:>8}", done.name, done.what, seconds, done.tally.passed, done.tally.failed);
        sum.passed += done.tally.passed;
        sum.failed += done.tally.failed;
    }
    for done in all {
        let Some(error) = &done.error else { continue };
        println!("\nFAILED {}: {}", done.name, first_lines(error, 40));
        println!("{}", first_lines(&done.tally.failures, 400));
    }
    println!("{} passed, {} failed", sum.passed, sum.failed);
    if sum.failed == 0 && all.iter().all(|d| d.error.is_none()) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The first lines of a text; says how many follow.
fn first_lines(text: &str, most: usize) -> String {
    let mut lines: Vec<_> = text.trim_end().lines().take(most).map(str::to_owned).collect();
    match text.trim_end().lines().count().saturating_sub(most) {
        0 => {}
        more => lines.push(format!("({more} more lines)")),
    }
    lines.join("\n")
}
