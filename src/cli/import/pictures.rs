//! Fetching the bytes of thumbnails: from below `--thumbs`, or out of a `data:` URI.
//!
//! A path never leaves the folder, by `..`, from the root or through a link: what is read here is shown to customers.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use anyhow::Context;
use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Largest thumbnail in bytes.
const BYTES_MAX: u64 = 32 << 20;

const SCHEME: &str = "data:";

/// Whether the picture itself stands in the import.
pub(super) fn is_data_uri(source: &str) -> bool {
    source.get(..SCHEME.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME))
}

/// What a source of a thumbnail holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fetched {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Nothing that can be used, and why; the record is imported without.
    Nothing(String),
}

/// The folder that `--thumbs` names.
#[derive(Debug)]
pub(super) struct Folder {
    /// Without any link in it, so that what lies below can be told.
    root: Option<PathBuf>,
}

impl Folder {
    /// The folder `thumbs`; without one, only `data:` URIs can be fetched.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn open(thumbs: Option<&Path>) -> anyhow::Result<Self> {
        let Some(thumbs) = thumbs else { return Ok(Folder { root: None }) };
        let root = thumbs.canonicalize().with_context(|| {
            format!("cannot open the folder of thumbnails `{}`; name it with --thumbs", thumbs.display())
        })?;
        anyhow::ensure!(
            root.is_dir(),
            "`{}` is not a folder; name the folder of thumbnails with --thumbs",
            thumbs.display()
        );
        Ok(Folder { root: Some(root) })
    }

    /// The bytes at `source`.
    ///
    /// # Errors
    /// With what is wrong with the row: a path that leaves the folder, a URI that cannot be understood, a disk that fails.
    pub fn fetch(&self, source: &str) -> Result<Fetched, String> {
        if is_data_uri(source) {
            parse_data_uri(&source[SCHEME.len()..]).map(Fetched::Bytes)
        } else {
            self.read(source)
        }
    }

    fn read(&self, source: &str) -> Result<Fetched, String> {
        let Some(root) = &self.root else {
            return Err("it is a path; say with --thumbs DIR below which folder it lies".into());
        };
        let relative = Path::new(source);
        if source.contains('\0')
            || !relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
        {
            return Err("it does not stay below the folder of thumbnails; write a path below it, without `..`".into());
        }
        match read_below(root, relative) {
            Ok(Some(fetched)) => Ok(fetched),
            Ok(None) => {
                Err("it is a link that leads out of the folder of thumbnails; put the file itself there".into())
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(Fetched::Nothing("there is no such file below the folder of thumbnails".into()))
            }
            // A disk that does not answer is not a missing thumbnail.
            Err(error) => Err(format!("it cannot be read: {error}")),
        }
    }
}

/// The file's bytes; nothing when a link leads out of `root`.
fn read_below(root: &Path, relative: &Path) -> io::Result<Option<Fetched>> {
    let path = root.join(relative).canonicalize()?;
    if !path.starts_with(root) {
        return Ok(None);
    }
    let nothing = |why: String| Ok(Some(Fetched::Nothing(why)));
    // Asked before it is opened: a pipe would wait for its writer without end.
    let found = fs::metadata(&path)?;
    if !found.is_file() {
        return nothing("it is not a file".into());
    }
    if found.len() > BYTES_MAX {
        return nothing(too_large());
    }
    let mut bytes = Vec::new();
    File::open(&path)?.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 {
        0 => nothing("the file is empty".into()),
        length if length > BYTES_MAX => nothing(too_large()),
        _ => Ok(Some(Fetched::Bytes(bytes))),
    }
}

fn too_large() -> String {
    format!("the file is larger than {} MiB, which no thumbnail is", BYTES_MAX >> 20)
}

/// The bytes of a `data:` URI (RFC 2397), given without its scheme. Base64 may lack its padding or be the variant for
/// URLs, since exports differ; without `;base64` the data is percent-encoded.
fn parse_data_uri(rest: &str) -> Result<Vec<u8>, String> {
    let says = "it is no `data:` URI with a picture; write data:image/jpeg;base64,...";
    let (kind, data) = rest.split_once(',').ok_or(says)?;
    let bytes = if kind.trim_end().to_ascii_lowercase().ends_with(";base64") {
        let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let alphabet = if data.contains(['-', '_']) { URL_SAFE } else { STANDARD };
        let data: String = data.split_ascii_whitespace().collect();
        GeneralPurpose::new(&alphabet, config)
            .decode(&data)
            .map_err(|error| format!("its base64 is damaged: {error}"))?
    } else {
        percent_decoded(data).ok_or("its percent-encoding is damaged")?
    };
    match bytes.len() as u64 {
        0 => Err(says.into()),
        length if length > BYTES_MAX => Err(too_large()),
        _ => Ok(bytes),
    }
}

fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        if first == b'%' {
            let digits = rest.get(..2)?;
            bytes.extend(crate::domain::unhex(std::str::from_utf8(digits).ok()?).ok()?);
            rest = &rest[2..];
        } else {
            bytes.push(first);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_uris_hold_their_bytes() {
        let folder = Folder::open(None).unwrap();
        for uri in ["data:image/png;base64,AP/+", "DATA:;BASE64,AP/+", "data:;base64,AP_-", "data:,%00%ff%FE"] {
            assert_eq!(folder.fetch(uri), Ok(Fetched::Bytes(vec![0, 255, 254])), "{uri}");
        }
        for bad in
            ["data:", "data:image/png;base64", "data:;base64,A", "data:;base64,@@@@", "data:,%f", "data:;base64,"]
        {
            assert!(folder.fetch(bad).is_err(), "{bad}");
        }
        assert!(folder.fetch("a.jpg").unwrap_err().contains("--thumbs"));
    }

    #[test]
    fn a_path_never_leaves_the_folder() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "x").unwrap();
        let thumbs = outside.path().join("thumbs");
        fs::create_dir_all(thumbs.join("a")).unwrap();
        fs::write(thumbs.join("a/t.jpg"), "picture").unwrap();
        fs::write(thumbs.join("empty"), "").unwrap();
        std::os::unix::fs::symlink("../secret", thumbs.join("out")).unwrap();
        std::os::unix::fs::symlink("..", thumbs.join("up")).unwrap();
        std::os::unix::fs::symlink("a/t.jpg", thumbs.join("in")).unwrap();
        let folder = Folder::open(Some(&thumbs)).unwrap();
        for good in ["a/t.jpg", "./a/t.jpg", "in"] {
            assert_eq!(folder.fetch(good), Ok(Fetched::Bytes(b"picture".to_vec())), "{good}");
        }
        for bad in ["../secret", "a/../../secret", "/etc/passwd", "out", "up/secret", "a\0b"] {
            assert!(folder.fetch(bad).is_err(), "{bad}");
        }
        for absent in ["b.jpg", "a/t.jpg/x", "a", "empty"] {
            assert!(matches!(folder.fetch(absent), Ok(Fetched::Nothing(_))), "{absent}");
        }
    }
}
