//! What programs read: customers, records, matches and uploads.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use utoipa::{IntoParams, IntoResponses, ToSchema};

use super::fault::{Fault, Problem};
use super::shapes::{Customer, Listed, Match, Record, RecordWithHistory, Upload};
use super::{Asked, CustomerPaging, Paging, place};
use crate::catalogue::{self, Page, Records, Tx};
use crate::domain::{Micros, RecordState};
use crate::web::WebContext;
use crate::web::pages::read;

type Answer<T> = Result<Json<T>, Fault>;

/// Why a list is not given out.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it only describes")]
enum NoList {
    /// The query cannot be used
    #[response(status = 400)]
    Query(Problem),
    /// No token that counts
    #[response(status = 401)]
    Token(Problem),
    /// The token lacks the scope `read`
    #[response(status = 403)]
    Scope(Problem),
    /// No such customer
    #[response(status = 404)]
    Customer(Problem),
}

/// One page of a list: `rows` reads it, `id` says what the next page begins behind, `shape` how a row reads.
async fn page<R: Send + 'static, T>(
    context: &Arc<WebContext>,
    asked: CustomerPaging,
    rows: impl FnOnce(&Tx<'_>, &Page) -> Result<Vec<R>, catalogue::Error> + Send + 'static,
    id: impl Fn(&R) -> i64,
    shape: impl Fn(R) -> T,
) -> Answer<Listed<T>> {
    let (after, limit) = place(asked.after, asked.limit)?;
    let found = read(context, move |tx| {
        let customer = match &asked.customer {
            None => None,
            Some(name) => match tx.customer_named(name)? {
                None => return Ok(None),
                Some(customer) => Some(customer.id),
            },
        };
        // One more than is shown tells whether there is another page.
        Ok(Some(rows(tx, &Page { customer, after, limit: limit + 1 })?))
    });
    let rows = found.await?.ok_or_else(|| Fault::absent("there is no customer of that name"))?;
    Ok(Json(Listed::of(rows, limit, id, shape)))
}

/// Customers in numbers.
#[utoipa::path(get, path = "/api/v1/customers", tag = "read", params(Paging), security(("token" = [])), responses(
    (status = 200, description = "A page of customers", body = Listed<Customer>),
    (status = 400, description = "The query cannot be used", body = Problem),
    (status = 401, description = "No token that counts", body = Problem),
    (status = 403, description = "The token lacks the scope `read`", body = Problem),
))]
pub(in crate::web) async fn customers(
    State(context): State<Arc<WebContext>>,
    Asked(asked): Asked<Paging>,
) -> Answer<Listed<Customer>> {
    let (after, limit) = place(asked.after, asked.limit)?;
    let rows = read(&context, move |tx| tx.list_customers(after, limit + 1)).await?;
    Ok(Json(Listed::of(rows, limit, |row| row.id, Customer::from)))
}

/// One customer in numbers.
#[utoipa::path(get, path = "/api/v1/customers/{customer}", tag = "read", security(("token" = [])), params(
    ("customer" = String, Path, description = "The customer's name"),
), responses(
    (status = 200, description = "The customer", body = Customer),
    (status = 400, description = "The address cannot be read", body = Problem),
    (status = 401, description = "No token that counts", body = Problem),
    (status = 403, description = "The token lacks the scope `read`", body = Problem),
    (status = 404, description = "No such customer", body = Problem),
))]
pub(in crate::web) async fn customer(
    State(context): State<Arc<WebContext>>,
    Path(name): Path<String>,
) -> Answer<Customer> {
    let found = read(&context, move |tx| match tx.customer_named(&name)? {
        Some(customer) => tx.page_customer(customer.id),
        None => Ok(None),
    });
    let counts = found.await?.ok_or_else(|| Fault::absent("there is no customer of that name"))?;
    Ok(Json(counts.into()))
}

/// Which records are asked for.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::web) enum InState {
    Missing,
    Recovered,
    Retired,
}

/// Which page of the records is asked for.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::web) struct RecordsAsked {
    /// Only what belongs to the customer of this name.
    customer: Option<String>,
    /// Only those in this state.
    #[param(inline)]
    state: Option<InState>,
    /// What the last page gave as `next`; without it the list begins.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// Rows at most; 100 unless given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
}

/// Records with what became of them.
#[utoipa::path(get, path = "/api/v1/records", tag = "read", params(RecordsAsked), security(("token" = [])), responses(
    (status = 200, description = "A page of records", body = Listed<Record>),
    NoList,
))]
pub(in crate::web) async fn records(
    State(context): State<Arc<WebContext>>,
    Asked(asked): Asked<RecordsAsked>,
) -> Answer<Listed<Record>> {
    let which = match asked.state {
        None => Records::All,
        Some(InState::Missing) => Records::In(RecordState::Missing),
        Some(InState::Recovered) => Records::In(RecordState::Recovered),
        Some(InState::Retired) => Records::In(RecordState::Retired),
    };
    let asked = CustomerPaging { customer: asked.customer, after: asked.after, limit: asked.limit };
    page(&context, asked, move |tx, page| tx.list_records(page, which), |row| row.id.0, Record::from).await
}

/// One record with its history.
#[utoipa::path(get, path = "/api/v1/records/{record}", tag = "read", security(("token" = [])), params(
    ("record" = String, Path, description = "The shop's own identifier"),
), responses(
    (status = 200, description = "The record", body = RecordWithHistory),
    (status = 400, description = "The address cannot be read", body = Problem),
    (status = 401, description = "No token that counts", body = Problem),
    (status = 403, description = "The token lacks the scope `read`", body = Problem),
    (status = 404, description = "No such record", body = Problem),
))]
pub(in crate::web) async fn record(
    State(context): State<Arc<WebContext>>,
    Path(name): Path<String>,
) -> Answer<RecordWithHistory> {
    let found = read(&context, move |tx| {
        let Some(record) = tx.listed_record(&name)? else { return Ok(None) };
        let history = tx.history_of(record.id)?;
        Ok(Some((record, history)))
    });
    let (record, history) = found.await?.ok_or_else(|| Fault::absent("there is no record of that name"))?;
    Ok(Json(RecordWithHistory::of(record, history)))
}

/// Records whose original is still wanted: nothing came back, or only a copy.
#[utoipa::path(get, path = "/api/v1/missing", tag = "read", params(CustomerPaging), security(("token" = [])), responses(
    (status = 200, description = "A page of records", body = Listed<Record>),
    NoList,
))]
pub(in crate::web) async fn missing(
    State(context): State<Arc<WebContext>>,
    Asked(asked): Asked<CustomerPaging>,
) -> Answer<Listed<Record>> {
    page(&context, asked, |tx, page| tx.list_records(page, Records::Wanted), |row| row.id.0, Record::from).await
}

/// What was decided of a picture.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::web) enum Verdict {
    #[default]
    Attach,
    Review,
}

/// Which page of the matches is asked for.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(in crate::web) struct MatchesAsked {
    /// Only what belongs to the customer of this name.
    customer: Option<String>,
    /// `attach`, unless given: what stands. `review`: what a person is asked about.
    #[param(inline)]
    verdict: Option<Verdict>,
    /// What the last page gave as `next`; without it the list begins.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// Rows at most; 100 unless given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
}

/// What stands on records, or what a person is asked about.
#[utoipa::path(get, path = "/api/v1/matches", tag = "read", params(MatchesAsked), security(("token" = [])), responses(
    (status = 200, description = "A page of matches", body = Listed<Match>),
    NoList,
))]
pub(in crate::web) async fn matches(
    State(context): State<Arc<WebContext>>,
    Asked(asked): Asked<MatchesAsked>,
) -> Answer<Listed<Match>> {
    let verdict = asked.verdict.unwrap_or_default();
    let asked = CustomerPaging { customer: asked.customer, after: asked.after, limit: asked.limit };
    match verdict {
        Verdict::Attach => {
            let shape = |(_, row)| Match::of(row, "attach", None);
            page(&context, asked, |tx, page| tx.list_attached(page), |(id, _)| *id, shape).await
        }
        Verdict::Review => {
            let shape = |(_, seen, row)| Match::of(row, "review", Some(seen));
            page(&context, asked, |tx, page| tx.list_asked(page), |(id, ..)| *id, shape).await
        }
    }
}

/// Files that were received, with what became of them.
#[utoipa::path(get, path = "/api/v1/uploads", tag = "read", params(CustomerPaging), security(("token" = [])), responses(
    (status = 200, description = "A page of uploads", body = Listed<Upload>),
    NoList,
))]
pub(in crate::web) async fn uploads(
    State(context): State<Arc<WebContext>>,
    Asked(asked): Asked<CustomerPaging>,
) -> Answer<Listed<Upload>> {
    let now = Micros::now();
    page(&context, asked, |tx, page| tx.list_files(page), |row| row.upload, |row| Upload::of(row, now)).await
}
