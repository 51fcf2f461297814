//! Every address that the pages have, in one table, with whom it is for and whose id it carries.
//!
//! The router is made from this table, and so is the test that one customer gets nothing of another's: an address that is
//! not here does not exist, and one that is here is guarded before its page is asked. Whoever may not see a thing gets the
//! same answer as for a thing that is not there.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::{DefaultBodyLimit, Extension, Form, FromRequest, FromRequestParts, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use tokio::time::timeout;

use super::gate::{Client, is_browser, plain};
use super::pages::{self, Fault, read};
use super::programs::{Brought, brought, is_feed, unauthorized};
use super::visitor::{Door, Visitor};
use super::{
    WebContext, api, assets, connect, desk, embed, events, files, log, mail, orders, originals, pictures, probes,
    record, removals, reports, review, sending, sign_in, status, thumbnail, upload,
};
use crate::domain::{CandidateId, CustomerId, Digest, Micros, RecordId, Scope, ThumbnailId, TransferId, UploadId};

/// What programs are told that bring nothing.
const TOKEN_WANTED: &str = "this takes `Authorization: Bearer` and a token";

/// Bytes of a form at most, and how long it may take.
const FORM_BYTES_MAX: usize = 64 << 10;
const FORM_WAIT: Duration = Duration::from_secs(30);
const TOO_MUCH: &str = "This is more than a form of these pages sends.";

/// Whom an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// Whoever comes by.
    Anyone,
    /// The frame that a key opens; for the customer whose key it is.
    Embedded,
    /// Whoever has signed in; of customers, the one to whom the id in the address belongs.
    SignedIn,
    /// Those who work for the shop.
    Staff,
    /// Those who work for the shop, and programs with a token of this scope.
    StaffOr(Scope),
    /// Programs with a token of this scope, and nobody else.
    Program(Scope),
    /// Those of them who run the server.
    Operator,
    /// Those of them who run the server; a program with a token of this scope; and, for the numbers for monitoring, whoever
    /// asks from where settings say so.
    OperatorOr(Scope),
}

impl Who {
    /// What a program's token must allow.
    fn scope(self) -> Option<Scope> {
        match self {
            Who::Anyone | Who::Embedded | Who::SignedIn | Who::Staff | Who::Operator => None,
            Who::StaffOr(scope) | Who::OperatorOr(scope) | Who::Program(scope) => Some(scope),
        }
    }

    /// Whether `visitor` is one of them.
    fn includes(self, visitor: &Visitor) -> bool {
        match self {
            Who::Anyone | Who::SignedIn => true,
            Who::Program(_) | Who::Embedded => false,
            Who::Staff | Who::StaffOr(_) => visitor.is_staff(),
            Who::Operator | Who::OperatorOr(_) => visitor.is_operator(),
        }
    }
}

/// What the `{id}` of an address numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Id {
    /// There is none.
    None,
    /// A customer.
    Customer,
    /// A thumbnail.
    Thumbnail,
    /// A candidate.
    Candidate,
    /// A decision.
    Decision,
    /// A record.
    Record,
    /// A received file.
    Upload,
    /// A file that a browser is sending.
    Transfer,
}

/// What a request that changes something carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carries {
    /// A small form, with the mark of the page that it is on.
    Form,
    /// A form with files, whose first field is that mark; whoever reads it looks at that, see [`sending`].
    Files,
    /// Whatever a script of ours sends, with the mark in a header.
    Stream,
}

/// One address.
pub(super) struct Route {
    pub(super) method: MethodFilter,
    pub(super) path: &'static str,
    pub(super) who: Who,
    pub(super) id: Id,
    pub(super) carries: Carries,
    handler: fn(MethodFilter) -> MethodRouter<Arc<WebContext>>,
}

/// The table.
pub(super) fn table() -> Vec<Route> {
    use Id::{Candidate, Customer, Decision, None, Record, Thumbnail, Transfer, Upload};
    use Who::{Anyone, Embedded, Operator, OperatorOr, Program, SignedIn, Staff, StaffOr};
    const GET: MethodFilter = MethodFilter::GET;
    const POST: MethodFilter = MethodFilter::POST;
    let route = |method, path, who, id, handler| Route { method, path, who, id, carries: Carries::Form, handler };
    let stream =
        |method, path, id, handler| Route { carries: Carries::Stream, ..route(method, path, SignedIn, id, handler) };
    let files = |path, id, handler| Route { carries: Carries::Files, ..route(POST, path, SignedIn, id, handler) };
    vec![
        route(GET, "/", SignedIn, None, |method| on(method, pages::customers)),
        route(GET, "/customers/{id}", SignedIn, Customer, |method| on(method, pages::customer)),
        route(GET, "/customers/{id}/events", SignedIn, Customer, |method| on(method, events::events)),
        route(GET, "/customers/{id}/connect", SignedIn, Customer, |method| on(method, connect::page)),
        route(GET, "/customers/{id}/connect/{program}", SignedIn, Customer, |method| on(method, connect::settings)),
        route(GET, "/customers/{id}/report/{file}", SignedIn, Customer, |method| on(method, reports::customer_file)),
        route(GET, "/matches", Staff, None, |method| on(method, reports::matches_page)),
        route(GET, "/matches/{form}", Staff, None, |method| on(method, reports::matches_file)),
        route(GET, "/orders", Staff, None, |method| on(method, orders::page)),
        route(GET, "/review", Staff, None, |method| on(method, review::page)),
        route(GET, "/candidates/{id}/picture", Staff, Candidate, |method| on(method, pictures::picture)),
        route(POST, "/candidates/{id}/answer", Staff, Candidate, |method| on(method, review::answer)),
        route(POST, "/customers/{id}/remove", SignedIn, Customer, |method| on(method, removals::remove)),
        route(POST, "/customers/{id}/restore", SignedIn, Customer, |method| on(method, removals::restore)),
        route(POST, "/customers/{id}/keep", SignedIn, Customer, |method| on(method, removals::keep)),
        route(GET, "/files", Staff, None, |method| on(method, files::of_all)),
        route(GET, "/search", Staff, None, |method| on(method, desk::search)),
        route(GET, "/removed", Staff, None, |method| on(method, desk::given_up)),
        route(POST, "/removed", Staff, None, |method| on(method, desk::restore)),
        route(GET, "/log", Staff, None, |method| on(method, log::page)),
        route(GET, "/decisions", Staff, None, |method| on(method, desk::decisions)),
        route(POST, "/decisions/{id}/undo", Staff, Decision, |method| on(method, desk::undo)),
        route(GET, "/uploads/{id}", Staff, Upload, |method| on(method, upload::page)),
        route(GET, "/uploads/{id}/picture", Staff, Upload, |method| on(method, thumbnail::upload)),
        route(POST, "/uploads/{id}/attach", Staff, Upload, |method| on(method, upload::attach)),
        route(GET, "/customers/{id}/files", SignedIn, Customer, |method| on(method, files::of_customer)),
        route(GET, "/records/{id}/send", SignedIn, Record, |method| on(method, sending::record_page)),
        files("/customers/{id}/send", Customer, |method| on(method, sending::customer_form)),
        route(POST, "/records/{id}/detach", Staff, Record, |method| on(method, record::detach)),
        files("/records/{id}/send", Record, |method| on(method, sending::record_form)),
        stream(MethodFilter::OPTIONS, "/customers/{id}/transfers", Customer, |method| on(method, sending::options)),
        stream(POST, "/customers/{id}/transfers", Customer, |method| on(method, sending::begin)),
        stream(MethodFilter::HEAD, "/transfers/{id}", Transfer, |method| on(method, sending::offset)),
        stream(MethodFilter::PATCH, "/transfers/{id}", Transfer, |method| on(method, sending::receive)),
        stream(MethodFilter::DELETE, "/transfers/{id}", Transfer, |method| on(method, sending::end)),
        route(GET, "/customers/{id}/{list}", SignedIn, Customer, |method| on(method, pages::list)),
        route(GET, "/thumbnails/{id}", SignedIn, Thumbnail, |method| on(method, thumbnail::thumbnail)),
        route(GET, "/sign-in", Anyone, None, |method| on(method, sign_in::customer_form)),
        route(POST, "/sign-in", Anyone, None, |method| on(method, sign_in::customer)),
        route(GET, "/sign-in/staff", Anyone, None, |method| on(method, sign_in::staff_form)),
        route(POST, "/sign-in/staff", Anyone, None, |method| on(method, sign_in::staff)),
        route(POST, "/sign-out", SignedIn, None, |method| on(method, sign_in::sign_out)),
        route(GET, "/link", Anyone, None, |method| on(method, sign_in::link_form)),
        route(POST, "/link", Anyone, None, |method| on(method, sign_in::link)),
        route(GET, "/mail", Anyone, None, |method| on(method, mail::page)),
        route(POST, "/mail", Anyone, None, |method| on(method, mail::switch)),
        route(GET, "/embed/missing", Embedded, None, |method| on(method, embed::missing)),
        route(GET, "/embed/thumbnails/{id}", Embedded, Thumbnail, |method| on(method, thumbnail::thumbnail)),
        route(GET, "/healthz", Anyone, None, |method| on(method, probes::healthz)),
        route(GET, "/readyz", Anyone, None, |method| on(method, probes::readyz)),
        route(GET, "/status", Operator, None, |method| on(method, status::page)),
        route(GET, "/status/feed.atom", OperatorOr(Scope::Metrics), None, |method| on(method, status::feed)),
        route(GET, "/metrics", OperatorOr(Scope::Metrics), None, |method| on(method, probes::metrics)),
        route(GET, "/originals/{record}", StaffOr(Scope::Originals), None, |method| on(method, originals::original)),
        route(GET, "/api/v1/openapi.json", Anyone, None, |method| on(method, api::openapi)),
        route(GET, "/api/v1/customers", Program(Scope::Read), None, |method| on(method, api::customers)),
        route(GET, "/api/v1/customers/{customer}", Program(Scope::Read), None, |method| on(method, api::customer)),
        route(GET, "/api/v1/records", Program(Scope::Read), None, |method| on(method, api::records)),
        route(GET, "/api/v1/records/{record}", Program(Scope::Read), None, |method| on(method, api::record)),
        route(GET, "/api/v1/missing", Program(Scope::Read), None, |method| on(method, api::missing)),
        route(GET, "/api/v1/matches", Program(Scope::Read), None, |method| on(method, api::matches)),
        route(GET, "/api/v1/uploads", Program(Scope::Read), None, |method| on(method, api::uploads)),
        route(POST, "/api/v1/customers/{customer}/embed", Program(Scope::Embed), None, |method| on(method, api::embed)),
        route(POST, "/api/v1/candidates/{candidate}/answer", Program(Scope::Decide), None, |method| {
            on(method, api::answer)
        }),
        route(GET, "/style.css", Anyone, None, |method| on(method, assets::style)),
        route(GET, "/live.js", Anyone, None, |method| on(method, assets::live)),
        route(GET, "/send.js", Anyone, None, |method| on(method, assets::send)),
        route(GET, "/review.js", Anyone, None, |method| on(method, assets::review)),
        route(GET, "/icon.svg", Anyone, None, |method| on(method, assets::icon)),
    ]
}

/// The router of the table.
pub(super) fn router(context: &Arc<WebContext>) -> Router {
    let mut router = Router::new();
    for route in table() {
        let rule = Rule { context: Arc::clone(context), who: route.who, id: route.id, carries: route.carries };
        let handler = match route.carries {
            // Their own limits hold for what they bring.
            Carries::Files => (route.handler)(route.method).layer(DefaultBodyLimit::disable()),
            Carries::Form | Carries::Stream => (route.handler)(route.method),
        };
        router = router.route(route.path, handler.layer(from_fn_with_state(rule, admit)));
    }
    router.fallback(pages::no_page).with_state(Arc::clone(context))
}

#[derive(Clone)]
struct Rule {
    context: Arc<WebContext>,
    who: Who,
    id: Id,
    carries: Carries,
}

/// Asks for the page if the visitor may see it.
async fn admit(
    State(rule): State<Rule>,
    door: Option<Extension<Door>>,
    Extension(Client(client)): Extension<Client>,
    mut request: Request,
    next: Next,
) -> Result<Response, Fault> {
    if rule.carries == Carries::Form {
        request = match whole(request).await {
            Ok(request) => request,
            Err(answer) => return Ok(*answer),
        };
    }
    if rule.who == Who::Anyone {
        return Ok(next.run(request).await);
    }
    // Only what is for anyone is answered without a door.
    let Extension(door) = door.ok_or(Fault::NoPage)?;
    if let Some(scope) = rule.who.scope() {
        match brought(&rule.context, request.headers(), request.uri(), scope).await? {
            Brought::Admitted(program) => {
                request.extensions_mut().insert(program);
                return Ok(next.run(request).await);
            }
            Brought::Refused(answer) => return Ok(answer),
            Brought::Nothing if scope == Scope::Metrics && rule.context.metrics_from.contains(client) => {
                return Ok(next.run(request).await);
            }
            Brought::Nothing if matches!(rule.who, Who::Program(_)) => {
                return Ok(unauthorized(TOKEN_WANTED, request.uri()));
            }
            Brought::Nothing => {}
        }
    }
    if rule.who == Who::Embedded {
        return embedded(&rule, request, next).await;
    }
    let Some(visitor) = Visitor::of(&rule.context, &door, request.headers()).await? else {
        return Ok(match *request.method() {
            _ if rule.who.scope().is_some() && (is_feed(request.uri()) || !is_browser(request.headers())) => {
                unauthorized(TOKEN_WANTED, request.uri())
            }
            _ if rule.carries == Carries::Stream => {
                *plain(StatusCode::UNAUTHORIZED, "You are signed out. Sign in again.")
            }
            Method::POST => *plain(StatusCode::FORBIDDEN, "You are signed out, so this was not done. Sign in again."),
            _ => Redirect::to("/sign-in").into_response(),
        });
    };
    if !rule.who.includes(&visitor) {
        return Err(Fault::NoPage);
    }
    let (mut parts, mut body) = request.into_parts();
    if let Some(owner) = owner_of(&rule, &mut parts).await?
        && !visitor.may_see(owner)
    {
        return Err(Fault::NoPage);
    }
    let reads = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    let marked = match rule.carries {
        Carries::Form if !reads => {
            // All of it is here already, see `whole`.
            let bytes = to_bytes(body, FORM_BYTES_MAX).await.map_err(|_| Fault::Asked(TOO_MUCH))?;
            let form = Request::from_parts(parts.clone(), Body::from(bytes.clone()));
            let fields = Form::<Vec<(String, String)>>::from_request(form, &()).await.map(|Form(fields)| fields);
            body = Body::from(bytes);
            fields.is_ok_and(|fields| fields.iter().any(|(name, mark)| name == "mark" && *mark == visitor.mark))
        }
        Carries::Stream => {
            parts.headers.get("reunite-mark").is_some_and(|mark| mark.as_bytes() == visitor.mark.as_bytes())
        }
        Carries::Form | Carries::Files => true,
    };
    if !marked {
        return Ok(wrong_mark());
    }
    parts.extensions.insert(visitor);
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// A request with all that it brings, which is little and comes at once: whoever is slow keeps nothing but a connection.
async fn whole(request: Request) -> Result<Request, Box<Response>> {
    let (parts, body) = request.into_parts();
    if body.is_end_stream() {
        return Ok(Request::from_parts(parts, body));
    }
    match timeout(FORM_WAIT, to_bytes(body, FORM_BYTES_MAX)).await {
        Ok(Ok(bytes)) => Ok(Request::from_parts(parts, Body::from(bytes))),
        Ok(Err(_)) => Err(plain(StatusCode::PAYLOAD_TOO_LARGE, TOO_MUCH)),
        Err(_) => Err(plain(StatusCode::REQUEST_TIMEOUT, "This took too long to come. Send it again.")),
    }
}

/// The answer to what another page sent than one of the visitor's.
pub(super) fn wrong_mark() -> Response {
    let text = "The page that sent this is from another sign-in, so it was not done. Open it again.";
    *plain(StatusCode::FORBIDDEN, text)
}

/// Shows a frame's page to whoever has its key, if it shows nothing of another customer.
async fn embedded(rule: &Rule, request: Request, next: Next) -> Result<Response, Fault> {
    if rule.context.embed_origins.is_empty() {
        return Err(Fault::NoPage);
    }
    let query = request.uri().query().unwrap_or("");
    let key = query.split('&').find_map(|pair| pair.strip_prefix("key=")).unwrap_or("").to_owned();
    let hash = Digest::of(key.as_bytes());
    let Some(customer) = read(&rule.context, move |tx| tx.embedded(&hash, Micros::now())).await? else {
        return embed::over(&rule.context);
    };
    let (mut parts, body) = request.into_parts();
    if owner_of(rule, &mut parts).await?.is_some_and(|owner| owner != customer) {
        return Err(Fault::NoPage);
    }
    parts.extensions.insert(embed::Embedded { customer, key });
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// To whom the thing belongs whose id stands in the address; nobody where there is no id.
async fn owner_of(rule: &Rule, parts: &mut Parts) -> Result<Option<CustomerId>, Fault> {
    if rule.id == Id::None {
        return Ok(None);
    }
    let params = RawPathParams::from_request_parts(parts, &()).await.map_err(|_| Fault::NoPage)?;
    let (_, id) = params.iter().find(|(name, _)| *name == "id").ok_or(Fault::NoPage)?;
    Ok(Some(owner(rule, id.parse().map_err(|_| Fault::NoPage)?).await?.ok_or(Fault::NoPage)?))
}

/// To whom the thing with this id belongs.
async fn owner(rule: &Rule, id: i64) -> Result<Option<CustomerId>, Fault> {
    match rule.id {
        Id::None => Ok(None),
        Id::Customer => Ok(Some(CustomerId(id))),
        Id::Candidate => {
            let subject = read(&rule.context, move |tx| tx.candidate_subject(CandidateId(id))).await?;
            Ok(subject.map(|subject| subject.customer))
        }
        Id::Decision => read(&rule.context, move |tx| tx.decision_customer(id)).await,
        Id::Upload => {
            let upload = read(&rule.context, move |tx| tx.upload(UploadId(id))).await?;
            Ok(upload.map(|upload| upload.customer))
        }
        Id::Record => read(&rule.context, move |tx| tx.record_customer(RecordId(id))).await,
        Id::Transfer => {
            let transfer = read(&rule.context, move |tx| tx.browser_transfer(TransferId(id))).await?;
            Ok(transfer.map(|transfer| transfer.customer))
        }
        Id::Thumbnail => read(&rule.context, move |tx| tx.thumbnail_customer(ThumbnailId(id))).await,
    }
}
