//! Candidates by fingerprint: one upload's views against all thumbnails of one customer.
//!
//! A linear scan with popcount, because nothing that skips thumbnails pays at [`RADIUS`] (ARCHITECTURE.md, "The index",
//! has the figures). It is fast for another reason: views that are mirror images of each other are measured at once
//! ([`mirrors`]). What it returns is a function of the sets of views and thumbnails alone.

mod mirrors;
mod scan;

use rayon::prelude::*;

use self::mirrors::{groups, sorted_bits};
use crate::domain::RecordId;
use crate::fingerprint::{Fingerprint, Views};

/// Distance up to which a pair is worth measuring. Generous: re-rendered thumbnails of 75 pixels lie as far as 80 bits
/// away, unrelated pictures rarely come below 95, and measuring one pair too many costs milliseconds.
pub const RADIUS: u16 = 92;

/// Pairs kept for one image by distance, nearest first, so that a plain template cannot drown the others.
pub const NEAREST_MAX: usize = 64;

/// Thumbnails that are measured against every view before the next ones are: 16 KiB of them, which stay in the
/// first-level cache meanwhile.
const BLOCK: usize = 512;

/// One thumbnail of one record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry<'a> {
    /// The shop's own name for the record: what breaks ties, because ids follow the order of import.
    pub name: &'a str,
    /// The record.
    pub record: RecordId,
    /// The thumbnail's fingerprint.
    pub fingerprint: Fingerprint,
}

/// A record within reach of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Near {
    /// The record.
    pub record: RecordId,
    /// Distance of its nearest thumbnail.
    pub distance: u16,
}

/// The thumbnails of one customer that have enough detail to be found. 36 bytes a thumbnail and 8 a record: names are
/// not kept, only the order into which they bring the records.
#[derive(Clone, Debug, Default)]
pub struct Index {
    /// The hashes' bits as [`sorted_bits`] sorts them, word by word: word `n` of every thumbnail stands in `words[n]`.
    words: [Vec<u64>; 4],
    /// For each thumbnail, the place of its record.
    owners: Vec<u32>,
    /// The records, by name.
    records: Vec<RecordId>,
}

impl Index {
    /// An index of these thumbnails, given in any order.
    pub fn new<'a>(entries: impl IntoIterator<Item = Entry<'a>>) -> Self {
        let mut entries: Vec<Entry> = entries.into_iter().filter(|entry| entry.fingerprint.speaks()).collect();
        entries.sort_unstable();
        entries.dedup();
        let mut index = Index::default();
        index.words.iter_mut().for_each(|words| words.reserve_exact(entries.len()));
        index.owners.reserve_exact(entries.len());
        for thumbnails in entries.chunk_by(|a, b| (a.name, a.record) == (b.name, b.record)) {
            // A catalogue of four thousand million records is beyond every other limit.
            let owner = index.records.len() as u32;
            index.records.push(thumbnails[0].record);
            for thumbnail in thumbnails {
                let sorted = sorted_bits(&thumbnail.fingerprint.hash);
                index.words.iter_mut().zip(sorted).for_each(|(words, word)| words.push(word));
                index.owners.push(owner);
            }
        }
        index.records.shrink_to_fit();
        index
    }

    /// How many thumbnails can be found.
    pub fn len(&self) -> usize {
        self.owners.len()
    }

    /// True when nothing can be found.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// Bytes of memory that it takes.
    pub fn memory_bytes(&self) -> usize {
        let words: usize = self.words.iter().map(|words| words.capacity() * size_of::<u64>()).sum();
        words + self.owners.capacity() * size_of::<u32>() + self.records.capacity() * size_of::<RecordId>()
    }

    /// The records within `radius` of any view, at most `most` of them: nearest first, then by the shop's name.
    pub fn nearest(&self, views: &Views, radius: u16, most: usize) -> Vec<Near> {
        let groups = groups(views);
        let mut found = Found::new(radius, most);
        let mut least = [0; BLOCK];
        for start in (0..self.len()).step_by(BLOCK) {
            let end = self.len().min(start + BLOCK);
            let words = self.words.each_ref().map(|words| &words[start..end]);
            for group in &groups {
                let least = &mut least[..end - start];
                scan::least(words, &group.leader, &group.slack, least);
                scan::each_within(least, found.bound, |at| {
                    let thumbnail = words.map(|words| words[at]);
                    found.add(group.distance(&thumbnail), self.owners[start + at]);
                });
            }
        }
        let near = |(distance, owner): (u16, u32)| Near { record: self.records[owner as usize], distance };
        found.finish().into_iter().map(near).collect()
    }

    /// [`Index::nearest`] for many images, on all cores; answers in the order of the questions.
    pub fn nearest_all(&self, images: &[&Views], radius: u16, most: usize) -> Vec<Vec<Near>> {
        images.par_iter().map(|views| self.nearest(views, radius, most)).collect()
    }
}

/// The nearest records so far, as distance and place.
struct Found {
    near: Vec<(u16, u32)>,
    most: usize,
    /// What lies farther away is none of the nearest: the radius, and later the distance of the last of `most`.
    bound: u16,
}

impl Found {
    fn new(radius: u16, most: usize) -> Self {
        Found { near: Vec::new(), most, bound: radius }
    }

    fn add(&mut self, distance: u16, owner: u32) {
        if distance > self.bound {
            return;
        }
        self.near.push((distance, owner));
        // Sorted seldom enough to cost little, often enough to bring the bound down early.
        if self.near.len() >= self.most.saturating_mul(4).max(64) {
            self.keep_nearest();
        }
    }

    fn keep_nearest(&mut self) {
        // Each record once, with its nearest thumbnail.
        self.near.sort_unstable_by_key(|&(distance, owner)| (owner, distance));
        self.near.dedup_by_key(|&mut (_, owner)| owner);
        self.near.sort_unstable();
        self.near.truncate(self.most);
        if let Some(&(distance, _)) = self.near.last().filter(|_| self.near.len() == self.most) {
            self.bound = distance;
        }
    }

    fn finish(mut self) -> Vec<(u16, u32)> {
        self.keep_nearest();
        self.near
    }
}

#[cfg(test)]
mod tests;
