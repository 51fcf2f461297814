//! Live numbers: tells an open page of a customer that something of theirs has changed, so that it asks again.
//!
//! Nothing of the customer's goes over this line but that. It ends after a minute, and the browser opens it again, which
//! asks anew whether the visitor may see the page.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::WebContext;
use super::counts::{counts, version};
use super::pages::Fault;
use crate::catalogue::CustomerCounts;
use crate::domain::CustomerId;

/// How often it is looked whether the catalogue has changed.
const LOOK: Duration = Duration::from_millis(500);

/// How long one line lasts.
const LINE_MAX: Duration = Duration::from_secs(60);

/// True once the server stops.
#[derive(Clone)]
pub(super) struct Stopping(pub(super) watch::Receiver<bool>);

struct Line {
    context: Arc<WebContext>,
    id: CustomerId,
    stopping: watch::Receiver<bool>,
    ends: Instant,
    version: i64,
    counts: CustomerCounts,
}

/// `/customers/{id}/events`: an event whenever the customer's numbers are others than before.
pub(super) async fn events(
    State(context): State<Arc<WebContext>>,
    Extension(Stopping(stopping)): Extension<Stopping>,
    Path(id): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Fault> {
    let id = CustomerId(id.parse().map_err(|_| Fault::NoPage)?);
    // The version first: what changes in between is then seen as a change.
    let version = version(&context).await?;
    let counts = counts(&context, id).await?.ok_or(Fault::NoPage)?;
    let line = Line { context, id, stopping, ends: Instant::now() + LINE_MAX, version, counts };
    let changes = stream::unfold(line, |mut line| async move {
        let said = match line.change().await {
            Ok(true) => Event::default().event("change").data("numbers"),
            Ok(false) => return None,
            Err(fault) => {
                tracing::warn!("a page could not be kept up to date: {fault}");
                return None;
            }
        };
        Some((Ok(said), line))
    });
    Ok(Sse::new(changes).keep_alive(KeepAlive::default()))
}

impl Line {
    /// Waits until the numbers are others; false when the line has lasted long enough, or the server stops.
    async fn change(&mut self) -> Result<bool, Fault> {
        loop {
            tokio::select! {
                () = sleep(LOOK) => {}
                _ = self.stopping.wait_for(|stopping| *stopping) => return Ok(false),
            }
            if Instant::now() >= self.ends {
                return Ok(false);
            }
            let version = version(&self.context).await?;
            if version == self.version {
                continue;
            }
            self.version = version;
            let Some(counts) = counts(&self.context, self.id).await? else { return Ok(false) };
            if counts != self.counts {
                self.counts = counts;
                return Ok(true);
            }
        }
    }
}
