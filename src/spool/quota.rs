//! What one customer may keep here: bytes and files, each version counted, since each is kept.
//!
//! What a customer has is added up once and then carried along; every few seconds it is added up again, for what other
//! processes did. A transfer is held against it while it grows, and once more at its end, where it counts exactly. Files
//! that the operator brings (`scan`, the inbox) count, and are never refused.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Endpoint, Spool};
use crate::catalogue::Kept;
use crate::domain::CustomerId;
use crate::tree::{OverQuota, TreeError};

/// How long what was added up is used.
const FRESH: Duration = Duration::from_secs(10);

/// What a customer may keep; nothing = as much as there is room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Bytes of all uploads together.
    pub bytes: Option<u64>,
    /// Uploads.
    pub files: Option<u64>,
}

impl Quota {
    fn is_none(self) -> bool {
        self == Quota::default()
    }
}

/// What each customer has, as far as it was asked for.
#[derive(Default)]
pub(super) struct Usages(Mutex<HashMap<CustomerId, Usage>>);

#[derive(Clone, Copy)]
struct Usage {
    quota: Quota,
    /// What the catalogue said, and what has come since.
    kept: Kept,
    /// What is about to become an upload.
    reserved: Kept,
    at: Instant,
}

impl Usages {
    /// Each change under this lock is made of whole numbers that belong together only within one statement.
    fn lock(&self) -> MutexGuard<'_, HashMap<CustomerId, Usage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spool {
    /// What `customer` may still send; running transfers and partials count with what has come of them.
    ///
    /// # Errors
    /// When the catalogue fails.
    pub fn room(&self, customer: CustomerId) -> Result<Quota, TreeError> {
        self.room_beside(customer, None)
    }

    /// Refuses a transfer that could not take in a single byte, or would be one file too many.
    pub(super) fn require_room(&self, customer: CustomerId, endpoint: Endpoint) -> Result<(), TreeError> {
        if is_operators(endpoint) {
            return Ok(());
        }
        let (room, usage) = (self.room(customer)?, self.usage(customer)?);
        match (room.bytes, room.files) {
            (_, Some(0)) => Err(OverQuota::Files(usage.quota.files.unwrap_or(0)).into()),
            (Some(0), _) => Err(OverQuota::Bytes(usage.quota.bytes.unwrap_or(0)).into()),
            _ => Ok(()),
        }
    }

    /// Whether it is known of `customer`, without looking, that there is no quota.
    pub(super) fn has_no_quota(&self, customer: CustomerId) -> bool {
        let usages = self.usages.lock();
        usages.get(&customer).is_some_and(|usage| usage.quota.is_none() && usage.at.elapsed() < FRESH)
    }

    /// How long the running transfer `number` may become, in bytes.
    pub(super) fn length_max(
        &self,
        customer: CustomerId,
        endpoint: Endpoint,
        number: u64,
    ) -> Result<Option<(u64, OverQuota)>, TreeError> {
        if is_operators(endpoint) {
            return Ok(None);
        }
        let room = self.room_beside(customer, Some(number))?;
        let max = self.usage(customer)?.quota.bytes;
        Ok(room.bytes.zip(max).map(|(room, max)| (room, OverQuota::Bytes(max))))
    }

    /// Takes room for one upload of `bytes`, until what is returned is told how it went.
    pub(super) fn reserve(
        self: &Arc<Self>,
        customer: CustomerId,
        endpoint: Endpoint,
        bytes: u64,
    ) -> Result<Reserved, TreeError> {
        self.usage(customer)?;
        let mut usages = self.usages.lock();
        if let Some(usage) = usages.get_mut(&customer) {
            let (kept, reserved) = (usage.kept, usage.reserved);
            let over = |max: Option<u64>, have: u64| max.filter(|max| have > *max);
            if !is_operators(endpoint) {
                if let Some(max) = over(usage.quota.files, kept.files + reserved.files + 1) {
                    return Err(OverQuota::Files(max).into());
                }
                if let Some(max) =
                    over(usage.quota.bytes, kept.bytes.saturating_add(reserved.bytes).saturating_add(bytes))
                {
                    return Err(OverQuota::Bytes(max).into());
                }
            }
            usage.reserved.files += 1;
            usage.reserved.bytes = reserved.bytes.saturating_add(bytes);
        }
        Ok(Reserved { spool: Arc::clone(self), customer, bytes, became_upload: false })
    }

    fn room_beside(&self, customer: CustomerId, number: Option<u64>) -> Result<Quota, TreeError> {
        let usage = self.usage(customer)?;
        if usage.quota.is_none() {
            return Ok(Quota::default());
        }
        let (mut bytes, mut running_partials) = (usage.kept.bytes, HashSet::new());
        for (other, open) in self.running().iter().filter(|(_, open)| open.customer() == customer) {
            running_partials.extend(open.partial());
            if Some(*other) != number {
                bytes = bytes.saturating_add(open.size());
            }
        }
        for partial in self.catalogue.read(|tx| tx.partials_of_customer(customer))? {
            if !running_partials.contains(&partial.id) {
                bytes = bytes.saturating_add(self.length_of(&partial.spool_file));
            }
        }
        let files = usage.kept.files + usage.reserved.files;
        Ok(Quota {
            bytes: usage.quota.bytes.map(|max| max.saturating_sub(bytes)),
            files: usage.quota.files.map(|max| max.saturating_sub(files)),
        })
    }

    /// What the customer may have and has. Added up only for those who have a quota.
    fn usage(&self, customer: CustomerId) -> Result<Usage, TreeError> {
        if let Some(usage) = self.usages.lock().get(&customer)
            && usage.at.elapsed() < FRESH
        {
            return Ok(*usage);
        }
        let (quota, kept) = self.catalogue.read(|tx| -> Result<_, TreeError> {
            let own = tx.customer_limits(customer)?;
            let general = self.settings.quota;
            let quota = Quota { bytes: own.quota_bytes.or(general.bytes), files: own.quota_files.or(general.files) };
            let kept = if quota.is_none() { Kept::default() } else { tx.customer_kept(customer)? };
            Ok((quota, kept))
        })?;
        let mut usages = self.usages.lock();
        let reserved = usages.get(&customer).map_or_else(Kept::default, |usage| usage.reserved);
        let usage = Usage { quota, kept, reserved, at: Instant::now() };
        usages.insert(customer, usage);
        Ok(usage)
    }
}

/// Room taken for one upload; given back when it is dropped, unless it became one.
pub(super) struct Reserved {
    spool: Arc<Spool>,
    customer: CustomerId,
    bytes: u64,
    became_upload: bool,
}

impl Reserved {
    /// The upload is in the catalogue.
    pub(super) fn became_upload(mut self) {
        self.became_upload = true;
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(usage) = self.spool.usages.lock().get_mut(&self.customer) {
            usage.reserved.files = usage.reserved.files.saturating_sub(1);
            usage.reserved.bytes = usage.reserved.bytes.saturating_sub(self.bytes);
            if self.became_upload {
                usage.kept.files += 1;
                usage.kept.bytes = usage.kept.bytes.saturating_add(self.bytes);
            }
        }
    }
}

/// Whether the shop itself brings the file.
fn is_operators(endpoint: Endpoint) -> bool {
    matches!(endpoint, Endpoint::Scan | Endpoint::Inbox)
}

#[cfg(test)]
mod tests {
    use crate::spool::scratch::{ALICE, BOB, Scratch, path};
    use crate::spool::{Endpoint, Quota, Settings, Start};
    use crate::tree::{OverQuota, TreeError};

    fn with_quota(bytes: Option<u64>, files: Option<u64>) -> Scratch {
        Scratch::with(Settings { min_free: Some(0), quota: Quota { bytes, files }, ..Settings::default() })
    }

    #[track_caller]
    fn assert_over<T>(outcome: Result<T, TreeError>, wanted: OverQuota) {
        assert!(matches!(outcome, Err(TreeError::OverQuota(over)) if over == wanted));
    }

    #[test]
    fn bytes_are_counted_over_all_versions_and_partials() {
        let scratch = with_quota(Some(100), None);
        scratch.put("a", &[1; 40]).unwrap();
        scratch.put("a", &[2; 40]).unwrap();
        assert_eq!(scratch.spool.room(ALICE).unwrap(), Quota { bytes: Some(20), files: None });
        assert_over(scratch.put("b", &[3; 21]), OverQuota::Bytes(100));
        assert_eq!(scratch.spool.room(ALICE).unwrap().bytes, Some(20), "nothing is left of what was refused");
        scratch.cut("c", Start::New, &[4; 15]);
        assert_eq!(scratch.spool.room(ALICE).unwrap().bytes, Some(5));
        assert_over(scratch.put("d", &[5; 6]), OverQuota::Bytes(100));
        let mut resumed = scratch.begin("c", Start::Append).unwrap();
        resumed.write(&[4; 5]).unwrap();
        assert_over(resumed.write(&[4; 1]), OverQuota::Bytes(100));
        drop(resumed);
        scratch.begin("c", Start::New).map(|_| ()).unwrap_err();
        assert_eq!(scratch.count("uploads"), 2);
        scratch.spool.begin(BOB, &path("a"), Endpoint::Ftp, Start::New).unwrap().write(&[1; 100]).unwrap();
    }

    #[test]
    fn files_are_counted_and_removing_a_name_gives_none_back() {
        let scratch = with_quota(None, Some(2));
        scratch.put("a", b"1").unwrap();
        scratch.put("b", b"2").unwrap();
        scratch.tree().remove_file(&path("a")).unwrap();
        assert_over(scratch.put("c", b"3"), OverQuota::Files(2));
        assert_eq!(scratch.count("uploads"), 2);
    }

    #[test]
    fn transfers_at_the_same_time_share_the_room() {
        let scratch = with_quota(Some(100), Some(3));
        let mut running: Vec<_> = (0..4).map(|n| scratch.begin(&format!("{n}"), Start::New).unwrap()).collect();
        for incoming in &mut running {
            incoming.write(&[0; 20]).unwrap();
        }
        assert_over(running[0].write(&[0; 21]), OverQuota::Bytes(100));
        let ends: Vec<bool> = running.into_iter().skip(1).map(|incoming| incoming.finish().is_ok()).collect();
        assert_eq!(ends, [true, true, true]);
        assert_eq!(scratch.spool.room(ALICE).unwrap().files, Some(0));
    }

    #[test]
    fn the_end_counts_exactly() {
        let scratch = with_quota(None, Some(1));
        let first = scratch.begin("a", Start::New).unwrap();
        let second = scratch.begin("b", Start::New).unwrap();
        first.finish().unwrap();
        assert_over(second.finish(), OverQuota::Files(1));
        assert_eq!((scratch.count("uploads"), scratch.spool_files().len()), (1, 1));
    }

    #[test]
    fn one_customer_may_have_more_than_the_others() {
        let scratch = with_quota(Some(10), None);
        scratch.sql("UPDATE customers SET quota_bytes = 1000, quota_files = 1 WHERE id = 1");
        scratch.put("a", &[0; 900]).unwrap();
        assert_eq!(scratch.spool.room(ALICE).unwrap(), Quota { bytes: Some(100), files: Some(0) });
        let mut bobs = scratch.spool.begin(BOB, &path("a"), Endpoint::Ftp, Start::New).unwrap();
        assert_over(bobs.write(&[0; 11]), OverQuota::Bytes(10));
    }

    #[test]
    fn what_the_operator_brings_is_never_refused_and_counts() {
        let scratch = with_quota(Some(10), Some(1));
        for name in ["a", "b"] {
            scratch.spool.receive_from(ALICE, &path(name), Endpoint::Inbox, &mut &[0; 11][..], None).unwrap();
        }
        assert_over(scratch.put("c", b""), OverQuota::Files(1));
    }

    #[test]
    fn without_a_quota_nothing_is_added_up() {
        let scratch = Scratch::new();
        scratch.put("a", &[0; 11]).unwrap();
        assert_eq!(scratch.spool.room(ALICE).unwrap(), Quota::default());
    }
}
