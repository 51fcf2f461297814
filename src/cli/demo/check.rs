//! The demo checks itself: everything that should have come back did, byte for byte, and nothing came back wrong.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::Context;

use super::dump::Sent;
use super::shop::{CUSTOMERS, Fate, Story};
use crate::catalogue::{Catalogue, CustomerCounts, MissingFilter, MissingPicture, ProblemFile, ReturnedPicture};
use crate::domain::CustomerId;

/// How it ended for one customer.
pub(super) struct Ending {
    pub counts: CustomerCounts,
    pub returned: Vec<ReturnedPicture>,
    pub missing: Vec<MissingPicture>,
    pub problems: Vec<ProblemFile>,
}

/// How it ended for all of them.
pub(super) struct Endings {
    /// One for each customer, in the order of [`CUSTOMERS`].
    pub customers: Vec<Ending>,
    /// Originals that were sent.
    pub sent: usize,
    /// Of those, the ones that are back, byte for byte.
    pub whole: usize,
    /// Originals that were sent, found, and left to a person to decide.
    pub left: usize,
    /// Records whose original was sent and is not back.
    pub forgotten: Vec<String>,
    /// Records that hold bytes which are not their picture.
    pub wrong: Vec<String>,
}

impl Endings {
    /// Whether everything is as it should be.
    pub(super) fn is_right(&self) -> bool {
        self.forgotten.is_empty() && self.wrong.is_empty()
    }
}

/// Reads how it ended, and compares every file in the originals folder with what was lost. With `certain`, every original
/// that was sent must be back; else one may also have been found and left to a person, as pictures of somebody's own can be
/// as alike as they please.
///
/// # Errors
/// When the catalogue or an original cannot be read.
pub(super) fn endings(
    catalogue: &Catalogue,
    originals: &Path,
    stories: &[Story<'_>],
    sent: &[Sent],
    certain: bool,
) -> anyhow::Result<Endings> {
    let customers = CUSTOMERS.iter().map(|(name, _)| ending(catalogue, name)).collect::<anyhow::Result<Vec<_>>>()?;
    let returned: HashMap<&str, &ReturnedPicture> = customers
        .iter()
        .flat_map(|ending| &ending.returned)
        .map(|picture| (picture.record.record.as_str(), picture))
        .collect();
    let asked: HashSet<&str> = customers
        .iter()
        .flat_map(|ending| &ending.missing)
        .filter(|picture| picture.asked > 0)
        .map(|picture| picture.record.record.as_str())
        .collect();
    let mut ends =
        Endings { sent: 0, whole: 0, left: 0, forgotten: Vec::new(), wrong: Vec::new(), customers: Vec::new() };
    for story in stories.iter().filter(|story| story.fate != Fate::NotLost) {
        let back = match returned.get(story.record.as_str()) {
            Some(picture) => {
                let path = originals.join(&picture.key);
                Some(std::fs::read(&path).with_context(|| format!("cannot read the original `{}`", path.display()))?)
            }
            None => None,
        };
        let should = story.fate == Fate::Sent;
        ends.sent += usize::from(should);
        match back {
            Some(bytes) if bytes == *story.picture.bytes => ends.whole += usize::from(should),
            Some(bytes) if is_its_copy(story, &bytes, sent) => {}
            Some(_) => ends.wrong.push(story.record.clone()),
            None if should && !certain && asked.contains(story.record.as_str()) => ends.left += 1,
            None if should => ends.forgotten.push(story.record.clone()),
            None => {}
        }
    }
    Ok(Endings { customers, ..ends })
}

/// Whether these bytes are the smaller copy that was sent of a picture whose original is gone.
fn is_its_copy(story: &Story<'_>, bytes: &[u8], sent: &[Sent]) -> bool {
    story.fate == Fate::Smaller
        && sent.iter().any(|sent| {
            let name = story.picture.name.rsplit_once('.').map_or(story.picture.name.as_str(), |(stem, _)| stem);
            sent.customer == story.customer
                && sent.path == format!("WhatsApp Images/{name}.jpg").as_bytes()
                && *sent.bytes == *bytes
        })
}

fn ending(catalogue: &Catalogue, name: &str) -> anyhow::Result<Ending> {
    let found = catalogue.read(|tx| {
        let Some(customer) = tx.page_customers()?.into_iter().find(|customer| customer.name == name) else {
            return Ok(None);
        };
        let id = CustomerId(customer.id);
        let all = i64::from(i32::MAX);
        Ok::<_, crate::catalogue::Error>(Some(Ending {
            returned: tx.page_returned(id, None, i64::MAX, all)?,
            missing: tx.page_missing(id, &MissingFilter::default(), 0, all)?,
            problems: tx.page_problems(id, 0, all)?,
            counts: customer,
        }))
    });
    // With few photos of somebody's own, a customer can be left without one.
    let nothing = || Ending {
        counts: CustomerCounts { name: name.to_owned(), ..CustomerCounts::default() },
        returned: Vec::new(),
        missing: Vec::new(),
        problems: Vec::new(),
    };
    Ok(found?.unwrap_or_else(nothing))
}
