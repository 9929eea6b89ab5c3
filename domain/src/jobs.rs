//! Background jobs, as they are stored.

use serde::{Deserialize, Serialize};

use crate::ids::{ImportId, MailId, ProjectId};

/// A unit of background work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "snake_case")]
pub enum Job {
    /// Reads an uploaded file into a project.
    Import {
        /// The project.
        project: ProjectId,
        /// The import.
        import: ImportId,
    },
    /// Removes the rows that an import created.
    TakeBack {
        /// The project.
        project: ProjectId,
        /// The import.
        import: ImportId,
    },
    /// Sends an e-mail.
    Mail {
        /// The e-mail.
        letter: MailId,
    },
    /// Removes data whose retention period is over.
    Purge {},
    /// Converts contact addresses stored by an earlier version to their canonical form.
    FoldAddresses {},
}

impl Job {
    /// The job's name in the table.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Import { .. } => "import",
            Self::TakeBack { .. } => "take_back",
            Self::Mail { .. } => "mail",
            Self::Purge {} => "purge",
            Self::FoldAddresses {} => "fold_addresses",
        }
    }
}
