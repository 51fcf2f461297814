//! What is known of how the shop made its thumbnails, and the certain pairs that it is learned from.
//!
//! This is the only knowledge that customers share: parameters of software, never pixels, fingerprints or counts.

use std::collections::BTreeMap;

use super::{Error, Tx};
use crate::domain::{CustomerId, Digest, Micros, RecordId};
use crate::recipe::{Learned, Partition, Refusal};

/// The chore of learning, in the table `chores`.
const CHORE: &str = "recipes";

/// A pair that is certain for other reasons than a recipe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertainPair {
    /// Whose it is.
    pub customer: CustomerId,
    /// The upload's file.
    pub original: Digest,
    /// The thumbnail's file.
    pub thumbnail: Digest,
    /// What made it certain: `digest`, `bytes`, `person` or `name`; or [`LIKELY`].
    pub method: String,
}

/// What is said of a pair that nothing but its pixels speaks for; see [`Tx::likely_pairs`].
pub const LIKELY: &str = "likely";
/// A likely pair fits at least this well, as a residual...
const LIKELY_Z_MAX: f32 = 2.5;
/// ...no other picture fits the thumbnail better than this...
const LIKELY_RIVAL_Z_MIN: f32 = 6.0;
/// ...and there is so much to see on it, in levels of contrast.
const LIKELY_DETAIL_MIN: f32 = 20.0;

/// What was learned of one partition.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionRecipes {
    /// The thumbnails meant.
    pub partition: Partition,
    /// Digest over the pairs that it was learned from.
    pub pairs: Digest,
    /// Best first; empty when nothing could be learned.
    pub learned: Vec<Learned>,
    /// Why nothing was learned, in words.
    pub refusal: Option<String>,
}

/// The text of a partition in the schema; one text for one partition.
pub(super) fn partition_text(partition: &Partition) -> String {
    // Plain numbers and names always have a text.
    serde_json::to_string(partition).unwrap_or_default()
}

fn partition_of(text: &str) -> Result<Partition, Error> {
    serde_json::from_str(text)
        .map_err(|error| Error::Damaged(format!("a thumbnail's partition cannot be read: {error}")))
}

impl Tx<'_> {
    /// Everything that was learned, in the order of the partitions' texts.
    ///
    /// # Errors
    /// When the catalogue fails or holds what this program cannot read.
    pub fn recipes(&self) -> Result<Vec<PartitionRecipes>, Error> {
        self.rows("SELECT partition, pairs, learned, refusal FROM recipes ORDER BY partition", [], |row| {
            let damaged = |error: serde_json::Error| Error::Damaged(format!("a recipe cannot be read: {error}"));
            Ok(PartitionRecipes {
                partition: serde_json::from_str(&row.get::<String>(0)?).map_err(damaged)?,
                pairs: Digest(row.get(1)?),
                learned: serde_json::from_str(&row.get::<String>(2)?).map_err(damaged)?,
                refusal: row.get(3)?,
            })
        })
    }

    /// The pairs that stand for other reasons than a recipe, by the partition of their thumbnail.
    ///
    /// # Errors
    /// When the catalogue fails or holds what this program cannot read.
    pub fn certain_pairs(&self) -> Result<BTreeMap<Partition, Vec<CertainPair>>, Error> {
        let rows = self.rows(
            "SELECT t.partition, c.customer, b.digest, t.digest, c.method FROM candidates c \
             JOIN images i ON i.id = c.image JOIN blobs b ON b.id = i.blob JOIN thumbnails t ON t.record = c.record \
             WHERE c.verdict = 'attach' AND c.method IN ('digest', 'bytes', 'person', 'name') \
             AND t.partition IS NOT NULL AND t.digest IS NOT NULL ORDER BY c.id, t.id",
            [],
            |row| {
                let pair = CertainPair {
                    customer: CustomerId(row.get(1)?),
                    original: Digest(row.get(2)?),
                    thumbnail: Digest(row.get(3)?),
                    method: row.get(4)?,
                };
                Ok((row.get::<String>(0)?, pair))
            },
        )?;
        let mut pairs: BTreeMap<Partition, Vec<CertainPair>> = BTreeMap::new();
        for (text, pair) in rows {
            pairs.entry(partition_of(&text)?).or_default().push(pair);
        }
        Ok(pairs)
    }

    /// The pairs of which the pixels leave little doubt, by the partition of their thumbnail: a thumbnail with plenty to see
    /// on it, an upload that fits it, and no other that comes near. They prove nothing by themselves; a recipe that explains
    /// many of them to the rounding does. What was decided about them plays no part.
    ///
    /// # Errors
    /// When the catalogue fails or holds what this program cannot read.
    pub fn likely_pairs(&self) -> Result<BTreeMap<Partition, Vec<CertainPair>>, Error> {
        #[derive(Clone, Copy)]
        struct Best {
            z: f32,
            second_z: f32,
            detail: f32,
            customer: CustomerId,
            original: Digest,
        }
        let rows = self.rows(
            "SELECT c.image, c.record, c.distance, c.evidence, c.customer, b.digest FROM candidates c \
             JOIN images i ON i.id = c.image JOIN blobs b ON b.id = i.blob WHERE i.truncated = 0",
            [],
            |row| {
                let (customer, original) = (CustomerId(row.get(4)?), Digest(row.get(5)?));
                Ok((customer, original, super::facts::candidate_facts(row)?))
            },
        )?;
        let mut best: BTreeMap<(RecordId, Digest), Best> = BTreeMap::new();
        for (customer, original, candidate) in rows {
            for measured in candidate.measured {
                let Some(residual) = measured.residual else { continue };
                let new =
                    Best { z: residual.z(), second_z: f32::INFINITY, detail: residual.detail, customer, original };
                let known = best.entry((candidate.record, measured.thumbnail));
                known
                    .and_modify(|known| {
                        // Of equals the smaller digest, so that the order of rows does not matter.
                        if (new.z, new.original) < (known.z, known.original) {
                            known.second_z = known.z;
                            (known.z, known.detail, known.original) = (new.z, new.detail, new.original);
                        } else {
                            known.second_z = known.second_z.min(new.z);
                        }
                    })
                    .or_insert(new);
            }
        }
        let partitions = self.rows(
            "SELECT DISTINCT digest, partition FROM thumbnails WHERE digest IS NOT NULL AND partition IS NOT NULL",
            [],
            |row| Ok((Digest(row.get(0)?), row.get::<String>(1)?)),
        )?;
        let partitions: BTreeMap<Digest, String> = partitions.into_iter().collect();
        let mut pairs: BTreeMap<Partition, Vec<CertainPair>> = BTreeMap::new();
        for ((_, thumbnail), best) in best {
            let likely =
                best.z <= LIKELY_Z_MAX && best.second_z >= LIKELY_RIVAL_Z_MIN && best.detail >= LIKELY_DETAIL_MIN;
            if let Some(text) = partitions.get(&thumbnail).filter(|_| likely) {
                let Best { customer, original, .. } = best;
                pairs.entry(partition_of(text)?).or_default().push(CertainPair {
                    customer,
                    original,
                    thumbnail,
                    method: LIKELY.to_owned(),
                });
            }
        }
        Ok(pairs)
    }

    /// Notes what was learned of a partition from the pairs whose digest this is. Where that changes what is known, every
    /// record with a thumbnail that it may explain has changed for matching.
    ///
    /// # Errors
    /// When the catalogue fails or holds what this program cannot read.
    pub fn recipes_learned(
        &self,
        partition: &Partition,
        pairs: Digest,
        outcome: &Result<Vec<Learned>, Refusal>,
    ) -> Result<(), Error> {
        let known = self.recipes()?.into_iter().find(|known| known.partition == *partition);
        let learned = outcome.as_deref().unwrap_or_default();
        // Plain numbers and names always have a text.
        let text = serde_json::to_string(learned).unwrap_or_default();
        self.execute(
            "INSERT INTO recipes (id, partition, pairs, learned, refusal, learned_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (partition) DO UPDATE SET pairs = excluded.pairs, learned = excluded.learned, \
             refusal = excluded.refusal, learned_at = excluded.learned_at",
            (
                self.next_id("recipe")?,
                partition_text(partition),
                pairs.0.as_slice(),
                text,
                outcome.as_ref().err().map(ToString::to_string),
                Micros::now().0,
            ),
        )?;
        let before = known.map(|known| known.learned).unwrap_or_default();
        if before != learned { self.records_to_reproduce(partition) } else { Ok(()) }
    }

    /// Marks the records whose thumbnails a recipe of `partition` may explain as changed.
    fn records_to_reproduce(&self, partition: &Partition) -> Result<(), Error> {
        let texts = self.rows(
            "SELECT DISTINCT partition FROM thumbnails WHERE partition IS NOT NULL ORDER BY partition",
            [],
            |row| row.get::<String>(0),
        )?;
        let change = self.change_seq()?;
        for text in texts {
            let explained = serde_json::from_str(&text).is_ok_and(|other| partition.may_explain(&other));
            if !explained {
                continue;
            }
            let records = self.rows(
                "SELECT DISTINCT record FROM thumbnails WHERE partition = ?1 ORDER BY record",
                [text],
                |row| Ok(RecordId(row.get(0)?)),
            )?;
            for record in records {
                self.record_changed(record, change)?;
            }
        }
        Ok(())
    }

    /// Asks for the certain pairs to be looked at again.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn learning_wanted(&self) -> Result<(), Error> {
        self.execute("UPDATE chores SET dirty = dirty + 1 WHERE name = ?1", [CHORE])?;
        Ok(())
    }

    /// Takes back that the certain pairs are to be looked at.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn learning_unwanted(&self) -> Result<(), Error> {
        self.execute("UPDATE chores SET dirty = 0 WHERE name = ?1", [CHORE])?;
        Ok(())
    }

    /// The mark to give back to [`Tx::learning_done`], if the certain pairs are to be looked at.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn learning_due(&self) -> Result<Option<i64>, Error> {
        self.first("SELECT dirty FROM chores WHERE name = ?1 AND dirty > 0", [CHORE], |row| row.get(0))
    }

    /// Notes that everything up to `mark` has been learned; what was asked for since stays.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn learning_done(&self, mark: i64) -> Result<(), Error> {
        self.execute("UPDATE chores SET dirty = 0 WHERE name = ?1 AND dirty = ?2", (CHORE, mark))?;
        Ok(())
    }
}
