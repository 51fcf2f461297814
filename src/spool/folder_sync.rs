//! One sync of the spool's folder for all names that came into it meanwhile.

use std::fs::File;
use std::io;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// A folder whose names several threads bring to the disk.
pub(super) struct FolderSync {
    folder: File,
    /// How many have asked.
    asked: AtomicU64,
    synced: Mutex<Synced>,
}

#[derive(Default)]
struct Synced {
    /// Everybody up to this number has an answer.
    answered: u64,
    /// For these it is a failure. Linux tells of one once: who asked before a sync that failed must not take a later one's
    /// success for his own.
    failed: Option<RangeInclusive<u64>>,
}

impl FolderSync {
    pub(super) fn new(folder: File) -> Self {
        FolderSync { folder, asked: AtomicU64::new(0), synced: Mutex::default() }
    }

    /// The folder.
    pub(super) fn folder(&self) -> &File {
        &self.folder
    }

    /// Returns once every name that was in the folder before this call is on the disk.
    ///
    /// # Errors
    /// When the disk failed.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.sync_by(|folder| folder.sync_all())
    }

    fn sync_by(&self, sync: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        // What is changed under it is changed after the sync, so a panic elsewhere leaves it usable.
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        if number <= synced.answered {
            let failed = synced.failed.as_ref().is_some_and(|failed| failed.contains(&number));
            return if failed { Err(io::Error::other("a sync for several files at once failed")) } else { Ok(()) };
        }
        let all = self.asked.load(Ordering::SeqCst);
        let done = sync(&self.folder);
        if done.is_err() {
            // Somebody of an earlier failure may not have his answer yet; who succeeded since then mostly has.
            let first = synced.failed.as_ref().map_or(synced.answered + 1, |failed| *failed.start());
            synced.failed = Some(first..=all);
        }
        synced.answered = all;
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    fn folder() -> FolderSync {
        FolderSync::new(File::open(std::env::temp_dir()).unwrap())
    }

    /// Runs `first`, and three calls that ask while it is under way; how many of these ran a sync of their own, and what they
    /// were told.
    fn beside(first: io::Result<()>) -> (u64, Vec<bool>, FolderSync) {
        let (folder, began, runs) = (folder(), Barrier::new(2), AtomicU64::new(0));
        let first = Mutex::new(Some(first));
        let ask = || {
            let sync = |_: &File| {
                runs.fetch_add(1, Ordering::SeqCst);
                first.lock().unwrap().take().unwrap_or(Ok(()))
            };
            folder.sync_by(sync).is_ok()
        };
        let told = std::thread::scope(|scope| {
            let leader = scope.spawn(|| {
                folder.sync_by(|_| {
                    began.wait();
                    // Until the others wait for the lock, of which nothing but their numbers can be seen.
                    while folder.asked.load(Ordering::SeqCst) < 4 {
                        std::thread::yield_now();
                    }
                    Ok(())
                })
            });
            began.wait();
            let others: Vec<_> = (0..3).map(|_| scope.spawn(ask)).collect();
            assert!(leader.join().unwrap().is_ok());
            others.into_iter().map(|other| other.join().unwrap()).collect()
        });
        (runs.into_inner(), told, folder)
    }

    #[test]
    fn who_asks_during_a_sync_shares_the_next_one() {
        let (runs, told, folder) = beside(Ok(()));
        assert_eq!((runs, told), (1, vec![true; 3]));
        folder.sync().unwrap();
    }

    #[test]
    fn a_failure_is_everybodys_who_asked_before_it_and_nobody_elses() {
        let (runs, told, folder) = beside(Err(io::ErrorKind::StorageFull.into()));
        assert_eq!((runs, told), (1, vec![false; 3]));
        folder.sync().unwrap();
    }
}
