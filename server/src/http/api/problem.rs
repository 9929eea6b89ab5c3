//! Errors of the API: RFC 9457 problems with the location of each error.

use axum::{
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use domain::DomainError as Refusal;
use serde::Serialize;
use serde_json::json;
use service::error::Error;
use utoipa::ToSchema;

use crate::http::error::{ApiError, problem};

/// One fault in the request. Exactly one of `pointer`, `parameter` and `header` says where it is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FieldProblem {
    /// JSON pointer (RFC 6901) into the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "/text")]
    pub pointer: Option<String>,
    /// The name of a query parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub parameter: Option<String>,
    /// The name of a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub header: Option<String>,
    /// Position of the fault in a search query, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub position: Option<usize>,
    /// A stable code for programs.
    #[schema(example = "required")]
    pub code: String,
    /// A message for people.
    pub detail: String,
}

impl FieldProblem {
    fn new(code: &str, detail: impl Into<String>) -> Self {
        Self { pointer: None, parameter: None, header: None, position: None, code: code.into(), detail: detail.into() }
    }

    /// An error in the body.
    pub fn at(pointer: impl Into<String>, code: &str, detail: impl Into<String>) -> Self {
        Self { pointer: Some(pointer.into()), ..Self::new(code, detail) }
    }

    /// An error in the URL.
    pub fn parameter(name: &str, code: &str, detail: impl Into<String>) -> Self {
        Self { parameter: Some(name.into()), ..Self::new(code, detail) }
    }

    /// An error in a header.
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
    pub errors: Vec<FieldProblem>,
}

/// Reason why an API request failed.
#[derive(Debug)]
pub enum ApiRejection {
    /// A refusal or failure of a use case.
    UseCase(Error),
    /// A refusal by the HTTP layer.
    Protocol {
        /// The HTTP status.
        status: StatusCode,
        /// A stable code for programs.
        code: &'static str,
        /// A message for people.
        detail: String,
        /// Errors with their locations.
        faults: Vec<FieldProblem>,
    },
}

/// The result of an API handler.
pub type ApiHandlerResult<T = Response> = Result<T, ApiRejection>;

impl<E: Into<Error>> From<E> for ApiRejection {
    fn from(error: E) -> Self {
        Self::UseCase(error.into())
    }
}

impl ApiRejection {
    /// A refusal by the HTTP layer.
    pub fn outside(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self::Protocol { status, code, detail: detail.into(), faults: Vec::new() }
    }

    /// 422 with the locations of errors.
    pub fn invalid(faults: Vec<FieldProblem>) -> Self {
        let detail = faults.iter().map(|fault| fault.detail.as_str()).collect::<Vec<_>>().join(" ");
        Self::Protocol { status: StatusCode::UNPROCESSABLE_ENTITY, code: "invalid", detail, faults }
    }

    /// A concurrent change is a failed precondition here because the request named the version it is based on.
    pub fn stale(self) -> Self {
        match self {
            Self::UseCase(Error::Domain(Refusal::Conflict(text))) => Self::outside(StatusCode::PRECONDITION_FAILED, "changed", text),
            other => other,
        }
    }

    /// Maps errors of a use case to locations in the body; `place` returns the pointer of a field.
    pub fn at(self, place: impl Fn(&str) -> String) -> Self {
        match self {
            Self::UseCase(Error::Domain(Refusal::Invalid(errors))) => {
                Self::invalid(errors.0.into_iter().map(|e| FieldProblem::at(place(&e.field), &e.code, e.message)).collect())
            }
            other => other,
        }
    }
}

impl IntoResponse for ApiRejection {
    fn into_response(self) -> Response {
        match self {
            Self::UseCase(Error::Domain(Refusal::SignedOut)) => signed_out(true),
            Self::UseCase(Error::Domain(Refusal::Forbidden)) => {
                let detail = "This key is not allowed to do this: its scope, or the role of the person it acts for, is too low. \
                              An admin of the project can create another key.";
                problem(StatusCode::FORBIDDEN, "forbidden", detail, Vec::new())
            }
            Self::UseCase(Error::Domain(Refusal::Invalid(errors))) => {
                let faults = errors.0.into_iter().map(|e| FieldProblem::at(format!("/{}", e.field), &e.code, e.message)).collect();
                Self::invalid(faults).into_response()
            }
            Self::UseCase(error) => ApiError(error).into_response(),
            Self::Protocol { status, code, detail, faults } => {
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
pub async fn unknown_path() -> ApiRejection {
    ApiRejection::outside(StatusCode::NOT_FOUND, "not_found", "There is no API endpoint at this address. See /api/docs.")
}

/// 405; `Allow` lists the allowed methods.
pub async fn no_such_method(method: Method) -> ApiRejection {
    let detail = format!("{method} is not allowed here. See the Allow header.");
    ApiRejection::outside(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}
