//! `earshot doctor`.

use std::process::ExitCode;

use crate::{config::Config, doctor};

/// Prints the findings; fails if one needs action.
pub(super) async fn run(config: &Config) -> ExitCode {
    let found = doctor::examine(config).await;
    for finding in &found {
        match &finding.todo {
            None => println!("ok    {}", finding.what),
            Some(todo) => println!("wrong {}\n      {todo}", finding.what),
        }
    }
    if found.iter().any(|f| f.todo.is_some()) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
