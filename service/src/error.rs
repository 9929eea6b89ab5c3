//! Errors of use cases, and conversion of `validator` results.

use domain::FieldErrors;

pub use store::{Error, Result};
use validator::{Validate, ValidationError};

/// Converts a search index error to a use-case error. (Neither crate depends on the other, so neither can implement `From`.)
#[must_use]
pub fn from_search(error: search::Error) -> Error {
    match error {
        search::Error::Refused(refusal) => Error::Domain(refusal),
        search::Error::Source(source) => source.downcast().map_or_else(|other| Error::Internal(other.to_string()), |own| *own),
        search::Error::Internal(text) => Error::Internal(text),
    }
}

/// Returns the `validator` errors of an input, with each rule's `message`, ordered by field name.
#[must_use]
pub fn field_errors(input: &impl Validate) -> FieldErrors {
    let mut errors = FieldErrors::default();
    let Err(found) = input.validate() else { return errors };
    let mut fields: Vec<_> = found.field_errors().into_iter().collect();
    fields.sort_by_key(|(name, _)| name.to_string());
    for (name, list) in fields {
        // One message per field: the first rule it breaks.
        if let Some(error) = list.first() {
            let message = error.message.as_ref().map_or_else(|| "This value is invalid.".to_owned(), ToString::to_string);
            errors.add(&name, &error.code, message);
        }
    }
    errors
}

/// For `validator`: requires a character other than white space.
///
/// # Errors
/// Returns an error if the text is blank.
pub fn not_blank(text: &str) -> std::result::Result<(), ValidationError> {
    if text.trim().is_empty() { Err(ValidationError::new("required")) } else { Ok(()) }
}
