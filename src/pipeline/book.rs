//! What an image is compared with: one customer's records and thumbnails, kept in memory until they change.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use crate::catalogue::{self, Catalogue, ImageToMatch};
use crate::domain::{CustomerId, Digest, RecordId};
use crate::matcher::facts::{ImageFacts, RecordFacts};
use crate::matcher::index::{Entry, Index, NEAREST_MAX, RADIUS};
use crate::matcher::metadata::{Register, agreement};
use crate::recipe::Partition;

use super::digests::Wanted;
use super::known::Known;

/// Customers whose book is kept; another one takes the place of all of them, which costs one more reading.
const KEPT_MAX: usize = 64;

/// One customer's records, ready to be compared with.
pub struct Book {
    /// The state of the records that this is.
    pub seq: i64,
    wants_md5: bool,
    records: Vec<RecordFacts>,
    register: Register,
    at: HashMap<RecordId, usize>,
    thumbnails: HashMap<RecordId, Vec<Digest>>,
    recipes: HashMap<Digest, Arc<Known>>,
    index: Index,
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
                let entry = |fingerprint| Entry { name, record: thumbnail.record, fingerprint };
                entries.extend(thumbnail.fingerprints.into_iter().map(entry));
            }
            Ok(Book {
                seq: tx.records_seq(customer)?,
                wants_md5: records.iter().any(RecordFacts::asks_for_md5),
                register: Register::of(&records),
                at: records.iter().enumerate().map(|(at, record)| (record.id, at)).collect(),
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

    /// Whether length or name speak for an image being this record's, whatever the pixels look like.
    pub(super) fn is_claimed(&self, record: RecordId, image: &ImageFacts) -> bool {
        let Some(record) = self.at.get(&record).and_then(|&at| self.records.get(at)) else { return false };
        let agreement = agreement(record, image, &self.register, &self.records);
        agreement.bytes || agreement.name && agreement.aspect
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
