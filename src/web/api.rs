//! The JSON API for the shop's own software, below `/api/v1`.
//!
//! Owns what is asked and answered there, and its description (OpenAPI, made from the handlers themselves). Every list is paged
//! by key: an answer's `next` is what the next page is asked `after`. Every fault has one shape, [`Problem`]. A token says who
//! asks; cookies count for nothing here.

mod answers;
mod embedding;
mod fault;
mod lists;
mod shapes;

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::openapi::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{IntoParams, Modify, OpenApi as _};

pub(super) use answers::answer;
pub(super) use embedding::embed;
pub(super) use fault::{Problem, as_problem};
pub(super) use lists::{customer, customers, matches, missing, record, records, uploads};

use fault::Fault;

/// Where it lies.
pub(super) const PREFIX: &str = "/api/";

/// Rows of one page, unless something else is asked for, and at most.
const LIMIT: i64 = 100;
const LIMIT_MAX: i64 = 1_000;

/// Which page of a list is asked for.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// What the last page gave as `next`; without it the list begins.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// Rows at most; 100 unless given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
}

/// Which page of a list is asked for, of one customer or of all.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CustomerPaging {
    /// Only what belongs to the customer of this name.
    customer: Option<String>,
    /// What the last page gave as `next`; without it the list begins.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// Rows at most; 100 unless given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<i64>,
}

/// The place and the length of a page, checked.
fn place(after: Option<i64>, limit: Option<i64>) -> Result<(i64, i64), Fault> {
    let (after, limit) = (after.unwrap_or(0), limit.unwrap_or(LIMIT));
    if after < 0 {
        return Err(Fault::bad("`after` is what the last page gave as `next`, a number from 0"));
    }
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Fault::bad("`limit` is a number from 1 to 1000"));
    }
    Ok((after, limit))
}

/// What stands behind the `?` of an address, read as what it is to be.
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        let asked = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        let asked = asked.map_err(|refused| Fault::bad(&format!("the query cannot be used: {refused}")))?;
        Ok(Asked(asked.0))
    }
}

/// The description of the API.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "reunite",
        description = "What a shop's own software asks of reunite: which pictures are missing, which came back, what a person is \
                       asked about, and answers to that. A token is made with `reunite token add NAME --scope read,decide`."
    ),
    paths(
        lists::customers,
        lists::customer,
        lists::records,
        lists::record,
        lists::missing,
        lists::matches,
        lists::uploads,
        answers::answer,
        embedding::embed
    ),
    components(schemas(shapes::Delivery)),
    modifiers(&Bearer)
)]
struct Description;

/// The token that every request brings.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut OpenApi) {
        let scheme =
            HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("What `reunite token add` printed"));
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme.build()));
    }
}

/// `/api/v1/openapi.json`.
pub(super) async fn openapi() -> Json<OpenApi> {
    Json(Description::openapi())
}
