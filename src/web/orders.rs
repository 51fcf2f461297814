//! `/orders`: which of the shop's orders still miss an original, and which are complete again; for those who work for the shop.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Extension, Query, State};
use axum::response::Html;

use super::WebContext;
use super::counts::total;
use super::pages::{Fault, read};
use super::text::{number, query};
use super::visitor::{Frame, Visitor};
use crate::catalogue::OrderFilter;
use crate::report::{Order, one_order};
use crate::tree::shown;

/// Orders that one page shows.
const ROWS: usize = 200;

/// Missing records of an order that a page names.
const NAMED_MAX: usize = 5;

/// Which orders are asked for.
#[derive(Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    words: String,
    state: String,
    /// The order that the page begins behind.
    behind: String,
}

impl Asked {
    fn filter(&self) -> OrderFilter {
        let some = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
        OrderFilter { words: some(&self.words), state: some(&self.state) }
    }

    fn query(&self, behind: &str) -> String {
        let all = [("words", self.words.as_str()), ("state", &self.state), ("behind", behind)];
        query(all.into_iter().filter(|(_, value)| !value.is_empty()))
    }
}

#[derive(Template)]
#[template(path = "orders.html", config = "src/web/askama.toml")]
struct Page {
    frame: Frame,
    asked: Asked,
    total: String,
    any: bool,
    orders: Vec<Shown>,
    next: Option<String>,
}

struct Shown {
    name: String,
    customers: Vec<(String, i64)>,
    state: &'static str,
    class: &'static str,
    records: String,
    recovered: String,
    missing: Vec<(String, i64)>,
    more: String,
}

/// `/orders`.
pub(super) async fn page(
    State(context): State<Arc<WebContext>>,
    Extension(visitor): Extension<Visitor>,
    Query(asked): Query<Asked>,
) -> Result<Html<String>, Fault> {
    let (filter, behind) = (asked.filter(), asked.behind.clone());
    let counted = filter.clone();
    let total = total(&context, format!("orders {filter:?}"), move |tx| tx.count_orders(&counted)).await?;
    let found = read(&context, move |tx| {
        // One more than is shown tells whether there is another page.
        let names = tx.page_orders(&filter, &behind, ROWS as i64 + 1)?;
        let mut orders = Vec::new();
        for name in names.iter().take(ROWS) {
            orders.extend(one_order(tx, name)?);
        }
        let any = !names.is_empty() || !tx.page_orders(&OrderFilter::default(), "", 1)?.is_empty();
        Ok((orders, names.get(ROWS).and(names.get(ROWS - 1)).cloned(), any))
    });
    let (orders, last, any) = found.await?;
    let next = last.map(|last| asked.query(&last));
    let page = Page {
        frame: Frame::of(&visitor),
        total: number(total),
        any,
        orders: orders.iter().map(show).collect(),
        next,
        asked,
    };
    Ok(Html(page.render()?))
}

fn show(order: &Order) -> Shown {
    let (state, class) = match order.state() {
        "complete" => ("complete again", "whole"),
        "given_up" => ("removed in part", "zero"),
        _ => ("misses originals", "asked"),
    };
    let more = order.missing.len().saturating_sub(NAMED_MAX);
    Shown {
        name: shown(order.name.as_bytes()),
        customers: order.customers.iter().map(|(name, id)| (shown(name.as_bytes()), *id)).collect(),
        state,
        class,
        records: number(order.records as i64),
        recovered: number(order.recovered as i64),
        missing: order.missing.iter().take(NAMED_MAX).map(|(name, id)| (shown(name.as_bytes()), *id)).collect(),
        more: if more > 0 { format!("and {} more", number(more as i64)) } else { String::new() },
    }
}
