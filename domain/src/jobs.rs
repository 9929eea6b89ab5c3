//! Background jobs, as they are stored.

use serde::{Deserialize, Serialize};

use crate::ids::{ImportId, MailId, ProjectId};

/// Declares the kinds of jobs: `Variant = "stored_word" / "Display name" { payload }`. The stored word is also the tag in JSON.
macro_rules! jobs {
    ($($(#[$doc:meta])* $variant:ident = $word:literal / $label:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty),* $(,)? })+) => {
        /// A unit of background work.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "job")]
        pub enum Job {
            $($(#[$doc])* #[serde(rename = $word)] $variant { $($(#[$field_doc])* $field: $type),* }),+
        }

        impl Job {
            /// The job's name in the table.
            #[must_use]
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$variant { .. } => $word),+ }
            }

            /// The display name of a kind of job; for a kind of another version, its stored word.
            #[must_use]
            pub fn label(kind: &str) -> &str {
                match kind { $($word => $label,)+ other => other }
            }
        }
    };
}

jobs! {
    /// Reads an uploaded file into a project.
    Import = "import" / "File import" {
        /// The project.
        project: ProjectId,
        /// The import.
        import: ImportId,
    }
    /// Removes the rows that an import created.
    TakeBack = "take_back" / "Undo of an import" {
        /// The project.
        project: ProjectId,
        /// The import.
        import: ImportId,
    }
    /// Sends an e-mail.
    Mail = "mail" / "E-mail" {
        /// The e-mail.
        #[serde(rename = "letter")]
        message: MailId,
    }
    /// Removes data whose retention period is over.
    Purge = "purge" / "Hourly cleanup" {}
    /// Converts contact addresses stored by an earlier version to their canonical form.
    FoldAddresses = "fold_addresses" / "Weekly check of contact addresses" {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_words_are_the_tags_in_json() {
        let mail = Job::Mail { message: MailId(uuid::Uuid::nil()) };
        assert_eq!(serde_json::to_string(&mail).unwrap(), r#"{"job":"mail","letter":"00000000-0000-0000-0000-000000000000"}"#);
        for job in [mail, Job::Purge {}, Job::FoldAddresses {}] {
            let stored = serde_json::to_value(&job).unwrap();
            assert_eq!(stored["job"], job.kind());
            assert_eq!(serde_json::from_value::<Job>(stored).unwrap(), job);
        }
        assert_eq!((Job::label("take_back"), Job::label("of a newer version")), ("Undo of an import", "of a newer version"));
    }
}
