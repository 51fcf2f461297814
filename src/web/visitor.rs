//! Who looks at a page: sessions, the cookies that stand for them, and the mark that a page's forms carry.
//!
//! A cookie holds 256 random bits; the catalogue keeps their digest. Each sign-in makes a new one and ends the one that was
//! brought. The forms' mark is made from the cookie's secret, so nothing more has to be kept, and who cannot read the
//! cookie cannot make it.

use std::sync::Arc;

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

use super::WebContext;
use super::pages::{Fault, read, write};
use crate::catalogue::{Session, SessionOf};
use crate::domain::{CustomerId, Digest, Micros, StaffRole};

/// How long customers stay signed in, and how long those who work for the shop do.
const CUSTOMER_SECONDS: i64 = 7 * 24 * 3600;
const STAFF_SECONDS: i64 = 12 * 3600;

/// A name under which the server may be asked for.
#[derive(Clone, Debug)]
pub(super) struct Door {
    /// Host and port, as browsers write them.
    pub(super) host: String,
    /// Whether what goes through it is inside TLS on its whole way.
    pub(super) secure: bool,
    /// Whether the token that the server printed opens it.
    pub(super) takes_token: bool,
    cookie: String,
}

impl Door {
    /// For this machine alone. Browsers share cookies between the ports of a host, so each port has its own.
    pub(super) fn on_this_machine(host: String, port: u16, tls: bool) -> Self {
        // A name that begins with `__Host-` is one that browsers take from this very host only, and inside TLS only.
        let prefix = if tls { "__Host-" } else { "" };
        Door { host, secure: tls, takes_token: true, cookie: format!("{prefix}reunite-{port}") }
    }

    /// For the address at which people find the pages.
    pub(super) fn public(host: String) -> Self {
        Door { host, secure: true, takes_token: false, cookie: "__Host-reunite".to_owned() }
    }

    /// What browsers call the pages behind it.
    pub(super) fn origin(&self) -> String {
        format!("{}://{}", if self.secure { "https" } else { "http" }, self.host)
    }

    /// The cookie with this secret, for `seconds`.
    fn set(&self, secret: &str, seconds: i64) -> HeaderValue {
        let secure = if self.secure { "; Secure" } else { "" };
        let text = format!("{}={secret}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}", self.cookie);
        // Names and secrets are letters of ours; a value that is none would be a fault, and an empty cookie opens nothing.
        HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
    }

    /// The cookie's secret, if a request brings it.
    fn secret<'h>(&self, headers: &'h HeaderMap) -> Option<&'h [u8]> {
        let mut cookies = headers.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
        cookies.find_map(|cookie| {
            cookie.trim_ascii().strip_prefix(self.cookie.as_bytes()).and_then(|rest| rest.strip_prefix(b"="))
        })
    }
}

/// Somebody who has signed in.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    session: Session,
    /// What the forms on their pages carry.
    pub(super) mark: String,
}

impl Visitor {
    /// Whoever the request's cookie stands for.
    pub(super) async fn of(context: &Arc<WebContext>, door: &Door, headers: &HeaderMap) -> Result<Option<Self>, Fault> {
        let Some(secret) = door.secret(headers) else { return Ok(None) };
        let (hash, mark) = (Digest::of(secret), mark(secret));
        let session = read(context, move |tx| tx.session(&hash, Micros::now())).await?;
        Ok(session.map(|session| Visitor { session, mark }))
    }

    /// The customer, if they are one.
    pub(super) fn customer(&self) -> Option<CustomerId> {
        match self.session.of {
            SessionOf::Customer(customer) => Some(customer),
            SessionOf::User(_) | SessionOf::Token => None,
        }
    }

    /// Whether they work for the shop.
    pub(super) fn is_staff(&self) -> bool {
        self.session.role.is_some()
    }

    /// Whether they run the server.
    pub(super) fn is_operator(&self) -> bool {
        self.session.role == Some(StaffRole::Operator)
    }

    /// Whether what belongs to `customer` is theirs to see.
    pub(super) fn may_see(&self, customer: CustomerId) -> bool {
        self.is_staff() || self.customer() == Some(customer)
    }

    /// What they are called.
    pub(super) fn name(&self) -> String {
        match self.session.of {
            SessionOf::Token => "operator on this machine".to_owned(),
            _ => crate::tree::shown(self.session.name.as_bytes()),
        }
    }
}

/// What stands around every page: who has signed in, and what the form for signing out carries.
#[derive(Default)]
pub(super) struct Frame {
    pub(super) signed_in: bool,
    pub(super) staff: bool,
    pub(super) operator: bool,
    pub(super) name: String,
    pub(super) mark: String,
}

impl Frame {
    pub(super) fn of(visitor: &Visitor) -> Self {
        Frame {
            signed_in: true,
            staff: visitor.is_staff(),
            operator: visitor.is_operator(),
            name: visitor.name(),
            mark: visitor.mark.clone(),
        }
    }
}

/// The mark of the forms on the pages of whoever holds this secret.
fn mark(secret: &[u8]) -> String {
    Digest::of(&[b"form ", secret].concat()).to_string()
}

/// Begins a session and returns its cookie. The session that the request brought ends.
pub(super) async fn begin(
    context: &Arc<WebContext>,
    door: &Door,
    headers: &HeaderMap,
    of: SessionOf,
) -> Result<HeaderValue, Fault> {
    let secret = super::new_token()?;
    let seconds = if matches!(of, SessionOf::Customer(_)) { CUSTOMER_SECONDS } else { STAFF_SECONDS };
    let (hash, before, now) = (Digest::of(secret.as_bytes()), door.secret(headers).map(Digest::of), Micros::now());
    write(context, move |tx| {
        if let Some(before) = before {
            tx.session_end(&before)?;
        }
        tx.session_begin(&hash, of, now, now.plus_seconds(seconds))
    })
    .await?;
    Ok(door.set(&secret, seconds))
}

/// Ends the session that the request brought; returns what makes the browser forget it.
pub(super) async fn end(context: &Arc<WebContext>, door: &Door, headers: &HeaderMap) -> Result<HeaderValue, Fault> {
    if let Some(before) = door.secret(headers).map(Digest::of) {
        write(context, move |tx| tx.session_end(&before)).await?;
    }
    Ok(door.set("", 0))
}
