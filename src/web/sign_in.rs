//! Signing in and out: customers with their upload account or with a link, those who work for the shop with their own.
//!
//! Passwords are checked where FTP and SFTP have them checked, and failures count together. A link is looked at by GET and
//! used by POST only, since programs that read mail open every link in it.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, Form, Query, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};

use super::WebContext;
use super::gate::Client;
use super::pages::{Fault, write};
use super::visitor::{self, Door, Frame};
use crate::catalogue::SessionOf;
use crate::domain::{Digest, Micros};
use crate::endpoint::login::Refused;

#[derive(Template)]
#[template(path = "sign_in.html", config = "src/web/askama.toml")]
struct SignIn {
    frame: Frame,
    staff: bool,
    name: String,
    fault: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "link.html", config = "src/web/askama.toml")]
struct Link {
    frame: Frame,
    key: String,
    fault: bool,
}

/// What the sign-in form sends.
#[derive(serde::Deserialize)]
pub(super) struct Credentials {
    #[serde(default)]
    name: String,
    #[serde(default)]
    password: String,
    /// Of the second factor, where the account has one.
    #[serde(default)]
    code: String,
}

/// What the address of the form says: the name, for a phone that has read a code of the page.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Known {
    name: String,
}

/// What a link holds.
#[derive(serde::Deserialize)]
pub(super) struct Key {
    #[serde(default)]
    key: String,
}

fn form(staff: bool, name: String, fault: Option<&'static str>) -> Result<Html<String>, Fault> {
    Ok(Html(SignIn { frame: Frame::default(), staff, name, fault }.render()?))
}

/// `/sign-in`: the form for customers.
pub(super) async fn customer_form(Query(known): Query<Known>) -> Result<Html<String>, Fault> {
    form(false, known.name, None)
}

/// `/sign-in/staff`: the form for those who work for the shop.
pub(super) async fn staff_form() -> Result<Html<String>, Fault> {
    form(true, String::new(), None)
}

/// Signs a customer in with their upload account.
pub(super) async fn customer(
    State(context): State<Arc<WebContext>>,
    Extension(door): Extension<Door>,
    Extension(Client(client)): Extension<Client>,
    headers: HeaderMap,
    Form(given): Form<Credentials>,
) -> Result<Response, Fault> {
    match context.logins.password(given.name.as_bytes(), given.password.as_bytes(), client).await {
        Ok(login) => welcome(&context, &door, &headers, SessionOf::Customer(login.customer)).await,
        Err(refused) => refuse(false, given.name, &refused),
    }
}

/// Signs somebody in who works for the shop.
pub(super) async fn staff(
    State(context): State<Arc<WebContext>>,
    Extension(door): Extension<Door>,
    Extension(Client(client)): Extension<Client>,
    headers: HeaderMap,
    Form(given): Form<Credentials>,
) -> Result<Response, Fault> {
    match context.logins.staff(given.name.as_bytes(), given.password.as_bytes(), &given.code, client).await {
        Ok(login) => welcome(&context, &door, &headers, SessionOf::User(login.user)).await,
        Err(refused) => refuse(true, given.name, &refused),
    }
}

/// `/link`: what stands behind a link, until a person presses the button.
pub(super) async fn link_form(Query(given): Query<Key>) -> Result<Html<String>, Fault> {
    Ok(Html(Link { frame: Frame::default(), key: given.key, fault: false }.render()?))
}

/// Uses a link up and signs its customer in.
pub(super) async fn link(
    State(context): State<Arc<WebContext>>,
    Extension(door): Extension<Door>,
    headers: HeaderMap,
    Form(given): Form<Key>,
) -> Result<Response, Fault> {
    let hash = Digest::of(given.key.as_bytes());
    match write(&context, move |tx| tx.link_use(&hash, Micros::now())).await? {
        Some(customer) => welcome(&context, &door, &headers, SessionOf::Customer(customer)).await,
        None => {
            let page = Link { frame: Frame::default(), key: String::new(), fault: true }.render()?;
            Ok((StatusCode::FORBIDDEN, Html(page)).into_response())
        }
    }
}

/// Ends the session.
pub(super) async fn sign_out(
    State(context): State<Arc<WebContext>>,
    Extension(door): Extension<Door>,
    headers: HeaderMap,
) -> Result<Response, Fault> {
    let cookie = visitor::end(&context, &door, &headers).await?;
    Ok(go("/sign-in", cookie))
}

async fn welcome(
    context: &Arc<WebContext>,
    door: &Door,
    headers: &HeaderMap,
    of: SessionOf,
) -> Result<Response, Fault> {
    Ok(go("/", visitor::begin(context, door, headers, of).await?))
}

fn go(to: &'static str, cookie: HeaderValue) -> Response {
    let headers = [(LOCATION, HeaderValue::from_static(to)), (SET_COOKIE, cookie)];
    (StatusCode::SEE_OTHER, headers).into_response()
}

fn refuse(staff: bool, name: String, refused: &Refused) -> Result<Response, Fault> {
    let (status, fault) = match refused {
        Refused::Wrong if staff => (StatusCode::FORBIDDEN, "The name, the password or the code is wrong."),
        Refused::Wrong => (StatusCode::FORBIDDEN, "The name or the password is wrong."),
        Refused::Banned => (StatusCode::TOO_MANY_REQUESTS, "Too many failed attempts. Try again in some minutes."),
        Refused::Busy => (StatusCode::SERVICE_UNAVAILABLE, "Too many people sign in right now. Try again in a minute."),
        Refused::Catalogue(error) => {
            tracing::error!("a sign-in could not be checked: {error}");
            (StatusCode::SERVICE_UNAVAILABLE, "Accounts cannot be looked up right now. Try again in a minute.")
        }
    };
    Ok((status, form(staff, name, Some(fault))?).into_response())
}
