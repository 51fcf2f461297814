//! Whose turn it is: work read off the catalogue and dealt out one customer after the other, so that one customer's
//! hundred thousand files do not keep another's ten waiting.

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant};

use crate::catalogue::{self, Catalogue, Work};
use crate::domain::CustomerId;

/// Work taken from one customer at a time; small, so that a newcomer's turn comes soon.
const DEAL: usize = 8;

/// The catalogue is asked at least this often, because time alone can make work due.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// Work that waits and work that runs.
#[derive(Default)]
pub struct Backlog {
    waiting: VecDeque<(CustomerId, Work)>,
    running: HashSet<(CustomerId, Work)>,
    asked: Option<(i64, Instant)>,
}

impl Backlog {
    /// The next piece of work, or nothing when there is none that is not already running.
    pub fn take(&mut self, catalogue: &Catalogue) -> Result<Option<(CustomerId, Work)>, catalogue::Error> {
        if self.waiting.is_empty() {
            self.refill(catalogue)?;
        }
        let next = self.waiting.pop_front();
        self.running.extend(next);
        Ok(next)
    }

    /// A piece of work has ended, well or not.
    pub fn done(&mut self, work: (CustomerId, Work)) {
        self.running.remove(&work);
        if self.running.is_empty() {
            self.asked = None;
        }
    }

    /// Whether something of this customer waits or runs.
    pub fn is_busy_with(&self, customer: CustomerId) -> bool {
        self.running.iter().chain(&self.waiting).any(|(of, _)| *of == customer)
    }

    /// Whether nothing waits or runs.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }

    fn refill(&mut self, catalogue: &Catalogue) -> Result<(), catalogue::Error> {
        let version = catalogue.data_version()?;
        if self.asked.is_some_and(|(asked, at)| asked == version && at.elapsed() < ASK_AGAIN) {
            return Ok(());
        }
        self.asked = Some((version, Instant::now()));
        let mut hands: Vec<VecDeque<_>> = catalogue.read::<_, catalogue::Error>(|tx| {
            let mut hands = Vec::new();
            for customer in tx.customers_with_work()? {
                let work = tx.work_of(customer, DEAL + self.running.len())?;
                let free = work.into_iter().map(|work| (customer, work)).filter(|work| !self.running.contains(work));
                hands.push(free.take(DEAL).collect());
            }
            Ok(hands)
        })?;
        while hands.iter().any(|hand| !hand.is_empty()) {
            self.waiting.extend(hands.iter_mut().filter_map(VecDeque::pop_front));
        }
        Ok(())
    }
}
