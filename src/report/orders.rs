//! The shop's orders: which still miss an original, and which are complete again.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{Cell, Sheet};
use crate::catalogue::{Error, OrderItem, Tx};
use crate::domain::CustomerId;

/// An order with how far it has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Order {
    /// The shop's identifier.
    pub name: String,
    /// Whose records it needs: names and numbers.
    pub customers: BTreeSet<(String, i64)>,
    /// Records that it needs.
    pub records: usize,
    /// Of these, those that came back, as original or as copy.
    pub recovered: usize,
    /// Of these, those that came back as a copy.
    pub copies: usize,
    /// The records that are missing, by their names, with their numbers.
    pub missing: Vec<(String, i64)>,
    /// Those that were given up and did not come back.
    pub retired: usize,
    /// The import's other columns: each with the values that the rows of the order have.
    pub extra: BTreeMap<String, BTreeSet<String>>,
}

impl Order {
    /// `complete`: every record came back. `missing`: some are still looked for. `given_up`: none is, and some did not come.
    pub fn state(&self) -> &'static str {
        match (self.missing.len(), self.retired) {
            (0, 0) => "complete",
            (0, _) => "given_up",
            _ => "missing",
        }
    }

    fn add(&mut self, item: OrderItem) {
        self.records += 1;
        self.customers.insert((item.customer, item.customer_id));
        match (item.grade.as_deref(), item.retired) {
            (Some(grade), _) => {
                self.recovered += 1;
                self.copies += usize::from(grade == "copy");
            }
            (None, true) => self.retired += 1,
            (None, false) => self.missing.push((item.record, item.record_id)),
        }
        // What is kept as text was an object when the import wrote it.
        let extra: Map<String, Value> = serde_json::from_str(&item.extra).unwrap_or_default();
        for (column, value) in extra {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            self.extra.entry(column).or_default().insert(text);
        }
    }
}

/// All orders, by the bytes of their names; of one customer, those that need a record of theirs.
///
/// # Errors
/// When the catalogue fails.
fn all_orders(tx: &Tx<'_>, customer: Option<CustomerId>) -> Result<Vec<Order>, Error> {
    Ok(grouped(tx.order_items()?, customer))
}

/// One order, by its name.
///
/// # Errors
/// When the catalogue fails.
pub fn one_order(tx: &Tx<'_>, name: &str) -> Result<Option<Order>, Error> {
    Ok(grouped(tx.order_items_of(name)?, None).pop())
}

fn grouped(items: Vec<OrderItem>, customer: Option<CustomerId>) -> Vec<Order> {
    let mut orders: BTreeMap<String, Order> = BTreeMap::new();
    for item in items {
        let order =
            orders.entry(item.order.clone()).or_insert_with(|| Order { name: item.order.clone(), ..Order::default() });
        order.add(item);
    }
    let mut orders: Vec<Order> = orders.into_values().collect();
    orders.retain(|order| customer.is_none_or(|wanted| order.customers.iter().any(|(_, id)| *id == wanted.0)));
    orders.iter_mut().for_each(|order| order.missing.sort());
    orders
}

/// The orders as a report, with the import's own columns behind ours; where the rows of an order differ in one of those, all
/// values stand in it, with `; ` between them.
///
/// # Errors
/// When the catalogue fails.
pub fn orders(tx: &Tx<'_>, customer: Option<CustomerId>) -> Result<Sheet, Error> {
    let all = all_orders(tx, customer)?;
    let mut sheet = Sheet::new(&[
        "order",
        "customer",
        "state",
        "records",
        "recovered",
        "copies",
        "missing",
        "retired",
        "missing_records",
    ]);
    let names: BTreeSet<&String> = all.iter().flat_map(|order| order.extra.keys()).collect();
    sheet.columns.extend(names.iter().map(|name| (*name).clone()));
    sheet.hide_in_table(&["missing_records"]);
    sheet.rows = all
        .iter()
        .map(|order| {
            let missing: Vec<&str> = order.missing.iter().map(|(name, _)| name.as_str()).collect();
            let customers: Vec<&str> = order.customers.iter().map(|(name, _)| name.as_str()).collect();
            let count = |count: usize| Cell::Integer(count as i64);
            let mut row = vec![
                order.name.clone().into(),
                customers.join("; ").into(),
                order.state().into(),
                count(order.records),
                count(order.recovered),
                count(order.copies),
                count(order.missing.len()),
                count(order.retired),
                missing.join("; ").into(),
            ];
            row.extend(names.iter().map(|name| {
                let values = order.extra.get(*name).map(|values| values.iter().cloned().collect::<Vec<_>>().join("; "));
                Cell::from(values)
            }));
            row
        })
        .collect();
    Ok(sheet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_complete_when_every_record_is_back() {
        let item = |order: &str, record: &str, grade: Option<&str>, retired| OrderItem {
            order: order.into(),
            record: record.into(),
            record_id: 1,
            customer: "anna".into(),
            customer_id: 7,
            retired,
            grade: grade.map(str::to_owned),
            extra: format!("{{\"due\":\"{record}\"}}"),
        };
        let orders = grouped(
            vec![
                item("B", "r2", None, false),
                item("B", "r1", None, false),
                item("B", "r3", Some("original"), false),
                item("A", "r3", Some("original"), false),
                item("A", "r4", Some("copy"), false),
                item("C", "r5", None, true),
                item("C", "r3", Some("original"), false),
            ],
            None,
        );
        let told: Vec<_> = orders.iter().map(|order| (order.name.as_str(), order.state(), order.recovered)).collect();
        assert_eq!(told, [("A", "complete", 2), ("B", "missing", 1), ("C", "given_up", 1)]);
        assert_eq!(orders[1].missing, [("r1".to_owned(), 1), ("r2".to_owned(), 1)]);
        assert_eq!(orders[0].extra["due"].len(), 2);
        assert!(grouped(vec![item("A", "r", None, false)], Some(CustomerId(8))).is_empty());
    }
}
