//! The shop's orders: which records each needs, and how many of these came back.

use super::{Error, Tx};
use crate::domain::RecordId;

/// A record that an order needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderItem {
    /// The shop's identifier of the order.
    pub order: String,
    /// The shop's identifier of the record.
    pub record: String,
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
        self.rows(
            "SELECT o.order_name, r.name, c.name, c.id, r.retired_at IS NOT NULL, a.grade, o.extra FROM order_items o \
             JOIN records r ON r.id = o.record JOIN customers c ON c.id = r.customer \
             LEFT JOIN attachments a ON a.record = r.id AND a.state = 'standing'",
            [],
            |row| {
                Ok(OrderItem {
                    order: row.get(0)?,
                    record: row.get(1)?,
                    customer: row.get(2)?,
                    customer_id: row.get(3)?,
                    retired: row.get(4)?,
                    grade: row.get(5)?,
                    extra: row.get(6)?,
                })
            },
        )
    }
}
