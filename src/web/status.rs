//! `/status`: how the server is, for those who run it, with what was wrong before; and the same as a feed.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse, Response};

use super::WebContext;
use super::pages::{Fault, read};
use super::text::{counted, number, size};
use super::visitor::{Frame, Visitor};
use crate::catalogue::{Incident, Webhook};
use crate::condition::Trouble;
use crate::domain::Micros;
use crate::report::text::{duration, moment, visible};

/// Incidents that one page shows, and that the feed has.
const PAGE: i64 = 50;

#[derive(Template)]
#[template(path = "status.html", config = "src/web/askama.toml")]
struct Page {
    frame: Frame,
    troubles: Vec<String>,
    facts: Vec<(&'static str, String)>,
    webhooks: Vec<ShownWebhook>,
    incidents: Vec<Shown>,
    first: bool,
    next: Option<i64>,
}

/// A time that something was wrong.
struct Shown {
    id: i64,
    what: &'static str,
    sentence: String,
    began: String,
    ended: Option<String>,
    lasted: String,
}

struct ShownWebhook {
    name: String,
    says: String,
    error: Option<String>,
}

/// Where in the history a page begins.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    before: Option<i64>,
}

/// `/status`.
pub(super) async fn page(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Fault> {
    let looked = Arc::clone(&context);
    let (troubles, machine) =
        tokio::task::spawn_blocking(move || (looked.condition.troubles(), looked.condition.machine())).await?;
    let before = asked.before.unwrap_or(i64::MAX);
    let found = read(&context, move |tx| {
        Ok((tx.undecided(None)?, tx.oldest_undecided()?, tx.webhooks()?, tx.incidents(before, PAGE + 1)?))
    });
    let (undecided, oldest, webhooks, incidents) = found.await?;
    let now = Micros::now();
    let machine = machine?;
    let waits = oldest.map_or_else(
        || "nothing".to_owned(),
        |oldest| {
            let age = duration((now.0 - oldest.0) / 1_000_000);
            format!("{}, the oldest for {age}", counted(undecided.uploads as i64, "file", "files"))
        },
    );
    let is_there = |away: Trouble| if troubles.contains(&away) { "away" } else { "there" }.to_owned();
    let facts = vec![
        ("To be decided", waits),
        ("Under a temporary name", number(undecided.held as i64)),
        ("Free on the disk", format!("{} of {}", size(machine.free as i64), size(machine.total as i64))),
        ("Must stay free", size(machine.min_free as i64)),
        ("Store of received files", is_there(Trouble::BlobsAway)),
        ("Store of originals", is_there(Trouble::OriginalsAway)),
        // Nothing here makes backups yet, and a page that said nothing would let people believe that something does.
        (
            "Last backup drill",
            "none: there is no backup command yet. Copy the data folder, and try the copy".to_owned(),
        ),
        ("Listening", endpoints(&context.endpoints)),
        ("Connections of FTP and SFTP", number(machine.connections as i64)),
        ("Processes that read pictures", number(machine.children as i64)),
        ("Of these, replaced since the start", number(machine.deaths as i64)),
    ];
    let shown = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let next = incidents.get(shown).and(incidents.get(shown - 1)).map(|last| last.id);
    let page = Page {
        frame: Frame::of(&visitor),
        troubles: troubles.iter().map(|trouble| sentence(*trouble)).collect(),
        facts,
        webhooks: webhooks.into_iter().map(show_webhook).collect(),
        incidents: incidents.iter().take(shown).map(|incident| show(incident, now)).collect(),
        first: asked.before.is_none(),
        next,
    };
    Ok(Html(page.render()?))
}

/// What listens where, in words.
fn endpoints(listening: &[(&str, String)]) -> String {
    let word = |kind: &str| match kind {
        "ftp" => "FTP",
        "ftps" => "FTP inside TLS",
        "sftp" => "SFTP and scp",
        _ => "pages",
    };
    let open = listening.iter().filter(|(_, addresses)| !addresses.is_empty());
    let told: Vec<String> = open.map(|(kind, at)| format!("{} at {}", word(kind), at.replace(',', " and "))).collect();
    told.join("; ")
}

/// What a trouble means, as a page says it.
fn sentence(trouble: Trouble) -> String {
    let mut text = trouble.sentence().to_owned();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text + "."
}

fn show(incident: &Incident, now: Micros) -> Shown {
    // A kind that this program does not know was written by another version of it.
    let trouble = Trouble::ALL.into_iter().find(|trouble| trouble.word() == incident.kind);
    Shown {
        id: incident.id,
        what: trouble.map_or("Something was wrong", Trouble::title),
        sentence: trouble.map(sentence).unwrap_or_default(),
        began: moment(incident.began_at),
        ended: incident.ended_at.map(moment),
        lasted: duration((incident.ended_at.unwrap_or(now).0 - incident.began_at.0) / 1_000_000),
    }
}

fn show_webhook(webhook: Webhook) -> ShownWebhook {
    let since = webhook.waiting_since.map(|at| format!(" since {}", moment(at))).unwrap_or_default();
    ShownWebhook {
        name: visible(webhook.name.as_bytes()),
        says: format!("{} delivered, {} waiting{since}", number(webhook.delivered), number(webhook.waiting)),
        error: webhook.last_error.map(|error| visible(error.as_bytes())),
    }
}

/// Something that happened, as the feed tells it.
struct Entry {
    id: String,
    title: String,
    at: String,
    text: String,
}

#[derive(Template)]
#[template(path = "feed.xml", config = "src/web/askama.toml")]
struct Feed {
    address: String,
    updated: String,
    entries: Vec<Entry>,
}

/// `/status/feed.atom`: each time that something went wrong, and each recovery, newest first.
pub(super) async fn feed(State(context): State<Arc<WebContext>>) -> Result<Response, Fault> {
    let incidents = read(&context, |tx| tx.incidents(i64::MAX, PAGE)).await?;
    let now = Micros::now();
    let mut told: Vec<(Micros, Entry)> = Vec::new();
    for incident in &incidents {
        let shown = show(incident, now);
        let entry = |event: &str, title: String, at: Micros, text: String| {
            (at, Entry { id: format!("urn:reunite:incident:{}:{event}", incident.id), title, at: moment(at), text })
        };
        told.push(entry("began", shown.what.to_owned(), incident.began_at, shown.sentence.clone()));
        if let Some(ended) = incident.ended_at {
            let text = format!("It is over after {}.", shown.lasted);
            told.push(entry("ended", format!("Over: {}", shown.what), ended, text));
        }
    }
    told.sort_by(|(a, _), (b, _)| b.cmp(a));
    let feed = Feed {
        address: context.address.clone(),
        updated: told.first().map_or_else(|| moment(Micros(0)), |(_, entry)| entry.at.clone()),
        entries: told.into_iter().map(|(_, entry)| entry).collect(),
    };
    Ok(([(CONTENT_TYPE, "application/atom+xml; charset=utf-8")], feed.render()?).into_response())
}
