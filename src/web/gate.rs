//! The one door to the pages: who may ask, what may be asked, and the headers that every answer carries.
//!
//! Three questions, in this order. Was this address asked for by a name that only this machine uses (else a foreign page
//! could reach us through a name of its own)? Is it a request that only reads? Does the visitor hold the token? The token
//! comes once in the address, and from then on in a cookie that no script and no other site can use.

use std::hint::black_box;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, HOST, LOCATION, REFERRER_POLICY, SET_COOKIE,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::domain::Digest;

/// Nothing is loaded but what this server serves as a file: no inline script or style, no frames, no forms elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What the door checks against.
pub(super) struct Gate {
    /// The token's digest: comparing digests takes the same time whatever was brought, and however long it is.
    token: Digest,
    /// Cookies are shared between the ports of a host, so each port has a cookie of its own.
    cookie: String,
    /// The names under which this server may be asked for.
    hosts: Vec<String>,
}

impl Gate {
    pub(super) fn new(token: &str, port: u16) -> Self {
        let mut hosts: Vec<String> =
            ["127.0.0.1", "[::1]", "localhost"].iter().map(|host| format!("{host}:{port}")).collect();
        if port == 80 {
            // Browsers leave out the port that is the scheme's own.
            hosts.extend(["127.0.0.1", "[::1]", "localhost"].map(String::from));
        }
        Gate { token: Digest::of(token.as_bytes()), cookie: format!("reunite-{port}"), hosts }
    }

    fn knows_host(&self, host: &[u8]) -> bool {
        self.hosts.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(host))
    }

    fn is_token(&self, given: &[u8]) -> bool {
        let differing = Digest::of(given).0.iter().zip(&self.token.0).fold(0, |bits, (a, b)| bits | (a ^ b));
        black_box(differing) == 0
    }

    fn has_cookie(&self, headers: &HeaderMap) -> bool {
        headers.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';')).any(|cookie| {
            let cookie = cookie.trim_ascii();
            cookie
                .strip_prefix(self.cookie.as_bytes())
                .and_then(|rest| rest.strip_prefix(b"="))
                .is_some_and(|value| self.is_token(value))
        })
    }
}

/// Lets a request in, or answers why not; then sees to the headers.
pub(super) async fn guard(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    let mut response = match admit(&gate, &request) {
        Ok(()) => next.run(request).await,
        Err(answer) => *answer,
    };
    protect(response.headers_mut());
    response
}

fn admit(gate: &Gate, request: &Request) -> Result<(), Box<Response>> {
    if !asks_for_us(gate, request) {
        let text = "These pages answer only to 127.0.0.1, [::1] or localhost, with their port.";
        return Err(plain(StatusCode::MISDIRECTED_REQUEST, text));
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "These pages can be read, not changed.");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Err(answer);
    }
    let refused = || {
        let text = "This page needs the address with the token that reunite printed when it started.\n\
                    Open that address once in this browser; from then on it is remembered.";
        plain(StatusCode::FORBIDDEN, text)
    };
    match token_in(request.uri()) {
        // A token in the address speaks alone: with a wrong one nobody gets in by an older cookie unnoticed.
        Some(token) if gate.is_token(token.as_bytes()) => Err(remember(gate, token, request.uri())),
        Some(_) => Err(refused()),
        None if gate.has_cookie(request.headers()) => Ok(()),
        None => Err(refused()),
    }
}

/// Whether the one Host header, and the address line if it names a host, too, mean this server.
fn asks_for_us(gate: &Gate, request: &Request) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    let named = hosts.next().is_some_and(|host| gate.knows_host(host.as_bytes())) && hosts.next().is_none();
    named && request.uri().authority().is_none_or(|authority| gate.knows_host(authority.as_str().as_bytes()))
}

fn token_in(uri: &Uri) -> Option<&str> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix("token="))
}

/// Hands the token over as a cookie and sends the visitor on to the same page without it, so that it stays in no history.
fn remember(gate: &Gate, token: &str, uri: &Uri) -> Box<Response> {
    let rest: Vec<&str> = uri.query().unwrap_or("").split('&').filter(|pair| !pair.starts_with("token=")).collect();
    let query = if rest.concat().is_empty() { String::new() } else { format!("?{}", rest.join("&")) };
    // One slash in front, however many were asked for: two would name another host.
    let target = format!("/{}{query}", uri.path().trim_start_matches('/'));
    let cookie = format!("{}={token}; Path=/; HttpOnly; SameSite=Strict", gate.cookie);
    let mut answer = plain(StatusCode::SEE_OTHER, "This way.");
    match (HeaderValue::from_str(&target), HeaderValue::from_str(&cookie)) {
        (Ok(target), Ok(cookie)) => {
            answer.headers_mut().insert(LOCATION, target);
            answer.headers_mut().insert(SET_COOKIE, cookie);
            answer
        }
        // An address with bytes that no header may hold names no page of ours.
        _ => plain(StatusCode::BAD_REQUEST, "There is no such page."),
    }
}

/// A plain answer for people and programs.
pub(super) fn plain(status: StatusCode, text: &str) -> Box<Response> {
    Box::new((status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], format!("{text}\n")).into_response())
}

fn protect(headers: &mut HeaderMap) {
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(POLICY));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
