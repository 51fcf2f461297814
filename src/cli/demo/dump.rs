//! What the customers send: everything they think may be relevant. Renamed, nested, doubled, with junk among it.

use std::sync::Arc;

use super::pictures::MALFORMED;
use super::shop::{CUSTOMERS, Fate, Story};

/// One file on its way.
pub(super) struct Sent {
    /// Index into [`CUSTOMERS`].
    pub customer: usize,
    /// Names joined by `/`, as bytes: not every client writes UTF-8.
    pub path: Vec<u8>,
    /// The file.
    pub bytes: Arc<[u8]>,
}

/// Everything that is sent, in the order in which it is sent.
///
/// # Errors
/// When a copy cannot be made of a picture.
pub(super) fn dump(stories: &[Story<'_>], fixtures: bool) -> anyhow::Result<Vec<Sent>> {
    let mut sent = Vec::new();
    for (at, story) in stories.iter().enumerate() {
        let name = &story.picture.name;
        let bytes = &story.picture.bytes;
        let mut send = |path: Vec<u8>, bytes: Arc<[u8]>| sent.push(Sent { customer: story.customer, path, bytes });
        match story.fate {
            Fate::Sent | Fate::NotLost => {
                send(place(at, name), Arc::clone(bytes));
                if at % 6 == 2 {
                    send(format!("Old laptop/Pictures (copy)/{name}").into(), Arc::clone(bytes));
                }
            }
            Fate::Smaller => {
                send(format!("WhatsApp Images/{}.jpg", stem(name)).into(), story.picture.smaller_copy()?.into());
            }
            Fate::Cut => send(format!("USB stick/rescued/{name}").into(), bytes[..bytes.len() * 3 / 5].into()),
            // Among the fixtures the other frames are there already, each a lost picture of its own.
            Fate::Sibling if fixtures => {}
            Fate::Sibling => send(format!("phone/burst/{name}").into(), story.picture.neighbour()?.into()),
            Fate::Gone => {}
        }
    }
    sent.extend(junk());
    Ok(sent)
}

/// Where a file lies in its owner's mess, and what it is called there.
fn place(at: usize, name: &str) -> Vec<u8> {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match at % 7 {
        0 => format!("Pictures/2019/{name}").into(),
        1 => format!("Old laptop/Desktop/New folder (2)/IMG_{}.{}", 2040 + at, ending.to_uppercase()).into(),
        2 => format!("USB stick/backup/backup of backup/Copy of {name}").into(),
        3 => format!("Fotos für Oma/{name}").into(),
        4 => format!("phone/DCIM/100MEDIA/DSC0{}.{ending}", 3100 + at).into(),
        5 => format!("❤ favourites/{} (1).{ending}", stem(name)).into(),
        // An old client that writes Latin-1: these bytes are no UTF-8.
        _ => [b"Caf\xe9 sch\xf6n/".as_slice(), name.as_bytes()].concat(),
    }
}

fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// What lies about in every folder.
fn junk() -> impl Iterator<Item = Sent> {
    const LEFTOVERS: [(&str, &[u8]); 6] = [
        ("Pictures/Thumbs.db", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 thumbnails of an old Windows"),
        ("Pictures/.DS_Store", b"\0\0\0\x01Bud1\0\0\x10\0"),
        ("Old laptop/Desktop/desktop.ini", b"[.ShellClassInfo]\r\nIconIndex=0\r\n"),
        ("Old laptop/Desktop/password list DO NOT DELETE.txt", b"the one for the printer is on the fridge\n"),
        ("invoices/2019-03.pdf", b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"),
        ("USB stick/New Text Document.txt", b""),
    ];
    let malformed = MALFORMED.iter().map(|(path, bytes)| {
        let name = path.rsplit('/').next().unwrap_or(path);
        (format!("USB stick/rescued/{name}"), *bytes)
    });
    let leftovers = LEFTOVERS.iter().map(|(path, bytes)| ((*path).to_owned(), *bytes));
    malformed.chain(leftovers).enumerate().map(|(at, (path, bytes))| Sent {
        customer: at % CUSTOMERS.len(),
        path: path.into(),
        bytes: bytes.into(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::pictures::fixtures;
    use super::super::shop::stories;
    use super::*;

    #[test]
    fn the_dump_is_a_mess_without_what_is_gone() {
        let album = fixtures().unwrap();
        let stories = stories(&album);
        let sent = dump(&stories, true).unwrap();
        let paths: BTreeSet<_> = sent.iter().map(|sent| (sent.customer, &sent.path)).collect();
        assert_eq!(paths.len(), sent.len(), "every file has a place of its own");
        assert!(sent.iter().any(|sent| std::str::from_utf8(&sent.path).is_err()));
        for story in &stories {
            let there = sent.iter().filter(|sent| sent.bytes == story.picture.bytes).count();
            match story.fate {
                Fate::Sent | Fate::NotLost => assert!(there >= 1),
                _ => assert_eq!(there, 0, "{}", story.picture.name),
            }
        }
    }
}
