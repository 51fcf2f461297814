//! The history of what was wrong: looked at again and again, and written down when it begins and when it is over.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{Condition, Error, Trouble};
use crate::catalogue;
use crate::domain::Micros;

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(5);

impl Condition {
    /// Writes down what has begun and what is over since the last look. What lasted when another server ended and is over by
    /// now ends now.
    ///
    /// # Errors
    /// When the catalogue fails, of which the log tells; there is nowhere else to write it.
    pub fn note_incidents(&self) -> Result<(), Error> {
        let troubles: Vec<&str> = self.troubles().into_iter().map(Trouble::word).collect();
        let open = self.catalogue.read(|tx| tx.incidents_open())?;
        let begun: Vec<&str> =
            troubles.iter().copied().filter(|word| !open.iter().any(|incident| incident.kind == *word)).collect();
        let over: Vec<i64> = open
            .iter()
            .filter(|incident| !troubles.contains(&incident.kind.as_str()))
            .map(|incident| incident.id)
            .collect();
        if begun.is_empty() && over.is_empty() {
            return Ok(());
        }
        for word in &begun {
            tracing::error!(incident = word, "something keeps the server from a part of its work");
        }
        let now = Micros::now();
        Ok(self.catalogue.write(move |tx| -> Result<(), catalogue::Error> {
            over.iter().try_for_each(|id| tx.incident_ends(*id, now))?;
            begun.iter().try_for_each(|word| tx.incident_begins(word, now))
        })?)
    }
}

/// Keeps the history until the server stops.
pub async fn watch(condition: Arc<Condition>, mut stopping: watch::Receiver<bool>) {
    loop {
        let condition = Arc::clone(&condition);
        match tokio::task::spawn_blocking(move || condition.note_incidents()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!("the history of incidents cannot be kept: {error}"),
            Err(error) => tracing::error!("looking for incidents failed: {error}"),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
    }
}
