//! Background work, as it is stored.

use serde::{Deserialize, Serialize};

use crate::ids::{ImportId, MailId, ProjectId};

/// A unit of background work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "snake_case")]
pub enum Job {
    /// Reads an uploaded file into a project.
    Import {
        /// Whose.
        project: ProjectId,
        /// Which.
        import: ImportId,
    },
    /// Removes again what an import brought.
    TakeBack {
        /// Whose.
        project: ProjectId,
        /// Which.
        import: ImportId,
    },
    /// Sends an e-mail.
    Mail {
        /// Which.
        letter: MailId,
    },
    /// Removes what has served its time.
    Purge {},
    /// Puts addresses of contacts that an earlier version stored into their one form.
    FoldAddresses {},
}

impl Job {
    /// The word in the table.
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
