//! What is known of how the shop made its thumbnails, and the certain pairs that it is learned from.
//!
//! This is the only knowledge that customers share: parameters of software, never pixels, fingerprints or counts.

use std::collections::BTreeMap;

use super::{Error, Tx, text_of};
use crate::domain::{CustomerId, Digest, Micros, RecordId};
use crate::matcher::facts::{CandidateFacts, Measured};
use crate::matcher::verify::Residual;
use crate::recipe::{Learned, Partition, Refusal, Watch};

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
    /// What the shop calls the record.
    pub record: String,
    /// What made it certain: `digest`, `bytes` or `person`; `likely` for a pair that is not.
    pub method: String,
}

/// A pair of an upload and a thumbnail as it was measured, whatever was decided about it.
#[derive(Clone, Debug, PartialEq)]
pub struct MeasuredPair {
    /// Whose it is.
    pub customer: CustomerId,
    /// Whose thumbnail it is.
    pub record: RecordId,
    /// What the shop calls that record.
    pub name: String,
    /// The upload's file.
    pub original: Digest,
    /// The thumbnail's file.
    pub thumbnail: Digest,
    /// What was left.
    pub residual: Residual,
}

/// What was learned of one partition, or of the engines that the shop uses at all.
#[derive(Clone, Debug, PartialEq)]
pub struct PartitionRecipes {
    /// The thumbnails meant; nothing for all whose own partition does not tell enough.
    pub partition: Option<Partition>,
    /// Digest over the pairs that it was learned from.
    pub pairs: Digest,
    /// Best first; empty when nothing could be learned.
    pub learned: Vec<Learned>,
    /// Why nothing was learned, or why what was learned proves nothing any more; in words.
    pub refusal: Option<String>,
}

impl PartitionRecipes {
    /// Whether something was learned that does not hold any more.
    pub fn is_withheld(&self) -> bool {
        self.refusal.is_some() && !self.learned.is_empty()
    }
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

    /// The pairs that stand for reasons that no recipe overtakes, by the partition of their thumbnail.
    ///
    /// # Errors
    /// When the catalogue fails or holds what this program cannot read.
    pub fn certain_pairs(&self) -> Result<BTreeMap<Partition, Vec<CertainPair>>, Error> {
        let rows = self.rows(
            "SELECT t.partition, c.customer, b.digest, t.digest, c.method, r.name FROM candidates c \
             JOIN images i ON i.id = c.image JOIN blobs b ON b.id = i.blob JOIN thumbnails t ON t.record = c.record \
             JOIN records r ON r.id = c.record WHERE c.proven = 1 AND c.method IN ('digest', 'bytes', 'person') \
             AND t.partition IS NOT NULL AND t.digest IS NOT NULL ORDER BY c.id, t.id",
            [],
            |row| {
                let pair = CertainPair {
                    customer: CustomerId(row.get(1)?),
                    original: Digest(row.get(2)?),
                    thumbnail: Digest(row.get(3)?),
                    method: row.get(4)?,
                    record: row.get(5)?,
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

    /// Every pair whose pixels were compared, files that break off left out.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn measured_pairs(&self) -> Result<Vec<MeasuredPair>, Error> {
        let candidates = self.rows(
            "SELECT c.image, c.record, c.distance, c.evidence, c.customer, b.digest, r.name FROM candidates c \
             JOIN images i ON i.id = c.image JOIN blobs b ON b.id = i.blob JOIN records r ON r.id = c.record \
             WHERE i.truncated = 0 ORDER BY c.id",
            [],
            |row| {
                let (customer, original) = (CustomerId(row.get(4)?), Digest(row.get(5)?));
                Ok((customer, original, row.get(6)?, super::facts::candidate_facts(row)?))
            },
        )?;
        let of_candidate = |(customer, original, name, candidate): (CustomerId, Digest, String, CandidateFacts)| {
            let record = candidate.record;
            candidate.measured.into_iter().filter_map(move |measured| {
                let (thumbnail, residual) = (measured.thumbnail, measured.residual?);
                Some(MeasuredPair { customer, record, name: name.clone(), original, thumbnail, residual })
            })
        };
        Ok(candidates.into_iter().flat_map(of_candidate).collect())
    }

    /// How the recipes do on the last pairs that recorded digests and lengths make certain, by the partition of the
    /// thumbnail. What a person accepted does not count: people are asked about what recipes leave.
    ///
    /// # Errors
    /// When the catalogue fails or holds what this program cannot read.
    pub fn watches(&self) -> Result<BTreeMap<Partition, Watch>, Error> {
        let rows = self.rows(
            "SELECT c.image, c.record, c.distance, c.evidence, r.name, t.partition, t.digest FROM candidates c \
             JOIN records r ON r.id = c.record JOIN thumbnails t ON t.record = c.record \
             WHERE c.proven = 1 AND c.method IN ('digest', 'bytes') \
             AND t.partition IS NOT NULL AND t.digest IS NOT NULL ORDER BY c.id, t.id",
            [],
            |row| {
                let (name, partition) = (row.get::<String>(4)?, row.get::<String>(5)?);
                let thumbnail = Digest(row.get(6)?);
                Ok((name, partition, thumbnail, super::facts::candidate_facts(row)?))
            },
        )?;
        let mut pairs: BTreeMap<Partition, Vec<(String, bool)>> = BTreeMap::new();
        for (name, partition, thumbnail, candidate) in rows {
            let partition = partition_of(&partition)?;
            // Where no recipe was known yet, nothing was tried.
            let tried = candidate.measured.iter().find(|one| one.thumbnail == thumbnail && one.known != 0);
            let long_side_px = partition.long_side_px as usize;
            let explained = |one: &Measured| one.fit.is_some_and(|fit| fit.is_reproduced(long_side_px));
            let explained = tried.map(|one| (name, explained(one)));
            pairs.entry(partition).or_default().extend(explained);
        }
        Ok(pairs.into_iter().map(|(partition, pairs)| (partition, Watch::of(pairs))).collect())
    }

    /// Notes why the recipes of a partition prove nothing any more, or that they do. Every record with a thumbnail that they
    /// may explain has changed for matching.
    ///
    /// # Errors
    /// When the catalogue fails or holds what this program cannot read.
    pub fn recipes_withheld(&self, partition: &Partition, reason: Option<&str>) -> Result<(), Error> {
        self.execute(
            "UPDATE recipes SET refusal = ?2 WHERE partition = ?1",
            (text_of(&Some(partition))?, reason.map(str::to_owned)),
        )?;
        self.records_to_reproduce(Some(partition))
    }

    /// The partition of each thumbnail's file.
    ///
    /// # Errors
    /// When the catalogue fails or holds what this program cannot read.
    pub fn partitions(&self) -> Result<BTreeMap<Digest, Partition>, Error> {
        let rows = self.rows(
            "SELECT DISTINCT digest, partition FROM thumbnails WHERE digest IS NOT NULL AND partition IS NOT NULL",
            [],
            |row| Ok((Digest(row.get(0)?), partition_of(&row.get::<String>(1)?)?)),
        )?;
        Ok(rows.into_iter().collect())
    }

    /// How many thumbnails each partition has.
    ///
    /// # Errors
    /// When the catalogue fails or holds what this program cannot read.
    pub fn thumbnails_by_partition(&self) -> Result<BTreeMap<Partition, u64>, Error> {
        let rows = self.rows(
            "SELECT partition, COUNT(*) FROM thumbnails WHERE partition IS NOT NULL GROUP BY partition",
            [],
            |row| Ok((partition_of(&row.get::<String>(0)?)?, row.get::<i64>(1)? as u64)),
        )?;
        Ok(rows.into_iter().collect())
    }

    /// Notes what was learned of a partition, or of all, from the pairs whose digest this is. Where that changes what is known, every
    /// record with a thumbnail that it may explain has changed for matching.
    ///
    /// # Errors
    /// When the catalogue fails or holds what this program cannot read.
    pub fn recipes_learned(
        &self,
        partition: Option<&Partition>,
        pairs: Digest,
        outcome: &Result<Vec<Learned>, Refusal>,
    ) -> Result<(), Error> {
        let known = self.recipes()?.into_iter().find(|known| known.partition.as_ref() == partition);
        let learned = outcome.as_deref().unwrap_or_default();
        self.execute(
            "INSERT INTO recipes (id, partition, pairs, learned, refusal, learned_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
             ON CONFLICT (partition) DO UPDATE SET pairs = excluded.pairs, learned = excluded.learned, \
             refusal = excluded.refusal, learned_at = excluded.learned_at",
            (
                self.next_id("recipe")?,
                text_of(&partition)?,
                pairs.0.as_slice(),
                text_of(&learned)?,
                outcome.as_ref().err().map(ToString::to_string),
                Micros::now().0,
            ),
        )?;
        let before = known.map(|known| known.learned).unwrap_or_default();
        if before == learned {
            return Ok(());
        }
        self.records_to_reproduce(partition)?;
        // Once it was tried on the certain pairs, it is seen whether it holds.
        self.learning_wanted()
    }

    /// Marks the records whose thumbnails a recipe of `partition`, or of all, may explain as changed.
    fn records_to_reproduce(&self, partition: Option<&Partition>) -> Result<(), Error> {
        let texts = self.rows(
            "SELECT DISTINCT partition FROM thumbnails WHERE partition IS NOT NULL ORDER BY partition",
            [],
            |row| row.get::<String>(0),
        )?;
        let change = self.change_seq()?;
        for text in texts {
            let explains = |other: &Partition| partition.is_none_or(|partition| partition.may_explain(other));
            if !explains(&partition_of(&text)?) {
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
