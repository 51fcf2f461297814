//! Why something that a program asked was not done: one shape for all of it.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::web::pages;

/// Why something was not done.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in crate::web) struct Problem {
    error: Cause,
}

/// The cause of a [`Problem`].
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(in crate::web) struct Cause {
    /// One word for programs, which stays: bad_request, unauthorized, forbidden, not_found, method_not_allowed, conflict,
    /// too_large, unsupported_media_type, misdirected, unavailable, failed.
    code: &'static str,
    /// A sentence for people, which may change.
    message: String,
}

impl Problem {
    /// The answer with this status.
    pub(in crate::web) fn answer(status: StatusCode, message: &str) -> Response {
        (status, Json(Problem { error: Cause { code: code(status), message: message.to_owned() } })).into_response()
    }
}

fn code(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "bad_request",
        StatusCode::UNAUTHORIZED => "unauthorized",
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::CONFLICT => "conflict",
        StatusCode::PAYLOAD_TOO_LARGE => "too_large",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_media_type",
        StatusCode::MISDIRECTED_REQUEST => "misdirected",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        _ => "failed",
    }
}

/// Why a handler does not answer what was asked.
#[derive(Debug)]
pub(in crate::web) enum Fault {
    /// The request cannot be meant, or not now; with the sentence that says so.
    Refused(StatusCode, String),
    /// Something failed here.
    Failed(pages::Fault),
}

impl Fault {
    /// The request cannot be meant.
    pub(super) fn bad(message: &str) -> Self {
        Fault::Refused(StatusCode::BAD_REQUEST, message.to_owned())
    }

    /// There is no such thing.
    pub(super) fn absent(message: &str) -> Self {
        Fault::Refused(StatusCode::NOT_FOUND, message.to_owned())
    }
}

impl From<pages::Fault> for Fault {
    fn from(fault: pages::Fault) -> Self {
        Fault::Failed(fault)
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        match self {
            Fault::Refused(status, message) => Problem::answer(status, &message),
            Fault::Failed(fault) => fault.into_response(),
        }
    }
}

/// An answer of the pages' parts (the door, the table of addresses) in the shape that programs are promised.
pub(in crate::web) fn as_problem(answer: Response) -> Response {
    let status = answer.status();
    let is_fault = status.is_client_error() || status.is_server_error();
    if !is_fault || answer.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json") {
        return answer;
    }
    let message = match status {
        StatusCode::BAD_REQUEST => "the request cannot be read",
        StatusCode::FORBIDDEN => "this is not allowed",
        StatusCode::NOT_FOUND => "there is nothing at this address; /api/v1/openapi.json says what there is",
        StatusCode::METHOD_NOT_ALLOWED => "this address does not know that method",
        StatusCode::PAYLOAD_TOO_LARGE => "this is more than the API takes",
        StatusCode::MISDIRECTED_REQUEST => "the server answers only to the names that it knows as its own",
        _ => "this cannot be answered right now; the server's log says why",
    };
    let mut problem = Problem::answer(status, message);
    if let Some(allow) = answer.headers().get(ALLOW) {
        problem.headers_mut().insert(ALLOW, allow.clone());
    }
    problem
}
