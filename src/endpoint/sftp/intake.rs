//! Requests between the line and the files: a queue bounded in bytes.
//!
//! russh hands over what arrives from the same task that sends what we answer. So whoever takes bytes from it must never
//! stop for good while an answer waits to be sent, or both would wait for each other. Therefore: while requests are being
//! worked on, a full queue holds the line back; while an answer cannot be sent, the queue grows up to a hard limit, and
//! a client that goes on asking without reading answers beyond that ends its own session.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::protocol::Malformed;

/// What a queued packet costs beside its bytes: its place in the queue and the allocator's.
const PACKET_COST: usize = 48;

/// Windows full of requests that may wait while the client does not read its answers. Some clients ask for a whole file
/// before they read the first answer: with 8 MiB this is about 400,000 requests, or 13 GB.
const UNREAD_WINDOWS: usize = 4;

/// Why no more requests come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The client has said so, or its connection is gone.
    Client,
    /// What came cannot be understood.
    Malformed(Malformed),
    /// The client asks more and more and reads no answers.
    Unread,
}

/// The queue.
#[derive(Default)]
pub(super) struct Intake {
    state: Mutex<State>,
    arrived: Notify,
    room: Notify,
}

#[derive(Default)]
struct State {
    packets: VecDeque<Vec<u8>>,
    cost: usize,
    end: Option<End>,
    answering: bool,
}

impl Intake {
    /// Puts a packet in. Waits while `window` bytes wait already and work goes on.
    ///
    /// # Errors
    /// [`End::Unread`] when the hard limit is reached.
    pub async fn push(&self, packet: Vec<u8>, window: usize) -> Result<(), End> {
        loop {
            {
                let mut state = self.lock();
                if state.cost < window || (state.answering && state.cost < window * UNREAD_WINDOWS) {
                    state.cost += cost(&packet);
                    state.packets.push_back(packet);
                    self.arrived.notify_one();
                    return Ok(());
                }
                if state.answering {
                    return Err(End::Unread);
                }
            }
            // There is one producer, so a wake-up that comes before this line is kept for it.
            self.room.notified().await;
        }
    }

    /// Says that no more packets come.
    pub fn end(&self, end: End) {
        self.lock().end = Some(end);
        self.arrived.notify_one();
    }

    /// Resolves once there is a packet or the end. Losing this future loses nothing.
    pub async fn ready(&self) {
        loop {
            {
                let state = self.lock();
                if !state.packets.is_empty() || state.end.is_some() {
                    return;
                }
            }
            self.arrived.notified().await;
        }
    }

    /// The next packet.
    pub fn pop(&self) -> Option<Vec<u8>> {
        let mut state = self.lock();
        let packet = state.packets.pop_front()?;
        state.cost -= cost(&packet);
        self.room.notify_one();
        Some(packet)
    }

    /// Puts the packet that was popped last back to the front.
    pub fn put_back(&self, packet: Vec<u8>) {
        let mut state = self.lock();
        state.cost += cost(&packet);
        state.packets.push_front(packet);
    }

    /// Why no more packets come, once all have been taken.
    pub fn ended(&self) -> Option<End> {
        let state = self.lock();
        state.end.filter(|_| state.packets.is_empty())
    }

    /// Says whether an answer waits to be sent.
    pub fn set_answering(&self, answering: bool) {
        self.lock().answering = answering;
        self.room.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock was held leaves a queue that is still a queue.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cost(packet: &[u8]) -> usize {
    packet.len() + PACKET_COST
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_full_queue_holds_the_line_until_there_is_room() {
        let intake = Arc::new(Intake::default());
        intake.push(vec![1; 100], 100).await.unwrap();
        let second = tokio::spawn({
            let intake = Arc::clone(&intake);
            async move { intake.push(vec![2; 100], 100).await }
        });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        assert_eq!(intake.pop(), Some(vec![1; 100]));
        second.await.unwrap().unwrap();
        assert_eq!(intake.pop(), Some(vec![2; 100]));
        intake.end(End::Client);
        intake.ready().await;
        assert_eq!(intake.ended(), Some(End::Client));
    }

    #[tokio::test]
    async fn requests_are_taken_while_an_answer_waits_but_not_without_end() {
        let intake = Intake::default();
        intake.set_answering(true);
        let mut taken = 0;
        while intake.push(vec![0; 52], 1000).await.is_ok() {
            taken += 1;
        }
        assert_eq!(taken, 40);
    }

    #[test]
    fn a_packet_put_back_comes_first_again() {
        let intake = Intake::default();
        intake.put_back(vec![2]);
        intake.put_back(vec![1]);
        intake.end(End::Client);
        assert_eq!(intake.ended(), None, "what has come is served first");
        assert_eq!((intake.pop(), intake.pop(), intake.pop()), (Some(vec![1]), Some(vec![2]), None));
        assert_eq!(intake.ended(), Some(End::Client));
    }
}
