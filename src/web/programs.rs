//! Programs of the shop: the token that one brings, and how they are answered when they may not have what they ask for.
//!
//! A token stands in `Authorization: Bearer`, which browsers never send by themselves, so no foreign page can have one sent.
//! Readers of feeds know the older way alone, `Authorization: Basic`: there the token is the password, or stands in the address.
//! Programs get faults as JSON, in one shape wherever they ask.

use std::sync::Arc;

use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

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

/// Looks at the token that a request to `uri` brings for something of `scope`.
pub(super) async fn brought(
    context: &Arc<WebContext>,
    headers: &HeaderMap,
    uri: &Uri,
    scope: Scope,
) -> Result<Brought, Fault> {
    let secret = match (headers.get(AUTHORIZATION), key_of_feed(uri)) {
        (None, None) => return Ok(Brought::Nothing),
        (None, Some(key)) => key.as_bytes().to_vec(),
        (Some(line), _) => match secret_in(line.as_bytes(), uri) {
            Some(secret) => secret,
            None => {
                return Ok(Brought::Refused(unauthorized("Authorization must be `Bearer` and a token", uri)));
            }
        },
    };
    let hash = Digest::of(secret.trim_ascii());
    // Digests are compared, so how long it takes tells nothing about the secret.
    let token = read(context, move |tx| tx.token(&hash)).await?;
    Ok(match token {
        None => Brought::Refused(unauthorized("there is no such token; `reunite token add` makes one", uri)),
        Some(token) if !token.scopes.contains(&scope) => {
            let text = format!("this token may not do that; it takes one with the scope `{scope}`");
            Brought::Refused(Problem::answer(StatusCode::FORBIDDEN, &text))
        }
        Some(token) => Brought::Admitted(Program(token)),
    })
}

/// The secret in a line of `Authorization`.
fn secret_in(line: &[u8], uri: &Uri) -> Option<Vec<u8>> {
    let (scheme, rest) = line.split_at_checked(line.iter().position(|byte| *byte == b' ')?)?;
    let rest = rest.trim_ascii();
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Some(rest.to_vec());
    }
    if !scheme.eq_ignore_ascii_case(b"basic") || !is_feed(uri) {
        return None;
    }
    // A name, which says nothing here, a colon, and the password.
    let pair = STANDARD.decode(rest).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some(pair[colon + 1..].to_vec())
}

/// Whether this address is a feed's.
pub(super) fn is_feed(uri: &Uri) -> bool {
    uri.path().ends_with(".atom")
}

/// The token in the address of a feed, for readers that can bring none in any other way.
fn key_of_feed(uri: &Uri) -> Option<&str> {
    let query = uri.query().filter(|_| is_feed(uri))?;
    query.split('&').find_map(|pair| pair.strip_prefix("key="))
}

/// Nobody was named who may have this.
pub(super) fn unauthorized(message: &str, uri: &Uri) -> Response {
    let mut answer = Problem::answer(StatusCode::UNAUTHORIZED, message);
    let schemes = if is_feed(uri) { "Basic realm=\"reunite\", Bearer" } else { "Bearer" };
    answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(schemes));
    answer
}
