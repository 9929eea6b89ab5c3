//! Playwright against the program, in Chromium; the widget's tests in Firefox too.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use super::{Args, TestCounts};
use crate::{
    Result, build, chromium, firefox, npm,
    paths::Paths,
    process::{apt_install, clean_env, tee, which},
};

/// All specs, with JavaScript on and off.
pub fn tests(paths: &Paths, args: &Args) -> Result<TestCounts> {
    let mut playwright = playwright(paths)?;
    let firefox = firefox::ensure();
    if let Some(browser) = &firefox {
        playwright.env("EARSHOT_FIREFOX", browser);
    }
    let (success, text) = tee(playwright.arg("test").args(&args.extra))?;
    let mut failures = failures(&text);
    let left: String = result_dirs(&failures).into_iter().map(|dir| evidence(&paths.end2end().join(dir))).collect();
    failures += &left;
    let tally = TestCounts { failures, ..count(&text) };
    if let Some(skipped) = skipped(&text) {
        println!("   skipped: {skipped} browser tests that need software not installed here");
    }
    if firefox.is_none() {
        println!("   skipped: the widget's cases in Firefox. Install Firefox, or set EARSHOT_FIREFOX to where it is");
    }
    if success || tally.failed > 0 { Ok(tally) } else { Err("the browser tests did not finish".into()) }
}

/// Saves a screenshot of every page, for people to check.
pub fn shots(paths: &Paths, build: bool) -> Result<ExitCode> {
    if build {
        build::for_tests(paths)?;
    }
    let mut playwright = playwright(paths)?;
    let (success, _) = tee(playwright.args(["test", "--config", "shots.config.js"]).env("SHOTS", paths.target.join("shots")))?;
    println!("screenshots: {}", paths.target.join("shots").display());
    Ok(if success { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn playwright(paths: &Paths) -> Result<Command> {
    if !npm::ensure(paths)? {
        return Err("the browser tests need Node.js with npm".into());
    }
    let program = paths.test_program();
    if !program.is_file() {
        return Err("nothing to test: cargo xtask test --only program".into());
    }
    let browser = chromium::ensure(paths)?;
    let real = std::env::var_os("EARSHOT_REAL_CSV");
    let nginx = nginx();
    let mut command = npm::tool(paths, "playwright")?;
    clean_env(&mut command).env("EARSHOT_PROGRAM", program).env("FORCE_COLOR", "0");
    if let Some(browser) = browser {
        command.env("EARSHOT_CHROMIUM", browser);
    }
    if let Some(nginx) = nginx {
        command.env("EARSHOT_NGINX", nginx);
    }
    if let Some(csv) = real {
        command.env("EARSHOT_REAL_CSV", csv);
    }
    Ok(command)
}

/// The proxy described in docs/operation.md, and openssl for its certificate. Without them two tests report that they were skipped.
fn nginx() -> Option<PathBuf> {
    // Debian installs it outside the PATH of ordinary users.
    let find = || which("openssl").and_then(|_| which("nginx").or_else(|| Some(PathBuf::from("/usr/sbin/nginx")).filter(|p| p.is_file())));
    find().or_else(|| {
        if !matches!(apt_install(&["nginx-light", "openssl"]), Ok(true)) {
            println!("nginx could not be installed: the tests behind it are skipped");
        }
        find()
    })
}

/// Adds up the summary lines of Playwright: `  12 passed (30.1s)`, `  1 failed`, `  1 flaky`, `  3 did not run`.
fn count(text: &str) -> TestCounts {
    let mut tally = TestCounts::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let (Some(Ok(n)), Some(what)) = (words.next().map(str::parse::<u32>), words.next()) else { continue };
        match (what, words.next()) {
            ("passed", _) | ("flaky", None) => tally.passed += n,
            ("failed", None) | ("did", Some("not")) | ("interrupted", None) => tally.failed += n,
            _ => {}
        }
    }
    tally
}

/// What Playwright prints about each failed test: from `  1) [js] › file:line › title ───` to the summary.
fn failures(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    let first = lines.iter().position(|line| line.trim_start().starts_with("1) ["));
    first.map(|start| lines[start..].join("\n")).unwrap_or_default()
}

/// The directories of failed tests, as Playwright names them in what it prints about a failure.
fn result_dirs(failures: &str) -> BTreeSet<&str> {
    failures.lines().filter_map(|line| line.trim().strip_suffix("/test-failed-1.png")).collect()
}

/// What a failed test left in its directory: the page as text and the end of the server's log. Continuous integration keeps only the output.
fn evidence(dir: &Path) -> String {
    let read = |name| fs::read_to_string(dir.join(name)).unwrap_or_default();
    let (context, log) = (read("error-context.md"), read("server.log"));
    let details = context.split_once("# Error details").map_or("", |(_, rest)| rest.split("\n# Test source").next().unwrap_or_default());
    format!("\n\n{}\n{}\n{log}", dir.display(), details.lines().take(80).collect::<Vec<_>>().join("\n"))
}

/// The number of tests that Playwright skipped, from its summary lines.
fn skipped(text: &str) -> Option<u32> {
    text.lines().rev().find_map(|line| line.trim().strip_suffix(" skipped")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::{count, failures, result_dirs, skipped};

    #[test]
    fn closing_lines_are_added_up() {
        let tally = count("  1 failed\n    [js] › a.spec.js:3:1 › x\n  2 did not run\n  3 skipped\n  12 passed (30.1s)\n");
        assert_eq!((tally.passed, tally.failed), (12, 3));
        let shown = "  ✓  1 [js] › a.spec.js:3:1 › x (1s)\n\n  1) [js] › a.spec.js:4:1 › y ───\n\n    Error: no\n\n  1 failed\n";
        assert_eq!(failures(shown).lines().next(), Some("  1) [js] › a.spec.js:4:1 › y ───"));
        assert_eq!(failures("  12 passed (30.1s)\n"), "");
        let printed = "    attachment #1: screenshot (image/png) ───\n    test-results/a-y-js/test-failed-1.png\n    ───\n";
        assert_eq!(result_dirs(printed).into_iter().collect::<Vec<_>>(), ["test-results/a-y-js"]);
        assert_eq!((skipped("  3 skipped\n  12 passed (30.1s)\n"), skipped("  12 passed\n")), (Some(3), None));
    }
}
