//! Programs of the shop: the token that one brings, and how they are answered when they may not have what they ask for.
//!
//! A token stands in `Authorization: Bearer`, which browsers never send by themselves, so no foreign page can have one sent.
//! Programs get faults as JSON, in one shape wherever they ask.

use std::sync::Arc;

use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;

use super::WebContext;
use super::api::Problem;
use super::pages::{Fault, read};
use crate::catalogue::Token;
use crate::domain::{Digest, Scope};

/// A program with a token that counts.
#[derive(Clone, Debug)]
pub(super) struct Program(pub(super) Token);

/// What a request brings of a token.
pub(super) enum Brought {
    /// Nothing.
    Nothing,
    /// A token with the scope.
    Admitted(Program),
    /// A token that does not count, or not for this; with the answer that says so.
    Refused(Response),
}

/// Looks at the token that a request brings for something of `scope`: in its header, or else `key`.
pub(super) async fn brought(
    context: &Arc<WebContext>,
    headers: &HeaderMap,
    key: Option<&str>,
    scope: Scope,
) -> Result<Brought, Fault> {
    let secret = match (headers.get(AUTHORIZATION), key) {
        (None, None) => return Ok(Brought::Nothing),
        (None, Some(key)) => key.as_bytes(),
        (Some(line), _) => match line.as_bytes().split_at_checked(7) {
            Some((scheme, secret)) if scheme.eq_ignore_ascii_case(b"bearer ") => secret,
            _ => return Ok(Brought::Refused(unauthorized("Authorization must be `Bearer` and a token"))),
        },
    };
    let hash = Digest::of(secret.trim_ascii());
    // Digests are compared, so how long it takes tells nothing about the secret.
    let token = read(context, move |tx| tx.token(&hash)).await?;
    Ok(match token {
        None => Brought::Refused(unauthorized("there is no such token; `reunite token add` makes one")),
        Some(token) if !token.scopes.contains(&scope) => {
            let text = format!("this token may not do that; it takes one with the scope `{scope}`");
            Brought::Refused(Problem::answer(StatusCode::FORBIDDEN, &text))
        }
        Some(token) => Brought::Admitted(Program(token)),
    })
}

/// Nobody was named who may have this.
pub(super) fn unauthorized(message: &str) -> Response {
    let mut answer = Problem::answer(StatusCode::UNAUTHORIZED, message);
    answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    answer
}
