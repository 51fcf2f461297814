//! What an image is compared with: one customer's records and thumbnails, kept in memory until they change.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use crate::catalogue::{self, Catalogue, ImageToMatch, PartitionRecipes};
use crate::domain::{CustomerId, Digest, RecordId};
use crate::matcher::facts::RecordFacts;
use crate::matcher::index::{Entry, Index, NEAREST_MAX, RADIUS};
use crate::matcher::metadata::Register;
use crate::recipe::{Learned, Partition, explain_most};

use super::digests::Wanted;

/// Customers whose book is kept; another one takes the place of all of them, which costs one more reading.
const KEPT_MAX: usize = 64;

/// One customer's records, ready to be compared with.
pub struct Book {
    /// The state of the records that this is.
    pub seq: i64,
    wants_md5: bool,
    records: Vec<RecordFacts>,
    register: Register,
    thumbnails: HashMap<RecordId, Vec<Digest>>,
    recipes: HashMap<Digest, Arc<Known>>,
    index: Index,
}

/// What is known of how a thumbnail was made.
#[derive(Debug)]
pub struct Known {
    /// Tells one state of knowledge from another, whatever the order in which it came; 0 where nothing is known.
    pub stamp: u64,
    /// Recipes that may have made it.
    pub learned: Vec<Learned>,
}

impl Known {
    fn of(partition: Option<&Partition>, recipes: &[PartitionRecipes]) -> Self {
        let learned = partition.map_or_else(Vec::new, |partition| learned_of(partition, recipes));
        // Plain numbers always have a text.
        let text = serde_json::to_vec(&learned).unwrap_or_default();
        let [a, b, c, d, e, f, g, h, ..] = Digest::of(&text).0;
        let stamp = if learned.is_empty() { 0 } else { u64::from_be_bytes([a, b, c, d, e, f, g, h]) };
        Known { stamp, learned }
    }
}

/// The recipes that may have made thumbnails of this partition: those of the partitions that may explain it and, unless
/// these say nearly all, the engines that the shop uses at all. A palette leaves so much open that too many engines would fit.
fn learned_of(partition: &Partition, recipes: &[PartitionRecipes]) -> Vec<Learned> {
    let mut learned: Vec<Learned> = own_recipes(partition, recipes).flatten().copied().collect();
    if partition.coding.is_exact() && !is_told(partition, recipes) {
        let any = recipes.iter().filter(|known| known.partition.is_none()).flat_map(|known| &known.learned);
        let sized = any.map(|one| Learned { recipe: one.recipe.sized(partition.long_side_px), ..*one });
        learned.extend(sized.filter(|one| !learned.iter().any(|known| known.recipe == one.recipe)).collect::<Vec<_>>());
    }
    learned
}

/// Whether what partitions taught says nearly all about thumbnails of this one.
pub fn is_told(partition: &Partition, recipes: &[PartitionRecipes]) -> bool {
    own_recipes(partition, recipes).any(explain_most)
}

fn own_recipes<'a>(partition: &Partition, recipes: &'a [PartitionRecipes]) -> impl Iterator<Item = &'a [Learned]> {
    let of_partition =
        |known: &&PartitionRecipes| known.partition.as_ref().is_some_and(|known| known.may_explain(partition));
    recipes.iter().filter(of_partition).map(|known| &known.learned[..])
}

impl Book {
    fn read(catalogue: &Catalogue, customer: CustomerId) -> Result<Self, catalogue::Error> {
        catalogue.read(|tx| {
            let records = tx.record_facts(customer, i64::MIN)?;
            let records: Vec<RecordFacts> = records.into_iter().map(|(_, record)| record).collect();
            let names = tx.record_names(customer)?;
            let mut thumbnails: HashMap<RecordId, Vec<Digest>> = HashMap::new();
            let (learned, mut recipes) = (tx.recipes()?, HashMap::new());
            let mut by_partition: BTreeMap<Option<Partition>, Arc<Known>> = BTreeMap::new();
            let mut entries = Vec::new();
            for thumbnail in tx.indexed_thumbnails(customer)? {
                thumbnails.entry(thumbnail.record).or_default().push(thumbnail.digest);
                let known = by_partition
                    .entry(thumbnail.partition)
                    .or_insert_with_key(|partition| Arc::new(Known::of(partition.as_ref(), &learned)));
                recipes.insert(thumbnail.digest, Arc::clone(known));
                let name = names.get(&thumbnail.record).map_or("", String::as_str);
                entries.push(Entry { name, record: thumbnail.record, fingerprint: thumbnail.fingerprint });
            }
            Ok(Book {
                seq: tx.records_seq(customer)?,
                wants_md5: records.iter().any(RecordFacts::asks_for_md5),
                register: Register::of(&records),
                records,
                thumbnails,
                recipes,
                index: Index::new(entries),
            })
        })
    }

    /// Digests that records ask for of a file of so many bytes.
    pub(super) fn digests_wanted(&self, bytes: u64) -> Wanted {
        let part_lengths = self.records.iter().flat_map(|record| record.part_lengths(bytes)).collect();
        Wanted { md5: self.wants_md5, part_lengths }
    }

    /// The records within reach of an image, with their fingerprint distance where that is what brought them near.
    pub fn reach(&self, image: &ImageToMatch) -> BTreeMap<RecordId, Option<u16>> {
        let agreeing = self.register.agreeing(&self.records, &image.facts);
        let mut reach: BTreeMap<_, _> = agreeing.into_iter().map(|record| (record, None)).collect();
        let near = self.index.nearest(&image.views, RADIUS, NEAREST_MAX);
        reach.extend(near.into_iter().map(|near| (near.record, Some(near.distance))));
        reach
    }

    /// What is known of how a thumbnail was made; nothing for a thumbnail that is none of the customer's.
    pub fn recipes(&self, thumbnail: Digest) -> Option<&Known> {
        self.recipes.get(&thumbnail).map(Arc::as_ref)
    }

    /// The files of a record's thumbnails.
    pub fn thumbnails(&self, record: RecordId) -> &[Digest] {
        self.thumbnails.get(&record).map_or(&[], Vec::as_slice)
    }
}

/// The books in use.
#[derive(Default)]
pub struct Books(Mutex<HashMap<CustomerId, Arc<Book>>>);

impl Books {
    /// A customer's book as of now.
    pub fn of(&self, catalogue: &Catalogue, customer: CustomerId) -> Result<Arc<Book>, catalogue::Error> {
        let seq = catalogue.read(|tx| tx.records_seq(customer))?;
        let mut books = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(book) = books.get(&customer).filter(|book| book.seq == seq) {
            return Ok(book.clone());
        }
        let book = Arc::new(Book::read(catalogue, customer)?);
        if books.len() >= KEPT_MAX {
            books.clear();
        }
        books.insert(customer, book.clone());
        Ok(book)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{Coding, Frame, Recipe, Scaler, Sharpen};

    fn learned(side_px: u32, scaler: Scaler, explained: u32) -> Learned {
        let frame = Frame::Fit;
        let recipe = Recipe { side_px, frame, scaler, sharpen: Sharpen::None, opacity: None, orientation: None };
        Learned { recipe, pairs: 20, explained, loss: 0.0, d_max: 0.1, hz_max: 0.3 }
    }

    fn known(partition: Option<Partition>, learned: Vec<Learned>) -> PartitionRecipes {
        PartitionRecipes { partition, pairs: Digest([0; 32]), learned, refusal: None }
    }

    #[test]
    fn engines_are_tried_where_a_partition_does_not_tell() {
        let partition = |coding, long_side_px| Partition { coding, long_side_px };
        let own =
            |explained| known(Some(partition(Coding::Lossless, 200)), vec![learned(200, Scaler::Vips, explained)]);
        let at_all = || known(None, vec![learned(0, Scaler::Vips, 5), learned(0, Scaler::VipsExport, 4)]);
        let tried = |of: Partition, recipes: &[PartitionRecipes]| -> Vec<(u32, Scaler)> {
            learned_of(&of, recipes).iter().map(|one| (one.recipe.side_px, one.recipe.scaler)).collect()
        };
        // Another size has no recipe of its own: all engines, at its size.
        let both = [(300, Scaler::Vips), (300, Scaler::VipsExport)];
        assert_eq!(tried(partition(Coding::Lossless, 300), &[own(20), at_all()]), both);
        // Its own recipe explains most of its pairs, or only a few.
        assert_eq!(tried(partition(Coding::Lossless, 200), &[own(20), at_all()]), [(200, Scaler::Vips)]);
        let with_own = [(200, Scaler::Vips), (200, Scaler::VipsExport)];
        assert_eq!(tried(partition(Coding::Lossless, 200), &[own(8), at_all()]), with_own);
        // A palette is explained by too much.
        assert_eq!(tried(partition(Coding::Palette, 300), &[own(20), at_all()]), []);
    }
}
