//! Snapshots of the program's output, stored in the repository: a review shows the changed lines. `CONTRIBUTING.md` describes how to accept
//! a change.

mod help;
mod html;
mod letters;
mod openapi;
mod pages;
mod settings;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

pub use openapi::document;

/// Whether to overwrite files outside the snapshots with the program's current output; the same environment variable as for the snapshots.
fn accepts_changes() -> bool {
    #[expect(clippy::disallowed_methods, reason = "whether to accept a change is told by the environment")]
    std::env::var("INSTA_UPDATE").is_ok_and(|update| matches!(update.as_str(), "always" | "force"))
}

/// Compares texts with their snapshots in a directory next to this file; compares all of them, so that one run reports every change.
#[derive(Default)]
struct SnapshotSet(Vec<(String, String)>);

impl SnapshotSet {
    fn add(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.0.push((name.into(), text.into()));
    }

    #[track_caller]
    fn compare(self, directory: &str) {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(directory);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let mut failed = None;
        for (name, text) in self.0 {
            let one = || settings.bind(|| insta::assert_snapshot!(name, text));
            failed = catch_unwind(AssertUnwindSafe(one)).err().or(failed);
        }
        if let Some(panic) = failed {
            resume_unwind(panic);
        }
    }
}
