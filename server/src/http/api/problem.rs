//! Refusals of the API: RFC 9457 problems with the place of each fault.

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

/// One fault in what was sent. Exactly one of `pointer`, `parameter` and `header` says where.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Fault {
    /// JSON pointer (RFC 6901) into the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/text")]
    pub pointer: Option<String>,
    /// A parameter in the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// A header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// How many characters of a query stand before the fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<usize>,
    /// Stable, for programs.
    #[schema(example = "required")]
    pub code: String,
    /// For people.
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
    /// Names the kind of problem: `urn:earshot:problem:` and the code.
    #[serde(rename = "type")]
    #[schema(example = "urn:earshot:problem:invalid")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// Stable, for programs.
    #[schema(example = "invalid")]
    pub code: String,
    /// For people: what is wrong and what to do.
    pub detail: String,
    /// Each fault with its place.
    pub errors: Vec<Fault>,
}

/// Why a request of the API was not carried out.
#[derive(Debug)]
pub enum Refused {
    /// A refusal or fault of the inside.
    Inside(Error),
    /// A refusal of the transport.
    Outside {
        /// The status.
        status: StatusCode,
        /// Stable, for programs.
        code: &'static str,
        /// For people.
        detail: String,
        /// Places.
        faults: Vec<Fault>,
    },
}

/// What a handler of the API gives.
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

    /// What somebody else did meanwhile is a failed precondition here, since the request named the version that it was made from.
    pub fn stale(self) -> Self {
        match self {
            Self::Inside(Error::Refused(Refusal::Conflict(text))) => Self::outside(StatusCode::PRECONDITION_FAILED, "changed", text),
            other => other,
        }
    }

    /// Puts the faults of a use case at their places in the body; `place` gives the pointer of a field.
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
                let detail = "This key may not do this: its scope is too low, or the role of the person it acts for. \
                              An admin of the project can make another key.";
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

/// 401; `tried`: a key was sent that opens nothing.
pub fn signed_out(tried: bool) -> Response {
    let (challenge, detail) = if tried {
        ("Bearer realm=\"Earshot\", error=\"invalid_token\"", "This API key opens nothing: it is unknown, was revoked, or has ended.")
    } else {
        ("Bearer realm=\"Earshot\"", "Send an API key of the project: Authorization: Bearer eas_…")
    };
    let mut response = problem(StatusCode::UNAUTHORIZED, "signed_out", detail, Vec::new());
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

/// 401 for a key whose person is not a member of the project any more.
pub fn stopped() -> Response {
    let detail = "This API key has stopped: the person it acts for is not a member of the project any more. \
                  An owner of the project can hand it over to the project, or an admin can make another key.";
    let mut response = problem(StatusCode::UNAUTHORIZED, "key_stopped", detail, Vec::new());
    let challenge = "Bearer realm=\"Earshot\", error=\"invalid_token\"";
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}

/// 404 for a path that is none of the API.
pub async fn nowhere() -> Refused {
    Refused::outside(StatusCode::NOT_FOUND, "not_found", "There is nothing at this address. See /api/docs for what there is.")
}

/// 405; the methods that are there stand in `Allow`.
pub async fn no_such_method(method: Method) -> Refused {
    let detail = format!("{method} is not possible here. The header Allow says what is.");
    Refused::outside(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}
