//! Customers in numbers, counted once for each state of the catalogue.
//!
//! Counting goes through all records of a customer; a page of theirs shows a few. So the numbers are kept until the catalogue
//! says that something was committed, and a page costs the same with 500 records and with 50,000.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::WebContext;
use super::pages::{Fault, read};
use crate::catalogue::CustomerCounts;
use crate::domain::CustomerId;

/// Customers whose numbers are kept at most.
const KEPT_MAX: usize = 10_000;

/// The numbers of customers, each with the version of the catalogue that they were counted in.
#[derive(Default)]
pub struct Counts(Mutex<HashMap<CustomerId, (i64, CustomerCounts)>>);

/// A customer in numbers; nothing if there is no such customer.
pub(super) async fn counts(context: &Arc<WebContext>, id: CustomerId) -> Result<Option<CustomerCounts>, Fault> {
    let version = version(context).await?;
    {
        let kept = context.counts.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, counts)) = kept.get(&id).filter(|(counted, _)| *counted == version) {
            return Ok(Some(counts.clone()));
        }
    }
    // Counted after the version was asked for: what is committed in between has another version, and is counted again.
    let Some(counts) = read(context, move |tx| tx.page_customer(id)).await? else { return Ok(None) };
    let mut kept = context.counts.0.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() >= KEPT_MAX {
        kept.clear();
    }
    kept.insert(id, (version, counts.clone()));
    Ok(Some(counts))
}

/// A number that is another one after each commit.
pub(super) async fn version(context: &Arc<WebContext>) -> Result<i64, Fault> {
    let context = Arc::clone(context);
    Ok(tokio::task::spawn_blocking(move || context.catalogue.data_version()).await??)
}
