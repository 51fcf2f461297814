//! One request at a time for each file, and the newest one wins: the connection of an older one may have died without a word.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedMutexGuard, watch};
use tokio::time::timeout;

use super::protocol::Refusal;
use crate::domain::TransferId;

/// How long a request waits for an older one to put away what it has.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// The files that requests are at.
#[derive(Default)]
pub(super) struct Running(Mutex<HashMap<TransferId, Arc<Seat>>>);

struct Seat {
    busy: Arc<tokio::sync::Mutex<()>>,
    /// How many have wanted this file.
    wanted: watch::Sender<u64>,
}

/// The right to work on a file, until dropped.
pub(super) struct Claim<'r> {
    running: &'r Running,
    id: TransferId,
    number: u64,
    wanted: watch::Receiver<u64>,
    _busy: Option<OwnedMutexGuard<()>>,
}

impl Running {
    /// Asks whoever is at the file to leave, and waits for that.
    pub(super) async fn claim(&self, id: TransferId) -> Result<Claim<'_>, Refusal> {
        let (busy, number, wanted) = {
            let mut seats = self.lock();
            let seat = seats
                .entry(id)
                .or_insert_with(|| Arc::new(Seat { busy: Arc::default(), wanted: watch::Sender::new(0) }));
            seat.wanted.send_modify(|count| *count += 1);
            let wanted = seat.wanted.subscribe();
            (Arc::clone(&seat.busy), *wanted.borrow(), wanted.clone())
        };
        // Made first, so that a wait which is given up leaves no seat behind.
        let mut claim = Claim { running: self, id, number, wanted, _busy: None };
        let busy = timeout(WAIT_MAX, busy.lock_owned()).await.map_err(|_| Refusal::busy())?;
        claim._busy = Some(busy);
        Ok(claim)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TransferId, Arc<Seat>>> {
        // A map stays a map, wherever a panic came.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim<'_> {
    /// Resolves once somebody newer wants the file.
    pub(super) async fn wanted(&mut self) {
        let mine = self.number;
        if self.wanted.wait_for(|count| *count > mine).await.is_err() {
            // The seat outlives its claims, so this cannot be; nobody else wants the file then.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut seats = self.running.lock();
        // Each claim has a receiver: with the last one the seat goes.
        if seats.get(&self.id).is_some_and(|seat| seat.wanted.receiver_count() == 1) {
            seats.remove(&self.id);
        }
    }
}
