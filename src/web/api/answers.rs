//! What programs decide: answers to what a person is asked about, given in the shop's own software.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::fault::{Fault, Problem};
use crate::catalogue::Act;
use crate::domain::CandidateId;
use crate::web::WebContext;
use crate::web::pages::write;
use crate::web::programs::Program;
use crate::web::review::{Said, decide, undo};

/// Longest reason that is kept, in characters.
const WHY_MAX: usize = 1_000;

/// An answer.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Given {
    /// same: it is the record's picture; different: it is not; undo: takes this program's last answer back.
    answer: Word,
    /// What the list of matches said beside it; where people said more meanwhile, nothing is changed.
    #[serde(default, deserialize_with = "whole")]
    #[schema(minimum = 0)]
    seen: Option<i64>,
    /// Why, for the history.
    #[schema(max_length = 1000)]
    why: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::web) enum Word {
    Same,
    Different,
    Undo,
}

/// A whole number, which JSON may also write as `3.0`.
fn whole<'de, D: Deserializer<'de>>(source: D) -> Result<Option<i64>, D::Error> {
    let Some(number) = Option::<serde_json::Number>::deserialize(source)? else { return Ok(None) };
    let rounded = || number.as_f64().filter(|real| real.fract() == 0.0).map(|real| real as i64);
    number.as_i64().or_else(rounded).map(Some).ok_or_else(|| D::Error::custom("it must be a whole number"))
}

/// What came of an answer.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub(in crate::web) struct Done {
    /// same, different or undone.
    said: &'static str,
}

/// Answers whether a candidate is its record's picture. The server acts on it within moments; an answer given again changes
/// nothing.
#[utoipa::path(
    post,
    path = "/api/v1/candidates/{candidate}/answer",
    tag = "decide",
    security(("token" = [])),
    params(("candidate" = i64, Path, description = "The `candidate` of a match with the verdict `review`", minimum = 0)),
    request_body = Given,
    responses(
        (status = 200, description = "It is noted", body = Done),
        (status = 400, description = "The answer cannot be used", body = Problem),
        (status = 401, description = "No token that counts", body = Problem),
        (status = 403, description = "The token lacks the scope `decide`", body = Problem),
        (status = 404, description = "No such candidate", body = Problem),
        (status = 409, description = "Somebody else answered meanwhile, or there is nothing to take back", body = Problem),
        (status = 413, description = "More than an answer", body = Problem),
        (status = 415, description = "The answer is not JSON", body = Problem),
    )
)]
pub(in crate::web) async fn answer(
    State(context): State<Arc<WebContext>>,
    Extension(Program(token)): Extension<Program>,
    Path(candidate): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Done>, Fault> {
    let absent = || Fault::absent("there is no candidate of that number");
    let candidate = CandidateId(candidate.parse().map_err(|_| absent())?);
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    if kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii() != b"application/json" {
        let text = "send the answer as JSON, with `Content-Type: application/json`";
        return Err(Fault::Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, text.to_owned()));
    }
    let given: Given =
        serde_json::from_slice(&body).map_err(|fault| Fault::bad(&format!("the answer cannot be used: {fault}")))?;
    let why = given.why.unwrap_or_default();
    if why.chars().count() > WHY_MAX {
        return Err(Fault::bad("`why` has more than 1000 characters"));
    }
    if given.seen.is_some_and(|seen| seen < 0) {
        return Err(Fault::bad("`seen` is a number from 0"));
    }
    let who = format!("program {}", token.name);
    let said = write(&context, move |tx| {
        let Some(subject) = tx.candidate_subject(candidate)? else { return Ok(None) };
        let said = match given.answer {
            Word::Same => decide(tx, &subject, Act::Accept, given.seen, &who, &why),
            Word::Different => decide(tx, &subject, Act::Reject, given.seen, &who, &why),
            Word::Undo => undo(tx, &subject, &who),
        };
        said.map(Some)
    });
    match said.await?.ok_or_else(absent)? {
        said @ (Said::Same | Said::Different | Said::Undone) => Ok(Json(Done { said: said.word() })),
        Said::Met => conflict("somebody else answered meanwhile; their answer stands, and nothing was changed"),
        Said::Nothing => conflict("there is nothing to take back"),
    }
}

fn conflict<T>(text: &str) -> Result<T, Fault> {
    Err(Fault::Refused(StatusCode::CONFLICT, text.to_owned()))
}
