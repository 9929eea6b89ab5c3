//! Posted forms as ordered pairs, so that repeated and numbered fields keep their order.

use axum::{
    extract::{FromRequest, RawForm, Request},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use domain::DomainError;
use serde::de::DeserializeOwned;
use service::error::Result;

use super::{error::body_refused, limits::BodyMemory, refusal::CapturedForm};

/// Whether a text is a valid idempotency key: 8 to 100 visible ASCII characters.
#[must_use]
pub fn is_idempotency_key(text: &str) -> bool {
    (8..=100).contains(&text.len()) && text.chars().all(|c| c.is_ascii_graphic())
}

/// The original name of an uploaded file. Browsers encode quotation marks and line breaks in it as `%22`, `%0A` and `%0D`, and nothing
/// else: <https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data>.
#[must_use]
pub fn file_name(sent: &str) -> String {
    sent.replace("%22", "\"").replace("%0A", "\n").replace("%0D", "\r")
}

/// The refusal of a form that lacks a field of our forms.
const STALE: &str = "This form is out of date. Open the page in a new tab and send it from there.";

/// Maximum pairs in one form; the largest, a survey of 50 questions with 50 choices each in the editor, has about half as many.
const MAX_PAIRS: usize = 10_000;

/// A posted form. NUL is removed from values: PostgreSQL text cannot contain it.
#[derive(Debug, Clone, Default)]
pub struct Form(pub Vec<(String, String)>);

impl Form {
    /// The first value of a field, or the empty string.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.as_str())
    }

    /// All values of a field.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Size of all names and values, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|(_, value)| value.len()).sum()
    }

    /// The idempotency key.
    ///
    /// # Errors
    /// Returns an error if the form has none, or an invalid one.
    pub fn idempotency_key(&self) -> Result<&str> {
        let key = self.get("idempotency_key");
        if is_idempotency_key(key) { Ok(key) } else { Err(DomainError::field("idempotency_key", "required", STALE).into()) }
    }

    /// The version that the form is based on.
    ///
    /// # Errors
    /// Returns an error if the form has none.
    pub fn version(&self) -> Result<i64> {
        self.get("version").parse().map_err(|_| DomainError::field("version", "required", STALE).into())
    }

    /// Deserializes the fields into an input type of a use case, which validates it; missing fields are empty.
    ///
    /// # Errors
    /// [`domain::DomainError::Invalid`] if a field that the type requires is missing.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T> {
        let object = self.0.iter().map(|(n, v)| (n.clone(), serde_json::Value::String(v.clone()))).collect();
        serde_json::from_value(serde_json::Value::Object(object)).map_err(|_| DomainError::field("form", "malformed", STALE).into())
    }
}

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let sent = request.extensions().get::<CapturedForm>().cloned();
        let room = BodyMemory::of(request.extensions());
        let read = RawForm::from_request(request, state).await;
        let RawForm(bytes) = read.map_err(|rejection| body_refused(room.status(rejection.into_response().status())))?;
        // A pair takes many times its size in memory.
        if bytes.iter().filter(|b| **b == b'&').count() >= MAX_PAIRS {
            return Err(body_refused(StatusCode::PAYLOAD_TOO_LARGE));
        }
        let mut pairs: Vec<(String, String)> = url::form_urlencoded::parse(&bytes).into_owned().collect();
        for (_, value) in &mut pairs {
            value.retain(|c| c != '\0');
            // Browsers send line breaks as CR LF.
            if value.contains('\r') {
                *value = value.replace("\r\n", "\n");
            }
        }
        if let Some(sent) = sent {
            sent.keep(&pairs, true);
        }
        Ok(Self(pairs))
    }
}
