//! Telling others what happened: programs by webhook, customers by mail.
//!
//! Owns what goes out of the server by itself. What there is to tell are rows of the catalogue, written by whoever did it; here
//! they are only carried out, at their own pace, so that a receiver that is slow or away keeps nothing else waiting.

pub mod mail;
pub mod webhook;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::catalogue::{self, Catalogue};
use mail::Postman;

/// How often it is looked whether there is something to tell.
const LOOK: Duration = Duration::from_millis(500);

/// How long a receiver that is just being told may take once the server stops.
const DRAIN: Duration = Duration::from_secs(2);

/// The threads that tell, until they are stopped.
pub struct Notifying {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// Starts them. Without a postman no mail is sent.
///
/// # Errors
/// When the system has no threads for them.
pub fn start(catalogue: Arc<Catalogue>, postman: Option<Postman>) -> std::io::Result<Notifying> {
    let stop = Arc::new(AtomicBool::new(false));
    let client = webhook::Client::new();
    let mut threads = vec![thread("webhooks", &catalogue, &stop, move |catalogue, stopping| {
        webhook::deliver_due(catalogue, &client, stopping)
    })?];
    if let Some(mut postman) = postman {
        let send = move |catalogue: &Catalogue, stopping: &AtomicBool| postman.send_due(catalogue, stopping);
        threads.push(thread("mail", &catalogue, &stop, send)?);
    }
    Ok(Notifying { stop, threads })
}

/// A thread that tells what is due, again and again.
fn thread(
    name: &'static str,
    catalogue: &Arc<Catalogue>,
    stop: &Arc<AtomicBool>,
    mut tell: impl FnMut(&Catalogue, &AtomicBool) -> Result<(), catalogue::Error> + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    let (catalogue, stopping) = (Arc::clone(catalogue), Arc::clone(stop));
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        while !stopping.load(Ordering::SeqCst) {
            if let Err(error) = tell(&catalogue, &stopping) {
                tracing::error!("cannot look for what is to be told ({name}): {error}");
            }
            std::thread::park_timeout(LOOK);
        }
    })
}

impl Notifying {
    /// Stops after what is being told. Whom that takes too long is told again after the next start.
    pub fn stop(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.threads.iter().for_each(|thread| thread.thread().unpark());
        let begin = Instant::now();
        while self.threads.iter().any(|thread| !thread.is_finished()) && begin.elapsed() < DRAIN {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
