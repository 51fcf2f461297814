//! What must hold for any line of a client's `scp`. See [`crate::fuzzing`].

use super::sink::{announced, time};
use crate::tree::{DEPTH_MAX, TreePath};

/// A conversation: each line goes one directory deeper, or announces a file or a time.
///
/// # Panics
/// When something does not hold.
pub fn announcements(bytes: &[u8]) {
    let Ok(target) = TreePath::resolve(&TreePath::root(), b"uploads/of today") else { unreachable!() };
    let mut inside = target.clone();
    for line in bytes.split(|byte| *byte == b'\n') {
        let _ = time(line);
        let Some(announced) = announced(line) else { continue };
        let Ok(path) = TreePath::resolve(&inside, announced.name) else { continue };
        assert_eq!(path.parent().as_ref(), Some(&inside), "a name leads elsewhere: {path}");
        assert_eq!(path.name(), Some(announced.name));
        assert!(path.is_within(&target) && path.depth() <= DEPTH_MAX);
        if announced.directory {
            inside = path;
        }
    }
}
