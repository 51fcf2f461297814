//! Answers of people of which at most one can be right.

use std::collections::HashMap;

use super::Sheet;
use crate::catalogue::{Customer, CustomerFacts, Error, Tx};
use crate::domain::{CustomerId, ImageId, RecordId};
use crate::matcher::verdict::{Contradiction, contradictions as found};

/// The contradictions among what people decided: for each, the two answers by record and path.
///
/// # Errors
/// When the catalogue fails.
pub fn contradictions(tx: &Tx<'_>, customer: Option<CustomerId>) -> Result<Sheet, Error> {
    let mut sheet = Sheet::new(&["customer", "contradiction", "record", "path", "other_record", "other_path"]);
    let customers = tx.customers()?.into_iter().filter(|one| customer.is_none_or(|wanted| one.id == wanted));
    for customer in customers {
        sheet.rows.extend(of_customer(tx, customer)?.into_iter().map(|columns| columns.map(Into::into).to_vec()));
    }
    Ok(sheet)
}

fn of_customer(tx: &Tx<'_>, customer: Customer) -> Result<Vec<[Vec<u8>; 6]>, Error> {
    if !tx.has_decisions(customer.id)? {
        return Ok(Vec::new());
    }
    let facts = tx.customer_facts(customer.id)?;
    let names = tx.record_names(customer.id)?;
    let mut rows: Vec<[Vec<u8>; 6]> = found(&facts.facts)
        .into_iter()
        .map(|contradiction| {
            let (what, records, images) = told(contradiction);
            let of = |record, image| [name(&names, record), path(&facts, image)];
            let ([record, at], [other, other_at]) = (of(records.0, images.0), of(records.1, images.1));
            [customer.name.clone().into_bytes(), what.as_bytes().to_vec(), record, at, other, other_at]
        })
        .collect();
    rows.sort();
    Ok(rows)
}

fn told(contradiction: Contradiction) -> (&'static str, (RecordId, RecordId), (ImageId, ImageId)) {
    match contradiction {
        Contradiction::TwoPictures { records, images } => {
            ("two pictures were accepted for one original", records, images)
        }
        Contradiction::AcceptedAndRefused { records, images } => {
            ("one picture was accepted and refused for one original", records, images)
        }
        Contradiction::OnePictureForTwo { records, images } => {
            ("one picture was accepted for two originals that the records tell apart", records, images)
        }
    }
}

fn name(names: &HashMap<RecordId, String>, record: RecordId) -> Vec<u8> {
    names.get(&record).cloned().unwrap_or_default().into_bytes()
}

fn path(facts: &CustomerFacts, image: ImageId) -> Vec<u8> {
    facts.uploads.get(&image).and_then(|uploads| uploads.first()).map(|(path, _)| path.clone()).unwrap_or_default()
}
