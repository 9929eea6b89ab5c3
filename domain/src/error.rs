//! Errors that the domain returns: a small closed set with stable codes. The transport maps them; see `server::http::error`.

use serde::{Deserialize, Serialize};
use thiserror::Error as ThisError;

/// The reason why one field of an input was rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// The form field's name, or a JSON pointer for the API.
    pub field: String,
    /// Stable code, for programs: `required`, `too_long`, `email`, …
    pub code: String,
    /// Message for people: the problem and how to fix it.
    pub message: String,
}

/// All errors of an input, in the order of its fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldErrors(pub Vec<FieldError>);

impl FieldErrors {
    /// A single error.
    #[must_use]
    pub fn one(field: &str, code: &str, message: impl Into<String>) -> Self {
        let mut errors = Self::default();
        errors.add(field, code, message);
        errors
    }

    /// Adds an error.
    pub fn add(&mut self, field: &str, code: &str, message: impl Into<String>) {
        self.0.push(FieldError { field: field.into(), code: code.into(), message: message.into() });
    }

    /// The first message for a field.
    #[must_use]
    pub fn message_for(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|e| e.field == field).map(|e| e.message.as_str())
    }

    /// Returns whether there are no errors.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `value` if there are no errors, else the errors as a [`DomainError`].
    ///
    /// # Errors
    /// [`DomainError::Invalid`] if there is any error.
    pub fn into_result<T>(self, value: T) -> Result<T, DomainError> {
        if self.is_empty() { Ok(value) } else { Err(DomainError::Invalid(self)) }
    }
}

/// The error of a use case.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum DomainError {
    /// The input breaks a rule; each field says which.
    #[error("the input is not valid")]
    Invalid(FieldErrors),
    /// It does not exist, or the actor has no access to it.
    #[error("not found")]
    NotFound,
    /// Nobody is signed in.
    #[error("sign in first")]
    SignedOut,
    /// The actor's role is too low.
    #[error("your role does not allow this")]
    Forbidden,
    /// Someone else changed it in the meantime; the text gives the details.
    #[error("{0}")]
    Conflict(String),
    /// The idempotency key was already used with different content.
    #[error("this key was already used for a different request")]
    KeyReused,
    /// Too many requests; try again after this many seconds.
    #[error("too many requests")]
    RateLimited(u64),
    /// The store cannot accept work right now; try again after this many seconds.
    #[error("too busy, try again later")]
    Busy(u64),
    /// The search index is not ready.
    #[error("search is not available")]
    SearchUnavailable,
}

impl DomainError {
    /// Shorthand for one invalid field.
    #[must_use]
    pub fn field(field: &str, code: &str, message: impl Into<String>) -> Self {
        Self::Invalid(FieldErrors::one(field, code, message))
    }

    /// The stable code of the API's problem documents (RFC 9457 `type`).
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid",
            Self::NotFound => "not_found",
            Self::SignedOut => "signed_out",
            Self::Forbidden => "forbidden",
            Self::Conflict(_) => "conflict",
            Self::KeyReused => "reused",
            Self::RateLimited(_) => "rate_limited",
            Self::Busy(_) => "busy",
            Self::SearchUnavailable => "search_unavailable",
        }
    }
}
