//! What comes first when processors are scarce: receiving, before deciding.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How far what decides stands back, as a nice value: Linux gives it about a quarter of a processor that something else
/// wants (`sched(7)`), and all of one that nothing wants. Less would let a decoder run out of its time on a busy machine.
const STEP_BACK: i32 = 5;

/// Acknowledgements are counted over slices of this length.
const SLICE: Duration = Duration::from_millis(100);

/// From so many acknowledgements in a slice on, small files come in as fast as this machine takes them.
const RUSH: u32 = 5;

/// In a rush, what decides rests this many times as long as it worked: each of its steps takes the catalogue's writer, the disk
/// and the processor's caches from files whose senders wait.
const REST_FACTOR: u32 = 8;

/// The longest rest, after which the rush may be over.
const REST_MAX: Duration = Duration::from_millis(250);

/// Lets the calling thread, and every process that it starts from now on, run behind everything of ordinary priority.
///
/// A customer who uploads waits for an answer to each file; nobody waits for a decision that closely.
pub fn step_back() {
    // Linux keeps the value for each thread, although POSIX has it for the process.
    if let Err(error) = rustix::process::setpriority_process(None, STEP_BACK) {
        tracing::debug!("deciding runs at the priority of receiving: {error}");
    }
}

/// Acknowledgements of this process.
static RECEIVED: Mutex<Option<Received>> = Mutex::new(None);

#[derive(Clone, Copy)]
struct Received {
    slice_began: Instant,
    in_slice: u32,
    in_last: u32,
}

impl Received {
    fn none(now: Instant) -> Self {
        Received { slice_began: now, in_slice: 0, in_last: 0 }
    }

    /// What it is at `now`, when slices may have passed in which nothing came.
    fn at(self, now: Instant) -> Self {
        match now.duration_since(self.slice_began) {
            age if age < SLICE => self,
            age if age < 2 * SLICE => {
                Received { slice_began: self.slice_began + SLICE, in_slice: 0, in_last: self.in_slice }
            }
            _ => Received::none(now),
        }
    }

    fn is_rush(self) -> bool {
        self.in_slice >= RUSH || self.in_last >= RUSH
    }
}

/// Notes that a file was acknowledged.
pub fn received() {
    let now = Instant::now();
    // It is replaced as a whole, so a panic elsewhere leaves it usable.
    let mut received = RECEIVED.lock().unwrap_or_else(PoisonError::into_inner);
    let mut counted = received.unwrap_or_else(|| Received::none(now)).at(now);
    counted.in_slice += 1;
    *received = Some(counted);
}

/// Lets the calling thread, which has worked on deciding for `worked`, rest while many small files come in. Large files
/// come too seldom for that, and whoever sends over a slow line never meets it.
pub fn rest_in_a_rush(worked: Duration) {
    let received = *RECEIVED.lock().unwrap_or_else(PoisonError::into_inner);
    if received.is_some_and(|received| received.at(Instant::now()).is_rush()) {
        std::thread::sleep((worked * REST_FACTOR).min(REST_MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rush_is_many_files_a_moment_ago() {
        let begin = Instant::now();
        let mut received = Received::none(begin);
        received.in_slice = RUSH;
        assert!(received.is_rush());
        assert!(received.at(begin + SLICE).is_rush(), "the slice before counts");
        assert!(!received.at(begin + 2 * SLICE).is_rush());
        received.in_slice = RUSH - 1;
        assert!(!received.is_rush());
    }
}
