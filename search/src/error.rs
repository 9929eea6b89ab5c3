//! Errors of the search index.

use std::fmt;

/// The reason why the index cannot respond or follow.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An error that the person can act on.
    #[error(transparent)]
    Refused(#[from] domain::DomainError),
    /// The [`crate::DocumentSource`] failed, with its own error.
    #[error(transparent)]
    Source(Box<dyn std::error::Error + Send + Sync>),
    /// The index or its directory failed. The text is for the log.
    #[error("{0}")]
    Internal(String),
}

/// The result of index operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::internal("what the index says of itself", error)
    }
}

impl Error {
    /// An internal failure and its location.
    pub(crate) fn internal(what: &str, detail: impl fmt::Display) -> Self {
        Self::Internal(format!("{what}: {detail}"))
    }

    /// The domain error, if it is one rather than a failure.
    #[must_use]
    pub fn refusal(&self) -> Option<&domain::DomainError> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Source(_) | Self::Internal(_) => None,
        }
    }
}
