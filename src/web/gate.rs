//! The one door to the pages: who may ask, what may be asked, and the headers that every answer carries.
//!
//! Three questions, in this order. Was this server asked for by a name of its own (else a foreign page could reach it
//! through another name)? Is it a request that reads, or one that a page of ours sent? Does it bring the token that was
//! printed at start, which signs an operator in? Whether a visitor may see a page is asked in `routes`.

use std::hint::black_box;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, LOCATION, ORIGIN,
    REFERRER_POLICY, RETRY_AFTER, SET_COOKIE, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::WebContext;
use super::api::{PREFIX, as_problem};
use super::embed::Framed;
use super::listener::{Peer, until_sent};
use super::probes::PROBES;
use super::visitor::{self, Door, Frame};
use crate::catalogue::SessionOf;
use crate::domain::Digest;
use crate::endpoint::limits::{Caps, Connections, Place, Turned};

/// Nothing is loaded but what this server serves as a file: no inline script or style, no frames, no forms elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; \
     base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Bytes of a plain answer at most.
const SENTENCE_BYTES_MAX: usize = 16 << 10;

/// What the door checks against.
pub(super) struct Gate {
    context: Arc<WebContext>,
    /// The token's digest: comparing digests takes the same time whatever was brought, and however long it is.
    token: Digest,
    /// The requests that are answered now, by the visitor for whom a proxy asks: proxies have as many connections as they like.
    visitors: Arc<Connections>,
    /// The names under which this server may be asked for, and what goes with each.
    doors: Vec<Door>,
}

impl Gate {
    pub(super) fn new(context: Arc<WebContext>, port: u16) -> Self {
        let token = Digest::of(context.token.as_bytes());
        let mut hosts: Vec<String> =
            ["127.0.0.1", "[::1]", "localhost"].iter().map(|host| format!("{host}:{port}")).collect();
        if port == if context.line.tls.is_some() { 443 } else { 80 } {
            // Browsers leave out the port that is the scheme's own.
            hosts.extend(["127.0.0.1", "[::1]", "localhost"].map(String::from));
        }
        let tls = context.line.tls.is_some();
        let mut doors: Vec<Door> = hosts.into_iter().map(|host| Door::on_this_machine(host, port, tls)).collect();
        doors.extend(context.public_host.clone().map(Door::public));
        let per_address = context.line.caps.per_address;
        let caps = Caps { total: usize::MAX, per_address, half_open: Duration::MAX, ..Caps::default() };
        let visitors = Connections::within(caps, context.line.access.clone());
        Gate { context, token, visitors, doors }
    }

    fn door(&self, host: &[u8]) -> Option<&Door> {
        self.doors.iter().find(|door| door.host.as_bytes().eq_ignore_ascii_case(host))
    }

    fn is_token(&self, given: &[u8]) -> bool {
        let differing = Digest::of(given).0.iter().zip(&self.token.0).fold(0, |bits, (a, b)| bits | (a ^ b));
        black_box(differing) == 0
    }
}

/// Lets a request in, or answers why not; then sees to the headers.
pub(super) async fn guard(
    State(gate): State<Arc<Gate>>,
    ConnectInfo(Peer(peer)): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let door = asked_for(&gate, &parts).cloned();
    let for_programs = is_for_programs(&parts);
    let reads_pages = is_browser(&parts.headers) && !PROBES.contains(&parts.uri.path());
    let client = client(&gate, peer, &parts.headers);
    let admitted = match visit(&gate, peer, client) {
        Ok(visit) => admit(&gate, door.as_ref(), &parts).await.map(|door| (door, visit)),
        Err(answer) => Err(answer),
    };
    let mut response = match admitted {
        Ok((door, visit)) => {
            if let Some(door) = door {
                parts.extensions.insert(door.clone());
            }
            parts.extensions.insert(Client(client));
            until_sent(next.run(Request::from_parts(parts, body)).await, visit)
        }
        Err(answer) => *answer,
    };
    if for_programs {
        response = as_problem(response);
    } else if reads_pages {
        response = as_page(response).await;
    }
    let framed = response.extensions().get::<Framed>().is_some();
    protect(response.headers_mut());
    if framed {
        // What may frame it stands in its own policy; this header knows no names.
        response.headers_mut().remove(X_FRAME_OPTIONS);
    }
    // Not for this machine's own names, which other servers have, too.
    if door.is_some_and(|door| door.secure && !door.takes_token) {
        let year = HeaderValue::from_static("max-age=31536000");
        response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, year);
    }
    response
}

/// The place of a request among all that are answered for the same visitor behind a proxy; without one, connections are counted.
fn visit(gate: &Gate, peer: SocketAddr, client: IpAddr) -> Result<Option<Place>, Box<Response>> {
    if client == peer.ip().to_canonical() {
        return Ok(None);
    }
    match gate.visitors.admit(client) {
        Ok(place) => Ok(Some(place)),
        Err(Turned::Denied) => Err(plain(StatusCode::FORBIDDEN, "From your address these pages may not be asked for.")),
        Err(Turned::Full) => {
            let mut answer =
                plain(StatusCode::TOO_MANY_REQUESTS, "Too much is asked at once from your address. Wait a bit.");
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
            Err(answer)
        }
    }
}

/// By which door a request comes in; by none where it is answered under any name.
async fn admit<'d>(gate: &Gate, door: Option<&'d Door>, request: &Parts) -> Result<Option<&'d Door>, Box<Response>> {
    let Some(door) = door else {
        if PROBES.contains(&request.uri.path()) && matches!(request.method, Method::GET | Method::HEAD) {
            return Ok(None);
        }
        let text = "These pages answer only to the address that their server knows as its own, with its port.";
        return Err(plain(StatusCode::MISDIRECTED_REQUEST, text));
    };
    match request.method {
        Method::GET | Method::HEAD | Method::OPTIONS => {}
        // There only what a token says counts, and no page can have a browser send one. Which methods an address knows, it says itself.
        _ if is_for_programs(request) => {}
        // There only the key in the address counts; mail programs send this by themselves.
        Method::POST if request.uri.path() == "/mail" => {}
        Method::POST | Method::PATCH | Method::DELETE if is_from_our_pages(door, &request.headers) => {}
        Method::POST | Method::PATCH | Method::DELETE => {
            let text = "This was not sent by a page of this server, so it was not done.\n\
                        Open the page here and try again; an old browser may not say where a form comes from.";
            return Err(plain(StatusCode::FORBIDDEN, text));
        }
        _ => {
            let mut answer =
                plain(StatusCode::METHOD_NOT_ALLOWED, "These pages know GET, HEAD, POST, PATCH, DELETE and OPTIONS.");
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST, PATCH, DELETE, OPTIONS"));
            return Err(answer);
        }
    }
    match token_in(&request.uri) {
        None => Ok(Some(door)),
        // A token in the address speaks alone: with a wrong one nobody gets in by an older cookie unnoticed.
        Some(token) if !door.takes_token || !gate.is_token(token.as_bytes()) => {
            let text = "This token is not the one that reunite printed when it started last.\n\
                        Open the address that it printed then, or leave the token out and sign in.";
            Err(plain(StatusCode::FORBIDDEN, text))
        }
        Some(_) => Err(Box::new(remember(gate, door, request).await)),
    }
}

/// Whether an address is of the API.
fn is_for_programs(request: &Parts) -> bool {
    request.uri.path().starts_with(PREFIX)
}

/// Where a visitor is, as far as is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client(pub(super) IpAddr);

/// Who asks: the other end, or, if that is a proxy of ours, the last address that it names and that is none. What stands
/// before was written by whoever asked, and may say anything.
fn client(gate: &Gate, peer: SocketAddr, headers: &HeaderMap) -> IpAddr {
    let (peer, proxies) = (peer.ip().to_canonical(), &gate.context.line.proxies);
    if !proxies.contains(peer) {
        return peer;
    }
    let lines: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|line| line.to_str().ok()).collect();
    let named = lines.iter().flat_map(|line| line.split(',')).rev();
    let mut known = named.map_while(|text| text.trim().parse::<IpAddr>().ok()).map(|ip| ip.to_canonical());
    known.find(|ip| !proxies.contains(*ip)).unwrap_or(peer)
}

/// The door that the one Host header, and the address line if it names a host, too, both mean.
fn asked_for<'g>(gate: &'g Gate, request: &Parts) -> Option<&'g Door> {
    let mut hosts = request.headers.get_all(HOST).iter();
    let door = gate.door(hosts.next()?.as_bytes()).filter(|_| hosts.next().is_none())?;
    let line = request.uri.authority();
    line.is_none_or(|line| line.as_str().eq_ignore_ascii_case(&door.host)).then_some(door)
}

/// Whether the browser says that a page of ours sends this. Because our pages send no referrer, a form's `Origin` is
/// `null`, and `Sec-Fetch-Site` speaks; whoever sends neither is not let in.
fn is_from_our_pages(door: &Door, headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    let origin = headers.get(ORIGIN).map(HeaderValue::as_bytes).filter(|origin| *origin != b"null");
    match (site, origin) {
        (None, None) => false,
        (site, origin) => {
            site.is_none_or(|site| site == b"same-origin")
                && origin.is_none_or(|origin| origin.eq_ignore_ascii_case(door.origin().as_bytes()))
        }
    }
}

fn token_in(uri: &Uri) -> Option<&str> {
    uri.query()?.split('&').find_map(|pair| pair.strip_prefix("token="))
}

/// Signs the operator in and sends them on to the same page without the token, so that it stays in no history.
async fn remember(gate: &Gate, door: &Door, request: &Parts) -> Response {
    let uri = &request.uri;
    let rest: Vec<&str> = uri.query().unwrap_or("").split('&').filter(|pair| !pair.starts_with("token=")).collect();
    let query = if rest.concat().is_empty() { String::new() } else { format!("?{}", rest.join("&")) };
    // One slash in front, however many were asked for: two would name another host.
    let Ok(target) = HeaderValue::from_str(&format!("/{}{query}", uri.path().trim_start_matches('/'))) else {
        // An address with bytes that no header may hold names no page of ours.
        return *plain(StatusCode::BAD_REQUEST, "There is no such page.");
    };
    match visitor::begin(&gate.context, door, &request.headers, SessionOf::Token).await {
        Ok(cookie) => {
            let mut answer = *plain(StatusCode::SEE_OTHER, "This way.");
            answer.headers_mut().insert(LOCATION, target);
            answer.headers_mut().insert(SET_COOKIE, cookie);
            answer
        }
        Err(fault) => fault.into_response(),
    }
}

/// Whether somebody looks at the answer who can read a page.
pub(super) fn is_browser(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes().windows(9).any(|word| word == b"text/html"))
}

#[derive(Template)]
#[template(path = "said.html", config = "src/web/askama.toml")]
struct Said {
    frame: Frame,
    heading: &'static str,
    text: String,
}

/// A plain answer that refuses something, as a page.
async fn as_page(answer: Response) -> Response {
    let status = answer.status();
    let is_plain = answer.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "text/plain; charset=utf-8");
    if !is_plain || !(status.is_client_error() || status.is_server_error()) {
        return answer;
    }
    let heading = match status {
        StatusCode::BAD_REQUEST => "This address does not say what is meant",
        StatusCode::TOO_MANY_REQUESTS => "Please wait a moment",
        status if status.is_server_error() => "This did not work",
        _ => "This was not done",
    };
    let (mut parts, body) = answer.into_parts();
    // What is plain is a sentence of ours.
    let Ok(bytes) = to_bytes(body, SENTENCE_BYTES_MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let text = String::from_utf8_lossy(&bytes).trim().to_owned();
    match (Said { frame: Frame::default(), heading, text }).render() {
        Ok(page) => {
            parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            parts.headers.remove(CONTENT_LENGTH);
            Response::from_parts(parts, Body::from(page))
        }
        Err(_) => Response::from_parts(parts, Body::from(bytes)),
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
