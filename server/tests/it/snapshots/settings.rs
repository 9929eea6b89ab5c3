//! What is written about settings elsewhere: the table in `docs/operation.md`, and the variables that messages name.

use std::{collections::BTreeSet, fs, path::Path};

use clap::CommandFactory;

use super::accepts_changes;

const HEAD: &str = "| flag | variable | default | |\n|---|---|---|---|\n";

/// The flags of `earshot serve`: those of every subcommand first.
fn table() -> String {
    let program = server::cli::Cli::command();
    let serve = program.find_subcommand("serve").unwrap();
    let mut table = HEAD.to_owned();
    for argument in program.get_arguments().chain(serve.get_arguments()) {
        let flag = format!("--{}", argument.get_long().unwrap());
        let variable = argument.get_env().map(|variable| variable.to_string_lossy().into_owned()).unwrap_or_default();
        let help = argument.get_help().unwrap().to_string();
        let (help, default) = help.strip_suffix(']').and_then(|help| help.rsplit_once(" [default: ")).unwrap_or((&help, "none"));
        let code = |text: &str| if text.is_empty() || text == "none" { String::new() } else { format!("`{text}` ") };
        let values = if argument.get_action().takes_values() { argument.get_possible_values() } else { Vec::new() };
        let values: Vec<String> = values.iter().map(|value| format!("`{}`", value.get_name())).collect();
        let values = if values.is_empty() { String::new() } else { format!(" ({})", values.join(", ")) };
        table += &format!("| {}| {}| {}| {}{values} |\n", code(&flag), code(&variable), code(default), help.replace('|', "\\|"));
    }
    table
}

#[test]
fn the_table_of_settings() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operation.md");
    let text = fs::read_to_string(&file).unwrap().replace("\r\n", "\n");
    let (before, rest) = text.split_once(HEAD).expect("the table of settings");
    let rows: String = rest.split_inclusive('\n').take_while(|line| line.starts_with('|')).collect();
    let (now, committed) = (table(), format!("{HEAD}{rows}"));
    if now != committed && accepts_changes() {
        return fs::write(&file, [before, &now, &rest[rows.len()..]].concat()).unwrap();
    }
    assert_eq!(
        now, committed,
        "the table in docs/operation.md is not what the program declares; CONTRIBUTING.md says how to accept a change"
    );
}

/// The variables that the files in a directory name, beside those of tests.
fn named_in(path: &Path, found: &mut BTreeSet<String>) {
    if path.is_dir() {
        return fs::read_dir(path).unwrap().for_each(|entry| named_in(&entry.unwrap().path(), found));
    }
    let text = fs::read_to_string(path).unwrap_or_default();
    let words = text.split("#[cfg(test)]").next().unwrap_or_default().split(|c: char| !c.is_ascii_uppercase() && c != '_');
    found
        .extend(words.filter(|word| word.len() > 8 && word.starts_with("EARSHOT_") && !word.starts_with("EARSHOT_TEST")).map(String::from));
}

#[test]
fn variables_that_people_are_told_of_are_settings() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut named = BTreeSet::new();
    for path in ["server/src", "service/src", "deploy", "docs/operation.md", "README.md"] {
        named_in(&root.join(path), &mut named);
    }
    let table = table();
    // A client of the API has its key in `EARSHOT_KEY`.
    let known = |name: &String| name == "EARSHOT_KEY" || table.contains(&format!("| `{name}` |"));
    assert!(named.len() > 10);
    assert_eq!(named.into_iter().filter(|name| !known(name)).collect::<Vec<_>>(), Vec::<String>::new());
}
