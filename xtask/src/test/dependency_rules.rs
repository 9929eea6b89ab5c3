//! The direction of dependencies: `domain` ← `schemas` ← `store`, `domain` ← `search`, `store`, `search` ← `service` ← `server`, and
//! `domain` ← `app` ← `server`. The compiler enforces it; this check lists dependencies that no crate may acquire indirectly. Inside a
//! crate, modules must not use each other in a cycle.

use std::{collections::BTreeSet, ffi::OsStr, fs};

use super::{Args, TestCounts, module_cycles::cycles};
use crate::{
    Result,
    paths::{Paths, files_below},
    process::{capture, cargo},
    site::listed,
};

/// Packages, their build options, and packages they must not depend on, even indirectly.
const TREES: &[(&str, &[&str], &[&str])] = &[
    ("earshot-domain", &[], &["tokio", "sqlx", "sqlx-core", "axum", "leptos", "tantivy", "utoipa"]),
    ("earshot-schemas", &[], &["tokio", "sqlx", "sqlx-core", "axum", "leptos", "tantivy"]),
    (
        "earshot-search",
        &[],
        &[
            "sqlx",
            "sqlx-core",
            "axum",
            "leptos",
            "utoipa",
            "earshot-schemas",
            "earshot-store",
            "earshot-service",
            "earshot-app",
            "earshot-server",
        ],
    ),
    ("earshot-store", &[], &["tantivy", "axum", "leptos", "earshot-search", "earshot-service", "earshot-app", "earshot-server"]),
    ("earshot-service", &[], &["axum", "leptos", "clap", "earshot-app", "earshot-server"]),
    ("earshot-app", &["--features", "ssr"], &["sqlx", "sqlx-core", "tantivy", "axum", "utoipa", "earshot-server"]),
    (
        "earshot-app",
        &["--features", "hydrate", "--target", "wasm32-unknown-unknown"],
        &["tokio", "sqlx", "sqlx-core", "tantivy", "axum", "utoipa", "earshot-server"],
    ),
];

/// Packages, and packages they must not depend on directly, although other crates of ours do: SQL is only in `store`, the index only in
/// `search`.
const DIRECT: &[(&str, &[&str])] = &[("earshot-service", &["sqlx", "tantivy"]), ("earshot-server", &["sqlx", "tantivy"])];

/// Crates whose modules must not use each other in cycles.
const WITHOUT_CYCLES: &[&str] = &["domain", "schemas", "store", "search", "service", "app", "server", "testing", "xtask", "bench"];

/// Text that no page may contain: raw HTML from data, styles that the Content-Security-Policy forbids, and a library that is large as wasm.
const TEXTS: &[&str] = &["inner_html", "regex::", "style=\"", "style=format!"];

/// Checks all rules; every violation is listed.
pub fn check(paths: &Paths, _: &Args) -> Result<TestCounts> {
    let mut breaches = Vec::new();
    for (package, build, forbidden) in TREES {
        let names = dependencies(paths, package, build)?;
        breaches.extend(forbidden.iter().filter(|f| names.contains(**f)).map(|f| format!("{package} {build:?} depends on {f}")));
    }
    for (package, forbidden) in DIRECT {
        let names = dependencies(paths, package, &["--depth", "1"])?;
        breaches.extend(forbidden.iter().filter(|f| names.contains(**f)).map(|f| format!("{package} depends on {f} itself")));
    }
    for name in WITHOUT_CYCLES {
        breaches.extend(cycles(&paths.root.join(name).join("src"), &paths.root)?.into_iter().map(|cycle| format!("{name}: {cycle}")));
    }
    for file in files_below(&paths.root.join("app/src"), "rs")? {
        for (number, line) in fs::read_to_string(&file)?.lines().enumerate() {
            let comment = line.trim_start().starts_with("//");
            if let Some(text) = TEXTS.iter().find(|t| !comment && line.contains(*t)) {
                breaches.push(format!("{}:{}: `{text}` does not belong here", file.strip_prefix(&paths.root)?.display(), number + 1));
            }
        }
    }
    columns(paths, &mut breaches)?;
    migrations(paths, &mut breaches)?;
    styles(paths, &mut breaches)?;
    if breaches.is_empty() { Ok(TestCounts::GOOD) } else { Err(breaches.join("\n").into()) }
}

/// The dependencies of a package, without those of tests; `options` set the build options and the depth.
fn dependencies(paths: &Paths, package: &str, options: &[&str]) -> Result<BTreeSet<String>> {
    let mut tree = cargo(paths);
    tree.args(["tree", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--package", package]).args(options);
    Ok(capture(&mut tree)?.lines().filter_map(|line| line.split(' ').next()).map(ToOwned::to_owned).collect())
}

/// Requires statements to name their columns. The result of `SELECT *` changes when a newer node's migration adds a column, and PostgreSQL
/// then rejects the prepared statements of the nodes that still run.
fn columns(paths: &Paths, breaches: &mut Vec<String>) -> Result<()> {
    for file in files_below(&paths.root.join("store/src"), "rs")? {
        for (number, line) in fs::read_to_string(&file)?.lines().enumerate() {
            if takes_every_column(line) {
                breaches.push(format!("{}:{}: name the columns instead of `*`", file.strip_prefix(&paths.root)?.display(), number + 1));
            }
        }
    }
    Ok(())
}

/// Returns whether a line of a statement selects all columns: `SELECT *`, `RETURNING *` or `f.*`. `COUNT(*)` and products do not.
fn takes_every_column(line: &str) -> bool {
    let line = line.trim_start();
    !line.starts_with("//")
        && line.match_indices('*').any(|(at, _)| {
            let before = line[..at].trim_end();
            let word = |word: &str| before.get(before.len().saturating_sub(word.len())..).is_some_and(|end| end.eq_ignore_ascii_case(word));
            let alias = line[..at].strip_suffix('.').is_some_and(|rest| rest.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_'));
            alias
                || word("SELECT")
                || word("DISTINCT")
                || word("ALL")
                || word("RETURNING")
                || before.ends_with(',') && line[at + 1..].starts_with(" FROM")
        })
}

/// Both databases must have the same migrations.
fn migrations(paths: &Paths, breaches: &mut Vec<String>) -> Result<()> {
    let names = |dialect: &str| -> Result<BTreeSet<_>> {
        let all = files_below(&paths.root.join("migrations").join(dialect), "sql")?;
        Ok(all.iter().filter_map(|f| f.file_name().map(OsStr::to_owned)).collect())
    };
    let (sqlite, postgres) = (names("sqlite")?, names("postgres")?);
    breaches.extend(sqlite.symmetric_difference(&postgres).map(|n| format!("migration {} exists for one database only", n.display())));
    Ok(())
}

/// Every stylesheet must be in a bundle, and every name in a bundle must be a file.
fn styles(paths: &Paths, breaches: &mut Vec<String>) -> Result<()> {
    let style = paths.root.join("style");
    let mut named = BTreeSet::new();
    for list in files_below(&style, "list")? {
        named.extend(listed(&style, &list.file_stem().unwrap_or_default().to_string_lossy())?);
    }
    let there: BTreeSet<_> =
        files_below(&style, "css")?.iter().filter_map(|f| Some(f.strip_prefix(&style).ok()?.to_string_lossy().into_owned())).collect();
    breaches.extend(named.symmetric_difference(&there).map(|n| format!("style/{n} is a file or in a list, but not both")));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::takes_every_column;

    #[test]
    fn a_star_for_all_columns_is_seen() {
        for line in [
            "\"SELECT * FROM tickets\"",
            "\"SELECT f.*, 1 AS one FROM feedback f\"",
            "WHERE id = $1 RETURNING *\"",
            "select  * from x",
            "SELECT id, * FROM x",
            "SELECT DISTINCT * FROM x",
        ] {
            assert!(takes_every_column(line), "{line}");
        }
        for line in
            ["SELECT COUNT(*) FROM x", "// SELECT * is forbidden", "let ms = 2 * HOUR;", "*self.conn()", "SELECT a * b FROM x", "/// `f.*`"]
        {
            assert!(!takes_every_column(line), "{line}");
        }
    }
}
