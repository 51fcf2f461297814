//! The shop's orders: which records each needs, and how many of these came back.

use super::pages::contains;
use super::{Error, Row, Tx};
use crate::domain::RecordId;

/// A record that an order needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderItem {
    /// The shop's identifier of the order.
    pub order: String,
    /// The shop's identifier of the record.
    pub record: String,
    /// The record's number.
    pub record_id: i64,
    /// Whose it is.
    pub customer: String,
    /// The customer's number.
    pub customer_id: i64,
    /// Given up.
    pub retired: bool,
    /// original or copy, where something came back.
    pub grade: Option<String>,
    /// The import's other columns, a JSON object as text.
    pub extra: String,
}

/// Which orders are asked for; by default all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderFilter {
    /// Part of the order's name, in capitals or not.
    pub words: Option<String>,
    /// `missing`: a record is still looked for; `given_up`: none is, and some did not come back; `complete`: all did.
    pub state: Option<String>,
}

impl Tx<'_> {
    /// Notes that an order needs a record; noting it again replaces what else is known of the two. True when it is new.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn order_item_set(&self, order: &str, record: RecordId, extra: &str) -> Result<bool, Error> {
        let new = !self.order_item_known(order, record)?;
        self.execute(
            "INSERT INTO order_items (order_name, record, extra) VALUES (?1, ?2, ?3) \
             ON CONFLICT (order_name, record) DO UPDATE SET extra = excluded.extra",
            (order, record.0, extra),
        )?;
        Ok(new)
    }

    /// Whether it is known that an order needs a record.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn order_item_known(&self, order: &str, record: RecordId) -> Result<bool, Error> {
        let known = "SELECT 1 FROM order_items WHERE order_name = ?1 AND record = ?2";
        Ok(self.first(known, (order, record.0), |_| Ok(()))?.is_some())
    }

    /// Every record that an order needs, of all orders, in no promised order.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn order_items(&self) -> Result<Vec<OrderItem>, Error> {
        self.rows(ITEM, [], order_item)
    }

    /// Every record that one order needs, in no promised order.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn order_items_of(&self, order: &str) -> Result<Vec<OrderItem>, Error> {
        self.rows(&format!("{ITEM} WHERE o.order_name = ?1"), [order], order_item)
    }

    /// Names of orders behind the order `after`, `limit` at most, by their bytes.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn page_orders(&self, filter: &OrderFilter, after: &str, limit: i64) -> Result<Vec<String>, Error> {
        let sql = format!("{} ORDER BY o.order_name LIMIT ?4", filter.statement());
        let (words, state) = filter.values();
        self.rows(&sql, (words, state, after, limit), |row| row.get(0))
    }

    /// How many orders are asked for.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn count_orders(&self, filter: &OrderFilter) -> Result<i64, Error> {
        let (words, state) = filter.values();
        self.one(&format!("SELECT count(*) FROM ({})", filter.statement()), (words, state, ""), |row| row.get(0))
    }
}

const ITEM: &str = "SELECT o.order_name, r.name, c.name, c.id, r.retired_at IS NOT NULL, a.grade, o.extra, r.id FROM order_items o \
     JOIN records r ON r.id = o.record JOIN customers c ON c.id = r.customer \
     LEFT JOIN attachments a ON a.record = r.id AND a.state = 'standing'";

fn order_item(row: Row<'_>) -> Result<OrderItem, Error> {
    Ok(OrderItem {
        order: row.get(0)?,
        record: row.get(1)?,
        customer: row.get(2)?,
        customer_id: row.get(3)?,
        retired: row.get(4)?,
        grade: row.get(5)?,
        extra: row.get(6)?,
        record_id: row.get(7)?,
    })
}

impl OrderFilter {
    /// The names of the orders that are asked for, behind the order `?3`. Only who asks for a state has the records looked at.
    fn statement(&self) -> &'static str {
        match self.state {
            None => {
                "SELECT DISTINCT o.order_name FROM order_items o WHERE o.order_name > ?3 AND ?2 IS NULL \
                 AND (?1 IS NULL OR o.order_name LIKE ?1 ESCAPE '\\')"
            }
            Some(_) => {
                "SELECT o.order_name FROM order_items o JOIN records r ON r.id = o.record \
                 LEFT JOIN attachments a ON a.record = r.id AND a.state = 'standing' \
                 WHERE o.order_name > ?3 AND (?1 IS NULL OR o.order_name LIKE ?1 ESCAPE '\\') GROUP BY o.order_name \
                 HAVING CASE WHEN max(a.id IS NULL AND r.retired_at IS NULL) = 1 THEN 'missing' \
                   WHEN max(a.id IS NULL) = 1 THEN 'given_up' ELSE 'complete' END = ?2"
            }
        }
    }

    fn values(&self) -> (Option<String>, Option<&str>) {
        (self.words.as_deref().map(contains), self.state.as_deref())
    }
}
