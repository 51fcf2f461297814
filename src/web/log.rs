//! `/log`: everything that happened, whoever did it; for those who work for the shop.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, Query, State};
use axum::response::Html;

use super::WebContext;
use super::desk::actor;
use super::pages::{Fault, read};
use super::text::{in_short, minute, query, sentence};
use super::visitor::{Frame, Visitor};
use crate::catalogue::LoggedEvent;
use crate::domain::Zone;
use crate::tree::shown;

/// Lines that one page shows.
const LINES: i64 = 100;

/// Which lines are asked for.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    who: String,
    customer: String,
    behind: String,
}

#[derive(Template)]
#[template(path = "log.html", config = "src/web/askama.toml")]
struct Page {
    frame: Frame,
    asked: Asked,
    lines: Vec<Line>,
    next: Option<String>,
}

struct Line {
    at: String,
    who: String,
    text: String,
    customer: Option<(i64, String)>,
    record: Option<(i64, String)>,
    upload: Option<(i64, String)>,
}

/// `/log`, the last first.
pub(super) async fn page(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Fault> {
    let no_place = |_| Fault::Asked("There is no such place in this list; begin at its first page.");
    let before = if asked.behind.is_empty() { i64::MAX } else { asked.behind.parse().map_err(no_place)? };
    let text = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let (who, customer) = (text(&asked.who), text(&asked.customer));
    let rows = read(&context, move |tx| tx.page_events(who.as_deref(), customer.as_deref(), before, LINES + 1)).await?;
    let shown = usize::try_from(LINES).unwrap_or(usize::MAX);
    let next = rows.get(shown).and(rows.get(shown - 1)).map(|last| {
        let behind = last.id.to_string();
        let all = [("who", asked.who.as_str()), ("customer", asked.customer.as_str()), ("behind", behind.as_str())];
        query(all.into_iter().filter(|(_, value)| !value.is_empty()))
    });
    let lines = rows.iter().take(shown).map(|event| line(event, &context.zone)).collect();
    Ok(Html(Page { frame: Frame::of(&visitor), asked, lines, next }.render()?))
}

fn line(event: &LoggedEvent, zone: &Zone) -> Line {
    let named = |name: &str| shown(name.as_bytes());
    Line {
        at: minute(event.at, zone),
        who: actor(&event.who),
        text: sentence(&in_short(&named(&event.text))),
        customer: event.customer.as_ref().map(|(id, name)| (id.0, named(name))),
        record: event.record.as_ref().map(|(id, name)| (id.0, named(name))),
        upload: event.upload.as_ref().map(|(id, path)| (id.0, shown(path))),
    }
}
