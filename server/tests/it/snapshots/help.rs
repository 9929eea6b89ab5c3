//! The output of `earshot help …`.

use std::process::Command;

use clap::CommandFactory;

use super::SnapshotSet;

/// A command and its subcommands, including hidden ones, each as its words.
fn commands(command: &clap::Command, words: &[String], found: &mut Vec<Vec<String>>) {
    found.push(words.to_vec());
    for one in command.get_subcommands().filter(|one| one.get_name() != "help") {
        commands(one, &[words, &[one.get_name().to_owned()]].concat(), found);
    }
}

#[test]
fn the_help_of_each_command() {
    let mut found = Vec::new();
    commands(&server::cli::Cli::command(), &[], &mut found);
    assert!(found.len() > 10, "{found:?}");
    let mut snapshots = SnapshotSet::default();
    for words in found {
        // Help shows values from the environment, so it is cleared.
        let output = Command::new(env!("CARGO_BIN_EXE_earshot")).arg("help").args(&words).env_clear().output().unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        let name = [&["earshot".to_owned()], words.as_slice()].concat().join("-");
        // Empty lines are indented, which is invisible.
        let lines: Vec<String> = String::from_utf8(output.stdout).unwrap().lines().map(|line| line.trim_end().to_owned()).collect();
        snapshots.add(name, lines.join("\n"));
    }
    snapshots.compare("help");
}
