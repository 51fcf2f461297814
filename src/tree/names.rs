//! Names under which clients store a file until its transfer is complete: such a file waits for its rename.
//!
//! Owns the one table of these names. A dot in front alone says nothing: dot-names are ordinary files.

/// Endings, compared without case, with the clients that use them.
const ENDINGS: &[&[u8]] = &[
    b".filepart",   // WinSCP
    b".part",       // KDE, Nextcloud, many scripts
    b".partial",    // rclone
    b".ffs_tmp",    // FreeFileSync
    b".tacitpart",  // FolderSync
    b".tmp",        // Syncthing, GoodSync, ncftpput -S
    b".temp",       // scripts
    b".uploading",  // scripts
    b".incomplete", // scripts
    b"~",           // editors and backup programs
];

/// Beginnings, with the clients that use them.
const BEGINNINGS: &[&[u8]] = &[
    b".in.", // lftp, xfer:use-temp-file
];

/// Whether a client uses such a name for a file that it is still going to rename.
pub fn is_temporary(name: &[u8]) -> bool {
    let ends =
        |ending: &&[u8]| name.len() >= ending.len() && name[name.len() - ending.len()..].eq_ignore_ascii_case(ending);
    ENDINGS.iter().any(ends) || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::is_temporary;

    #[test]
    fn names_that_wait() {
        for name in [&b"a.jpg.part"[..], b"A.JPG.FILEPART", b"x.abc123.partial", b".in.a.jpg", b"a.jpg~", b".tmp"] {
            assert!(is_temporary(name), "{}", name.escape_ascii());
        }
        for name in [&b"a.jpg"[..], b".hidden.jpg", b"party.jpg", b"tmp", b"a.part.jpg", b"", b"~a.jpg"] {
            assert!(!is_temporary(name), "{}", name.escape_ascii());
        }
    }
}
