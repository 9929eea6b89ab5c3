//! Errors of the API: RFC 9457 problems with the place of each fault.

use axum::{
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::Error as Refusal;
use serde::Serialize;
use serde_json::json;
use service::error::Error;
use utoipa::ToSchema;

use crate::http::error::{ApiError, problem};

/// One fault in the request. Exactly one of `pointer`, `parameter` and `header` says where it is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Fault {
    /// JSON pointer (RFC 6901) into the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/text")]
    pub pointer: Option<String>,
    /// The name of a query parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// The name of a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Position of the fault in a search query, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<usize>,
    /// A stable code for programs.
    #[schema(example = "required")]
    pub code: String,
    /// A message for people.
    pub detail: String,
}

impl Fault {
    fn new(code: &str, detail: impl Into<String>) -> Self {
        Self { pointer: None, parameter: None, header: None, position: None, code: code.into(), detail: detail.into() }
    }

    /// A fault in the body.
    pub fn at(pointer: impl Into<String>, code: &str, detail: impl Into<String>) -> Self {
        Self { pointer: Some(pointer.into()), ..Self::new(code, detail) }
    }

    /// A fault in the address.
    pub fn parameter(name: &str, code: &str, detail: impl Into<String>) -> Self {
        Self { parameter: Some(name.into()), ..Self::new(code, detail) }
    }

    /// A fault in a header.
    pub fn header(name: &str, code: &str, detail: impl Into<String>) -> Self {
        Self { header: Some(name.into()), ..Self::new(code, detail) }
    }
}

/// A refusal (RFC 9457), sent as `application/problem+json`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// Identifies the kind of problem: `urn:earshot:problem:` and the code.
    #[serde(rename = "type")]
    #[schema(example = "urn:earshot:problem:invalid")]
    pub kind: String,
    /// The HTTP status in words.
    pub title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// A stable code for programs.
    #[schema(example = "invalid")]
    pub code: String,
    /// A message for people: what is wrong and what to do.
    pub detail: String,
    /// Each fault with its place.
    pub errors: Vec<Fault>,
}

/// Why an API request failed.
#[derive(Debug)]
pub enum Refused {
    /// A refusal or fault of a use case.
    Inside(Error),
    /// A refusal of the transport.
    Outside {
        /// The HTTP status.
        status: StatusCode,
        /// A stable code for programs.
        code: &'static str,
        /// A message for people.
        detail: String,
        /// Places.
        faults: Vec<Fault>,
    },
}

/// The result of an API handler.
pub type Answered<T = Response> = Result<T, Refused>;

impl<E: Into<Error>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Inside(error.into())
    }
}

impl Refused {
    /// A refusal of the transport.
    pub fn outside(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self::Outside { status, code, detail: detail.into(), faults: Vec::new() }
    }

    /// 422 with places.
    pub fn invalid(faults: Vec<Fault>) -> Self {
        let detail = faults.iter().map(|fault| fault.detail.as_str()).collect::<Vec<_>>().join(" ");
        Self::Outside { status: StatusCode::UNPROCESSABLE_ENTITY, code: "invalid", detail, faults }
    }

    /// A concurrent change is a failed precondition here because the request named the version it is based on.
    pub fn stale(self) -> Self {
        match self {
            Self::Inside(Error::Refused(Refusal::Conflict(text))) => Self::outside(StatusCode::PRECONDITION_FAILED, "changed", text),
            other => other,
        }
    }

    /// Maps the faults of a use case to their places in the body; `place` gives the pointer of a field.
    pub fn at(self, place: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Inside(Error::Refused(Refusal::Invalid(errors))) => {
                Self::invalid(errors.0.into_iter().map(|e| Fault::at(place(&e.field), &e.code, e.message)).collect())
            }
            other => other,
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Inside(Error::Refused(Refusal::SignedOut)) => signed_out(true),
            Self::Inside(Error::Refused(Refusal::Forbidden)) => {
                let detail = "This key is not allowed to do this: its scope, or the role of the person it acts for, is too low. \
                              An admin of the project can create another key.";
                problem(StatusCode::FORBIDDEN, "forbidden", detail, Vec::new())
            }
            Self::Inside(Error::Refused(Refusal::Invalid(errors))) => {
                let faults = errors.0.into_iter().map(|e| Fault::at(format!("/{}", e.field), &e.code, e.message)).collect();
                Self::invalid(faults).into_response()
            }
            Self::Inside(error) => ApiError(error).into_response(),
            Self::Outside { status, code, detail, faults } => {
                let faults = faults.iter().map(|fault| json!(fault)).collect();
                problem(status, code, &detail, faults)
            }
        }
    }
}

/// 401; `tried`: an invalid key was sent.
pub fn signed_out(tried: bool) -> Response {
    let (challenge, detail) = if tried {
        ("Bearer realm=\"Earshot\", error=\"invalid_token\"", "This API key is invalid: it is unknown, revoked or expired.")
    } else {
        ("Bearer realm=\"Earshot\"", "Send an API key of the project: Authorization: Bearer eas_…")
    };
    let mut response = problem(StatusCode::UNAUTHORIZED, "signed_out", detail, Vec::new());
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

/// 401 for a key whose person is no longer a member of the project.
pub fn stopped() -> Response {
    let detail = "This API key no longer works: the person it acts for is no longer a member of the project. \
                  An owner of the project can hand it over to the project, or an admin can create another key.";
    let mut response = problem(StatusCode::UNAUTHORIZED, "key_stopped", detail, Vec::new());
    let challenge = "Bearer realm=\"Earshot\", error=\"invalid_token\"";
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

/// 404 for a path outside the API.
pub async fn nowhere() -> Refused {
    Refused::outside(StatusCode::NOT_FOUND, "not_found", "There is no API endpoint at this address. See /api/docs.")
}

/// 405; `Allow` lists the allowed methods.
pub async fn no_such_method(method: Method) -> Refused {
    let detail = format!("{method} is not allowed here. See the Allow header.");
    Refused::outside(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}
