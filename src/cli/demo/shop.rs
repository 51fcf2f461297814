//! The shop of the demo: who lost which picture, what its database still knows, and what becomes of each file.

use std::fs;
use std::path::Path;

use anyhow::Context;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::pictures::{Album, Picture};
use crate::domain::Digest;

/// How a customer sends files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Ftps,
    Sftp,
    Ftp,
}

impl Way {
    /// As it is called.
    pub(super) fn word(self) -> &'static str {
        match self {
            Way::Ftps => "FTPS",
            Way::Sftp => "SFTP",
            Way::Ftp => "FTP",
        }
    }
}

/// Who lost pictures, and how they send what they have.
pub(super) const CUSTOMERS: [(&str, Way); 3] =
    [("studio-north", Way::Ftps), ("hillside-school", Way::Sftp), ("cafe-marble", Way::Ftp)];

/// What becomes of a picture's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The customer has it and sends it.
    Sent,
    /// Only a smaller copy of it is left.
    Smaller,
    /// The file that is sent breaks off in the middle.
    Cut,
    /// It is gone, and another frame of the same burst, or another card of the same template, is sent.
    Sibling,
    /// Nobody has it any more.
    Gone,
    /// The shop never lost it; the customer sends it all the same.
    NotLost,
}

/// One picture with its place in the story.
pub(super) struct Story<'a> {
    /// The picture.
    pub picture: &'a Picture,
    /// The record's name in the shop; a picture that was not lost has none there.
    pub record: String,
    /// Index into [`CUSTOMERS`].
    pub customer: usize,
    /// What becomes of its file.
    pub fate: Fate,
}

/// Gives every picture its owner and its fate.
pub(super) fn stories(album: &Album) -> Vec<Story<'_>> {
    let count = album.pictures.len();
    let told = album.pictures.iter().enumerate().map(|(at, picture)| {
        let (customer, fate) = if album.fixtures {
            (owner_of_fixture(&picture.name), fate_of_fixture(&picture.name))
        } else {
            (at % CUSTOMERS.len(), fate_of_photo(at, count))
        };
        Story { picture, record: format!("P-{}", 1001 + at), customer, fate }
    });
    told.collect()
}

fn owner_of_fixture(name: &str) -> usize {
    let begins = |words: &[&str]| words.iter().any(|word| name.starts_with(word));
    if begins(&["portrait", "smile", "dog-run", "regatta", "rain", "fair", "balloons"]) {
        1
    } else if begins(&["card", "logo", "coffee", "lemons", "birthday", "ivy", "lavender"]) {
        2
    } else {
        0
    }
}

fn fate_of_fixture(name: &str) -> Fate {
    match name.split('.').next().unwrap_or(name) {
        "lighthouse" | "portrait-hat" => Fate::Smaller,
        "tulips" => Fate::Cut,
        "regatta-3" | "card-2" => Fate::Sibling,
        "aurora" | "balloons" => Fate::Gone,
        "butterfly" | "pebbles" | "lavender" => Fate::NotLost,
        _ => Fate::Sent,
    }
}

/// Of few photos all are sent; of more, one each meets with every other fate.
fn fate_of_photo(at: usize, count: usize) -> Fate {
    match at {
        _ if count < 8 => Fate::Sent,
        1 => Fate::Gone,
        2 => Fate::Smaller,
        3 => Fate::Cut,
        4 => Fate::Sibling,
        6 => Fate::NotLost,
        _ => Fate::Sent,
    }
}

/// Writes what the shop still has: the records as CSV and the folder of thumbnails. Returns how many records there are.
///
/// # Errors
/// When a thumbnail cannot be made or a file cannot be written.
pub(super) fn write(stories: &[Story<'_>], records: &Path, thumbnails: &Path) -> anyhow::Result<usize> {
    fs::create_dir(thumbnails).with_context(|| format!("cannot make the folder `{}`", thumbnails.display()))?;
    let cannot_write = || format!("cannot write `{}`", records.display());
    let mut table = csv::Writer::from_path(records).with_context(cannot_write)?;
    table.write_record([
        "record",
        "customer",
        "thumbnail",
        "filename",
        "width",
        "height",
        "bytes",
        "sha256",
        "taken_at",
    ])?;
    let lost: Vec<&Story<'_>> = stories.iter().filter(|story| story.fate != Fate::NotLost).collect();
    let made: Vec<anyhow::Result<Vec<u8>>> = lost.par_iter().map(|story| story.picture.thumbnail()).collect();
    for (at, (story, made)) in lost.iter().zip(made).enumerate() {
        let Picture { name, bytes, size, taken_at } = story.picture;
        let thumbnail = format!("{}.jpg", story.record);
        let made = made.with_context(|| format!("cannot make a thumbnail of `{name}`"))?;
        let path = thumbnails.join(&thumbnail);
        fs::write(&path, made).with_context(|| format!("cannot write `{}`", path.display()))?;
        let digest = if has_digest(at, story) { Digest::of(bytes).to_string() } else { String::new() };
        let (width, height, length) = (size.0.to_string(), size.1.to_string(), bytes.len().to_string());
        let (customer, taken) = (CUSTOMERS[story.customer].0, taken_at.as_deref().unwrap_or_default());
        table
            .write_record([&story.record, customer, &thumbnail, name, &width, &height, &length, &digest, taken])
            .with_context(cannot_write)?;
    }
    table.flush().with_context(cannot_write)?;
    Ok(lost.len())
}

/// A real shop knows the digest of some files only. Cards and logos look so much alike that nothing less would do.
fn has_digest(at: usize, story: &Story<'_>) -> bool {
    let alike = ["card", "logo"].iter().any(|word| story.picture.name.starts_with(word));
    story.fate == Fate::Sent && (alike || at.is_multiple_of(4))
}

#[cfg(test)]
mod tests {
    use super::super::pictures::fixtures;
    use super::*;

    #[test]
    fn the_fixtures_meet_with_every_fate() {
        let album = fixtures().unwrap();
        let stories = stories(&album);
        for (fate, count) in
            [(Fate::Smaller, 2), (Fate::Cut, 1), (Fate::Sibling, 2), (Fate::Gone, 2), (Fate::NotLost, 3)]
        {
            assert_eq!(stories.iter().filter(|story| story.fate == fate).count(), count, "{fate:?}");
        }
        for customer in 0..CUSTOMERS.len() {
            assert!(stories.iter().filter(|story| story.customer == customer).count() > 8);
        }
    }
}
