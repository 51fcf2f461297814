//! How the shop made its thumbnails, as far as that is known.

use super::Sheet;
use crate::catalogue::{Error, PartitionRecipes, Tx};
use crate::recipe::{Learned, Partition, Watch};

/// What was learned, a row for each recipe and for each kind of thumbnail of which nothing is known: how many thumbnails
/// are of that kind, and how many of the pairs looked at the recipe explains. Rows without a long side are engines that the
/// shop uses at all. Beside each recipe: how many of the last pairs that are certain without it some recipe of the same kind of
/// thumbnails explains.
///
/// # Errors
/// When the catalogue fails or holds what this program cannot read.
pub fn recipes(tx: &Tx<'_>) -> Result<Sheet, Error> {
    let mut sheet = Sheet::new(&[
        "long_side",
        "coding",
        "thumbnails",
        "recipe",
        "explained",
        "pairs",
        "unexplained_levels",
        "last_explained",
        "last_pairs",
        "why_not",
    ]);
    let thumbnails = tx.thumbnails_by_partition()?;
    let (known, watches) = (tx.recipes()?, tx.watches()?);
    let of = |partition: &Partition| known.iter().find(|known| known.partition.as_ref() == Some(partition));
    for (partition, &count) in &thumbnails {
        rows(&mut sheet, Some((partition, count)), of(partition), watches.get(partition).copied());
    }
    for at_all in known.iter().filter(|known| known.partition.is_none()) {
        rows(&mut sheet, None, Some(at_all), None);
    }
    Ok(sheet)
}

fn rows(sheet: &mut Sheet, kind: Option<(&Partition, u64)>, known: Option<&PartitionRecipes>, watch: Option<Watch>) {
    let mut row = |learned: Option<&Learned>, why_not: Option<String>| {
        sheet.rows.push(vec![
            kind.map(|(partition, _)| i64::from(partition.long_side_px)).into(),
            kind.map(|(partition, _)| partition.coding.to_string()).into(),
            kind.map(|(_, count)| count as i64).into(),
            learned.map(|one| one.recipe.to_string()).into(),
            learned.map(|one| i64::from(one.explained)).into(),
            learned.map(|one| i64::from(one.pairs)).into(),
            learned.map(|one| f64::from(one.loss)).into(),
            learned.and(watch).map(|watch| watch.explained as i64).into(),
            learned.and(watch).map(|watch| watch.pairs as i64).into(),
            why_not.into(),
        ]);
    };
    let learned = known.map(|known| &known.learned[..]).unwrap_or_default();
    let refusal = known.and_then(|known| known.refusal.clone());
    learned.iter().for_each(|one| row(Some(one), refusal.clone()));
    if learned.is_empty() {
        row(None, Some(refusal.unwrap_or_else(|| "too few pairs are certain to learn from".to_owned())));
    }
}
