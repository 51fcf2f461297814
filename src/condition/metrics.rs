//! The numbers for monitoring, in the text format of Prometheus (version 0.0.4).
//!
//! Names, labels and units follow its conventions: seconds and bytes, `_total` for what only grows. All of them are read off
//! the catalogue and the system when they are asked for, so nothing is counted twice and a restart loses no count; only what
//! has no rows (children that died, connections) begins anew with the process. A library would add a registry of numbers that
//! must agree with the rows; the format itself is a page.

use std::fmt::{Display, Write as _};
use std::sync::{Mutex, PoisonError};

use super::{Condition, Error, Trouble};
use crate::catalogue::{self, Received, RecordTally, Undecided};
use crate::domain::Micros;

/// What was read off the catalogue last, with its version: while nothing is committed it need not be read again.
#[derive(Default)]
pub(super) struct Kept(Mutex<Option<Counted>>);

#[derive(Clone, Default)]
struct Counted {
    version: i64,
    undecided: Undecided,
    oldest: Option<Micros>,
    received: Vec<Received>,
    last_upload: i64,
    standing: Vec<(String, u64)>,
    conflicts: u64,
    records: RecordTally,
    questions: u64,
    partials: u64,
}

impl Condition {
    /// All numbers as text. Reads the catalogue; for threads that may wait.
    ///
    /// # Errors
    /// When the catalogue or the disk cannot be asked.
    pub fn metrics(&self) -> Result<String, Error> {
        let counted = self.counted()?;
        let mut text = Text::default();
        text.family("reunite_build_info", "gauge", "The program that runs.");
        text.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
        self.work(&mut text, &counted);
        text.family("reunite_uploads_total", "counter", "Files received, each version counted, by endpoint.");
        for received in &counted.received {
            text.sample(&[("endpoint", &received.endpoint)], received.uploads);
        }
        text.family("reunite_upload_bytes_total", "counter", "Bytes received in whole files, by endpoint.");
        for received in &counted.received {
            text.sample(&[("endpoint", &received.endpoint)], received.bytes);
        }
        let RecordTally { missing, recovered, retired } = counted.records;
        text.family("reunite_records", "gauge", "Records by state.");
        for (state, count) in [("missing", missing), ("recovered", recovered), ("retired", retired)] {
            text.sample(&[("state", state)], count);
        }
        text.family("reunite_attachments", "gauge", "Originals that stand, by what proved them.");
        for (method, count) in &counted.standing {
            text.sample(&[("method", method)], count);
        }
        text.one(
            "reunite_attachment_conflicts",
            "Originals not put back, since something else lies there.",
            counted.conflicts,
        );
        text.one("reunite_review_records", "Records that wait for a person.", counted.questions);
        self.machine_numbers(&mut text)?;
        Ok(text.text)
    }

    fn work(&self, text: &mut Text, counted: &Counted) {
        let Undecided { uploads, held, thumbnails, images, customers, .. } = counted.undecided;
        let work = [("uploads", uploads), ("thumbnails", thumbnails), ("images", images), ("customers", customers)];
        text.family("reunite_undecided", "gauge", "What is still to be done, by kind of work.");
        for (kind, count) in work {
            text.sample(&[("kind", kind)], count);
        }
        text.one("reunite_uploads_held", "Uploads under a client's temporary name, which wait for their rename.", held);
        text.one(
            "reunite_transfers_unfinished",
            "Transfers that run or broke off and can be resumed.",
            counted.partials,
        );
        let age = counted.oldest.map_or(0, |oldest| (Micros::now().0 - oldest.0).max(0)) as f64 / 1e6;
        text.one("reunite_oldest_undecided_seconds", "Age of the oldest undecided upload; 0 when all is decided.", age);
    }

    fn machine_numbers(&self, text: &mut Text) -> Result<(), Error> {
        let troubles = self.troubles();
        text.family("reunite_store_up", "gauge", "1 while the store is there.");
        for (store, away) in [("blobs", Trouble::BlobsAway), ("originals", Trouble::OriginalsAway)] {
            text.sample(&[("store", store)], u8::from(!troubles.contains(&away)));
        }
        let machine = self.machine()?;
        text.one("reunite_disk_free_bytes", "Bytes that may still be written to the disk of the spool.", machine.free);
        text.one("reunite_disk_bytes", "Size of that disk.", machine.total);
        text.one(
            "reunite_disk_min_free_bytes",
            "Bytes that must stay free; below, new transfers are refused.",
            machine.min_free,
        );
        text.family("reunite_trouble", "gauge", "1 for what keeps the server from a part of its work.");
        for trouble in Trouble::ALL {
            text.sample(&[("kind", trouble.word())], u8::from(troubles.contains(&trouble)));
        }
        text.one("reunite_connections", "Connections of FTP and SFTP.", machine.connections);
        text.one("reunite_decode_children", "Processes that read pictures now.", machine.children);
        text.family(
            "reunite_decode_child_deaths_total",
            "counter",
            "Such processes that died or had to be killed, and were replaced, since the server began.",
        );
        text.sample(&[], machine.deaths);
        Ok(())
    }

    fn counted(&self) -> Result<Counted, Error> {
        // Asked before the rows are read: what is committed in between has another version, and is read again.
        let version = self.catalogue.data_version()?;
        let mut kept = self.kept.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counted) = kept.as_ref().filter(|counted| counted.version == version) {
            return Ok(counted.clone());
        }
        let before = kept.take().unwrap_or_default();
        let counted = self.catalogue.read(|tx| -> Result<Counted, catalogue::Error> {
            let (new, last_upload) = tx.received_behind(before.last_upload)?;
            Ok(Counted {
                version,
                undecided: tx.undecided(None)?,
                oldest: tx.oldest_undecided()?,
                received: sum(before.received, new),
                last_upload,
                standing: tx.attachments_by_method("standing")?,
                conflicts: tx.attachments_by_method("conflict")?.iter().map(|(_, count)| count).sum(),
                records: tx.record_tally()?,
                questions: tx.questions(None)?.unsigned_abs(),
                partials: tx.partials_count()?,
            })
        })?;
        Ok(kept.insert(counted).clone())
    }
}

/// Both together, by endpoint.
fn sum(mut all: Vec<Received>, new: Vec<Received>) -> Vec<Received> {
    for received in new {
        match all.iter_mut().find(|known| known.endpoint == received.endpoint) {
            Some(known) => {
                known.uploads += received.uploads;
                known.bytes += received.bytes;
            }
            None => all.push(received),
        }
    }
    all
}

/// Families of samples, one after the other.
#[derive(Default)]
struct Text {
    text: String,
    name: &'static str,
}

impl Text {
    /// Begins a family.
    fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.name = name;
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Adds a sample to it.
    fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.text, "{}{labels} {value}", self.name);
    }

    /// A family of one gauge.
    fn one(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(&[], value);
    }
}

/// A label's value as the format wants it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_follow_the_format() {
        let mut text = Text::default();
        text.family("a_total", "counter", "What it is.");
        text.sample(&[("x", "p\"q\\\n"), ("y", "z")], 7);
        text.one("b", "Another.", 0.5);
        let expected = "# HELP a_total What it is.\n# TYPE a_total counter\na_total{x=\"p\\\"q\\\\\\n\",y=\"z\"} 7\n\
                        # HELP b Another.\n# TYPE b gauge\nb 0.5\n";
        assert_eq!(text.text, expected);
    }

    #[test]
    fn what_came_since_is_added() {
        let received = |endpoint: &str, uploads, bytes| Received { endpoint: endpoint.into(), uploads, bytes };
        let all = sum(vec![received("ftp", 1, 10)], vec![received("ftp", 2, 5), received("scp", 1, 1)]);
        assert_eq!(all, [received("ftp", 3, 15), received("scp", 1, 1)]);
    }
}
