//! Errors of use cases, and what `validator` finds about input.

use domain::FieldErrors;

pub use store::{Error, Result};
use validator::{Validate, ValidationError};

/// An error of the search index as one of a use case. (Neither crate knows the other, so `From` cannot be written anywhere.)
#[must_use]
pub fn from_search(error: search::Error) -> Error {
    match error {
        search::Error::Refused(refusal) => Error::Domain(refusal),
        search::Error::Source(source) => source.downcast().map_or_else(|other| Error::Internal(other.to_string()), |own| *own),
        search::Error::Internal(text) => Error::Internal(text),
    }
}

/// What `validator` found about an input, with the `message` of each rule, in the order of the fields' names.
#[must_use]
pub fn field_errors(input: &impl Validate) -> FieldErrors {
    let mut errors = FieldErrors::default();
    let Err(found) = input.validate() else { return errors };
    let mut fields: Vec<_> = found.field_errors().into_iter().collect();
    fields.sort_by_key(|(name, _)| name.to_string());
    for (name, list) in fields {
        // One message at a field: the first rule that it breaks.
        if let Some(error) = list.first() {
            let message = error.message.as_ref().map_or_else(|| "This value is invalid.".to_owned(), ToString::to_string);
            errors.add(&name, &error.code, message);
        }
    }
    errors
}

/// For `validator`: something other than white space.
///
/// # Errors
/// When there is nothing else.
pub fn not_blank(text: &str) -> std::result::Result<(), ValidationError> {
    if text.trim().is_empty() { Err(ValidationError::new("required")) } else { Ok(()) }
}
