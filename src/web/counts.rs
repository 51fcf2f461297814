//! Customers in numbers, and how long lists are, counted once for each state of the catalogue.
//!
//! Counting goes through all there is; a page shows a few. So the numbers are kept until the catalogue says that something was
//! committed, and a page costs the same with 500 records and with 50,000.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::WebContext;
use super::pages::{Fault, read};
use crate::catalogue::{self, CustomerCounts, Tx};
use crate::domain::CustomerId;

/// Customers whose numbers are kept at most.
const KEPT_MAX: usize = 10_000;

/// Lists whose lengths are kept at most; each combination of filters is one.
const TOTALS_MAX: usize = 1_000;

/// What was counted, each with the version of the catalogue that it was counted in.
#[derive(Default)]
pub struct Counts {
    customers: Mutex<HashMap<CustomerId, (i64, CustomerCounts)>>,
    /// All customers, as they were counted together.
    all: Mutex<Option<(i64, Arc<Vec<CustomerCounts>>)>>,
    /// Lengths of lists, by what is asked for.
    totals: Mutex<HashMap<String, (i64, i64)>>,
}

/// A customer in numbers; nothing if there is no such customer.
pub(super) async fn counts(context: &Arc<WebContext>, id: CustomerId) -> Result<Option<CustomerCounts>, Fault> {
    let version = version(context).await?;
    {
        let kept = context.counts.customers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, counts)) = kept.get(&id).filter(|(counted, _)| *counted == version) {
            return Ok(Some(counts.clone()));
        }
    }
    // Counted after the version was asked for: what is committed in between has another version, and is counted again.
    let Some(counts) = read(context, move |tx| tx.page_customer(id)).await? else { return Ok(None) };
    let mut kept = context.counts.customers.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() >= KEPT_MAX {
        kept.clear();
    }
    kept.insert(id, (version, counts.clone()));
    Ok(Some(counts))
}

/// All customers in numbers, by the bytes of their names.
pub(super) async fn all_counts(context: &Arc<WebContext>) -> Result<Arc<Vec<CustomerCounts>>, Fault> {
    let version = version(context).await?;
    {
        let kept = context.counts.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, all)) = kept.as_ref().filter(|(counted, _)| *counted == version) {
            return Ok(Arc::clone(all));
        }
    }
    let all = Arc::new(read(context, |tx| tx.page_customers()).await?);
    *context.counts.all.lock().unwrap_or_else(PoisonError::into_inner) = Some((version, Arc::clone(&all)));
    Ok(all)
}

/// How long a list is; `what` names it, with all that is asked of it.
pub(super) async fn total(
    context: &Arc<WebContext>,
    what: String,
    count: impl FnOnce(&Tx<'_>) -> Result<i64, catalogue::Error> + Send + 'static,
) -> Result<i64, Fault> {
    let version = version(context).await?;
    {
        let kept = context.counts.totals.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, total)) = kept.get(&what).filter(|(counted, _)| *counted == version) {
            return Ok(*total);
        }
    }
    let total = read(context, count).await?;
    let mut kept = context.counts.totals.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.len() >= TOTALS_MAX {
        kept.clear();
    }
    kept.insert(what, (version, total));
    Ok(total)
}

/// A number that is another one after each commit.
pub(super) async fn version(context: &Arc<WebContext>) -> Result<i64, Fault> {
    let context = Arc::clone(context);
    Ok(tokio::task::spawn_blocking(move || context.catalogue.data_version()).await??)
}
