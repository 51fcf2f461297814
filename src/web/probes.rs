//! What programs ask that watch over the server: whether it lives, whether it can receive, and its numbers.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::WebContext;
use super::events::Stopping;
use super::gate::plain;
use super::pages::Fault;
use crate::condition::Trouble;

/// What is answered under whatever name the server is asked for: balancers and orchestrators know addresses only, and nothing
/// of anybody's stands in it.
pub(super) const PROBES: [&str; 2] = ["/healthz", "/readyz"];

/// `/healthz`: the process answers.
pub(super) async fn healthz() -> Response {
    *plain(StatusCode::OK, "ok")
}

/// `/readyz`: whether files can be received. What keeps the server from other work is said beside it.
pub(super) async fn readyz(
    State(context): State<Arc<WebContext>>,
    Extension(Stopping(stopping)): Extension<Stopping>,
) -> Result<Response, Fault> {
    let troubles = tokio::task::spawn_blocking(move || context.condition.troubles()).await?;
    let mut said: Vec<&str> = troubles.iter().map(|trouble| trouble.sentence()).collect();
    let stopping = *stopping.borrow();
    if stopping {
        said.insert(0, "the server is stopping");
    }
    let ready = !stopping && troubles.iter().all(|trouble: &Trouble| trouble.lets_receive());
    said.insert(0, if ready { "ready" } else { "not ready" });
    Ok(*plain(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &said.join("\n")))
}

/// `/metrics`: the numbers, as Prometheus reads them.
pub(super) async fn metrics(State(context): State<Arc<WebContext>>) -> Result<Response, Fault> {
    let text = tokio::task::spawn_blocking(move || context.condition.metrics()).await??;
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}
