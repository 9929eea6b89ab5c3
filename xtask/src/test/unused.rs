//! Finds unused dependencies. The sources of a crate must contain a path into each crate that its Cargo.toml names.
//!
//! cargo-machete works in the same way, takes more than a minute to install on two cores, and misses entries of the workspace's table.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{Args, TestCounts};
use crate::{
    Result,
    paths::{Paths, files_below},
    process::{capture, cargo},
};

/// Dependencies without a path, and the reason for them.
const ALLOWED: &[(&str, &str, &str)] =
    &[("earshot-bench", "domain", "the texts of the demonstration, which bench includes from server, use it")];

/// Checks all members of the workspace, and the workspace's own table.
pub fn check(paths: &Paths, _: &Args) -> Result<TestCounts> {
    let metadata: Value = serde_json::from_str(&capture(cargo(paths).args(["metadata", "--no-deps", "--format-version", "1"]))?)?;
    let mut unused = Vec::new();
    let mut named = BTreeSet::new();
    let mut excused = BTreeSet::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        let home = PathBuf::from(package["manifest_path"].as_str().unwrap_or_default());
        let sources = Sources::read(home.parent().ok_or("a package without a directory")?)?;
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let key = dependency["rename"].as_str().or_else(|| dependency["name"].as_str()).unwrap_or_default();
            named.insert(key.to_owned());
            if sources.lead_to(key, dependency["kind"].as_str()) {
                continue;
            }
            match ALLOWED.iter().position(|(of, what, _)| (*of, *what) == (name, key)) {
                Some(at) => drop(excused.insert(at)),
                None => unused.push(format!("{name} does not use {key} ({})", dependency["kind"].as_str().unwrap_or("normal"))),
            }
        }
    }
    let stale = ALLOWED.iter().enumerate().filter(|(at, _)| !excused.contains(at));
    unused.extend(stale.map(|(_, (of, what, _))| format!("{of} uses {what}, or no longer names it: take it off the list")));
    let table = fs::read_to_string(paths.root.join("Cargo.toml"))?;
    unused.extend(entries(&table).filter(|key| !named.contains(*key)).map(|key| format!("no member uses the workspace's {key}")));
    if named.is_empty() || entries(&table).next().is_none() {
        return Err("no dependencies were found".into());
    }
    if unused.is_empty() { Ok(TestCounts::GOOD) } else { Err(unused.join("\n").into()) }
}

/// The keys of the workspace's table of dependencies.
fn entries(manifest: &str) -> impl Iterator<Item = &str> {
    let lines = manifest.lines().skip_while(|line| *line != "[workspace.dependencies]").skip(1).take_while(|line| !line.starts_with('['));
    lines.filter_map(|line| Some(line.split_once(" = ")?.0)).filter(|key| !key.starts_with('#'))
}

/// The sources of a package, by the kind of dependency they may use.
struct Sources {
    /// The library and the program, including unit tests.
    own: Vec<String>,
    /// Integration tests.
    tests: Vec<String>,
    /// The build script.
    build: Vec<String>,
}

impl Sources {
    fn read(home: &Path) -> Result<Self> {
        let read = |name: &str| -> Result<Vec<String>> {
            let place = home.join(name);
            let files = if place.is_dir() { files_below(&place, "rs")? } else { Some(place).filter(|p| p.is_file()).into_iter().collect() };
            files.iter().map(|file| Ok(fs::read_to_string(file)?)).collect()
        };
        Ok(Self { own: read("src")?, tests: read("tests")?, build: read("build.rs")? })
    }

    fn lead_to(&self, key: &str, kind: Option<&str>) -> bool {
        let texts: Vec<&String> = match kind {
            Some("build") => self.build.iter().collect(),
            Some("dev") => self.own.iter().chain(&self.tests).collect(),
            _ => self.own.iter().collect(),
        };
        let name = key.replace('-', "_");
        texts.iter().any(|text| leads_to(text, &name))
    }
}

/// Returns whether a text contains a path that begins with this name, such as `name::Type`, or `use name`. Comments do not count.
fn leads_to(text: &str, name: &str) -> bool {
    let path = format!("{name}::");
    let code = text.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    code.into_iter().any(|line| {
        let begins = |(at, _): (usize, &str)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
        let imported = line.strip_prefix("use ").and_then(|rest| rest.strip_prefix(name));
        line.match_indices(&path).any(begins) || imported.is_some_and(|rest| rest.starts_with([';', ' ']))
    })
}

#[cfg(test)]
mod tests {
    use super::{entries, leads_to};

    #[test]
    fn a_path_into_a_crate_is_seen() {
        for text in ["use url::Url;", "    #[tokio::main]", "let a: url::Url;", "use time as clock;", "use time;", "with = \"time::serde\""]
        {
            assert!(["url", "tokio", "time"].iter().any(|name| leads_to(text, name)), "{text}");
        }
        for text in ["// url::Url", "crate::url::parse()", "let url = 1;", "curl::Easy", "/// See [`url::Url`]", "use urls;"] {
            assert!(!leads_to(text, "url"), "{text}");
        }
    }

    #[test]
    fn entries_of_the_table_are_read() {
        let manifest =
            "[workspace]\na = 1\n[workspace.dependencies]\n# b = 1\nc-d = \"1\"\ne = { version = \"1\" }\n\n[profile.dev]\nf = 1\n";
        assert_eq!(entries(manifest).collect::<Vec<_>>(), ["c-d", "e"]);
    }
}
