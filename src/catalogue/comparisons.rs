//! Uploads of one customer that stood in each other's way, seen closely.

use super::{Error, Tx};
use crate::domain::{CustomerId, Digest};
use crate::matcher::content::{Compared, Comparison, ImageKey};

impl Tx<'_> {
    /// A customer's comparisons; a pair that could not be compared has none, and is not to be tried again.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn comparisons(&self, customer: CustomerId) -> Result<Vec<Compared>, Error> {
        self.rows(
            "SELECT a, a_number, b, b_number, comparison FROM comparisons WHERE customer = ?1 \
             ORDER BY a, a_number, b, b_number",
            [customer.0],
            |row| {
                // One that cannot be read counts as none: it takes no rival away.
                let comparison = row.get::<Option<String>>(4)?.and_then(|text| {
                    let unreadable = |error| {
                        tracing::error!(%customer, "a comparison of two uploads cannot be read and counts as none: {error}");
                    };
                    serde_json::from_str(&text).map_err(unreadable).ok()
                });
                Ok(Compared {
                    a: (Digest(row.get(0)?), row.get(1)?),
                    b: (Digest(row.get(2)?), row.get(3)?),
                    comparison: comparison.unwrap_or(Comparison::UNKNOWN),
                })
            },
        )
    }

    /// Notes what two uploads are to each other; nothing for two that cannot be compared.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn compared(
        &self,
        customer: CustomerId,
        (a, b): (ImageKey, ImageKey),
        comparison: Option<&Comparison>,
    ) -> Result<(), Error> {
        let (a, b) = if a <= b { (a, b) } else { (b, a) };
        let text = comparison.map(super::text_of).transpose()?;
        self.execute(
            "INSERT INTO comparisons (customer, a, a_number, b, b_number, comparison) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (customer, a, a_number, b, b_number) DO UPDATE SET comparison = excluded.comparison",
            (customer.0, a.0.0.as_slice(), a.1, b.0.0.as_slice(), b.1, text),
        )?;
        Ok(())
    }
}
