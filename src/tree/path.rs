//! Paths of a customer's tree: names as raw bytes, below a root that has no way out.
//!
//! Owns resolution against a working directory, the limits, and the form in which people see a name. Knows nothing of
//! the server's disk: such a path never becomes a path there.

use std::fmt;

/// Bytes that one name may have: what the common file systems allow, so that every name can be given back.
pub const NAME_BYTES_MAX: usize = 255;

/// Bytes that a whole path may have, its slashes counted: PATH_MAX of Linux.
pub const PATH_BYTES_MAX: usize = 4096;

/// Directories that may lie inside each other, the last name counted.
pub const DEPTH_MAX: usize = 100;

/// A place in a customer's tree, absolute, without empty, `.` and `..` parts. The root has no parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreePath(Vec<Vec<u8>>);

/// Why given bytes are no path of a tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// A NUL byte, which no client's file system could hold.
    #[error("the name contains a NUL byte")]
    Nul,
    /// One name is too long.
    #[error("a name of {0} bytes is too long, at most {NAME_BYTES_MAX} are possible")]
    NameTooLong(usize),
    /// The whole path is too long.
    #[error("a path of {0} bytes is too long, at most {PATH_BYTES_MAX} are possible")]
    PathTooLong(usize),
    /// Too many directories inside each other.
    #[error("{0} names below each other are too deep, at most {DEPTH_MAX} are possible")]
    TooDeep(usize),
}

impl TreePath {
    /// The root of a tree.
    pub fn root() -> Self {
        TreePath(Vec::new())
    }

    /// What `given` means to a client that stands in `cwd`. A leading slash begins at the root; `..` at the root stays
    /// there; only `/` separates.
    ///
    /// # Errors
    /// When the bytes break a limit.
    pub fn resolve(cwd: &TreePath, given: &[u8]) -> Result<TreePath, BadPath> {
        if given.contains(&0) {
            return Err(BadPath::Nul);
        }
        let mut parts = if given.starts_with(b"/") { Vec::new() } else { cwd.0.clone() };
        for part in given.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => {
                    parts.pop();
                }
                name if name.len() > NAME_BYTES_MAX => return Err(BadPath::NameTooLong(name.len())),
                name => parts.push(name.to_owned()),
            }
        }
        let path = TreePath(parts);
        check_extent(path.depth(), path.bytes_long())?;
        Ok(path)
    }

    /// The names from the root down.
    pub fn parts(&self) -> &[Vec<u8>] {
        &self.0
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The last name; the root has none.
    pub fn name(&self) -> Option<&[u8]> {
        self.0.last().map(Vec::as_slice)
    }

    /// The directory that holds this; the root has none.
    pub fn parent(&self) -> Option<TreePath> {
        let (_, parents) = self.0.split_last()?;
        Some(TreePath(parents.to_vec()))
    }

    /// Whether this is `directory` or lies below it.
    pub fn is_within(&self, directory: &TreePath) -> bool {
        self.0.starts_with(&directory.0)
    }

    /// The same place after `from`, which it is or lies below, was renamed `to`; nothing when it does not lie there.
    pub fn moved(&self, from: &TreePath, to: &TreePath) -> Option<TreePath> {
        let rest = self.0.strip_prefix(from.0.as_slice())?;
        Some(TreePath([to.0.as_slice(), rest].concat()))
    }

    /// How many names it has.
    pub fn depth(&self) -> usize {
        self.0.len()
    }

    /// Its length in bytes as a client writes it, with a leading slash.
    pub fn bytes_long(&self) -> usize {
        self.0.iter().map(|name| name.len() + 1).sum()
    }

    /// The names joined by `/`, without a leading one: the form of the column `uploads.path`.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.join(&b'/')
    }

    /// A path as [`TreePath::to_bytes`] wrote it, for people and logs.
    pub fn shown_bytes(path: &[u8]) -> String {
        TreePath(path.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect()).to_string()
    }

    /// Names of a trusted source, such as the rows of the tree.
    pub(crate) fn from_parts(parts: Vec<Vec<u8>>) -> Self {
        TreePath(parts)
    }
}

/// Whether a path of `depth` names and `bytes` keeps the limits.
pub(crate) fn check_extent(depth: usize, bytes: usize) -> Result<(), BadPath> {
    match (depth, bytes) {
        (_, bytes) if bytes > PATH_BYTES_MAX => Err(BadPath::PathTooLong(bytes)),
        (depth, _) if depth > DEPTH_MAX => Err(BadPath::TooDeep(depth)),
        _ => Ok(()),
    }
}

impl fmt::Display for TreePath {
    /// `/a/b`, for people and logs: see [`shown`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str("/");
        }
        self.0.iter().try_for_each(|name| write!(f, "/{}", shown(name)))
    }
}

/// A name as people and terminals may see it: bytes that are no UTF-8, control and bidi characters become `\x..`, a
/// backslash becomes two, so that no name can pretend to be another.
pub fn shown(name: &[u8]) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                c if is_hidden(c) => c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| push_escaped(&mut text, byte)),
                c => text.push(c),
            }
        }
        chunk.invalid().iter().for_each(|byte| push_escaped(&mut text, *byte));
    }
    text
}

fn push_escaped(text: &mut String, byte: u8) {
    text.push_str(&format!("\\x{byte:02x}"));
}

/// Control characters, line and paragraph separators, and the bidi controls of Unicode's UAX #9.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(given: &[u8]) -> TreePath {
        TreePath::resolve(&TreePath::root(), given).unwrap()
    }

    #[test]
    fn there_is_no_way_above_the_root() {
        assert_eq!(path(b"/../../etc/passwd").to_bytes(), b"etc/passwd");
        assert_eq!(path(b"../.."), TreePath::root());
        assert_eq!(TreePath::resolve(&path(b"a/b"), b"../c/./d//").unwrap().to_bytes(), b"a/c/d");
        assert_eq!(TreePath::resolve(&path(b"a/b"), b"/x").unwrap().to_bytes(), b"x");
        assert_eq!(TreePath::resolve(&path(b"a/b"), b"").unwrap().to_bytes(), b"a/b");
    }

    #[test]
    fn limits_are_said() {
        let root = TreePath::root();
        assert_eq!(TreePath::resolve(&root, b"a\0b"), Err(BadPath::Nul));
        assert!(TreePath::resolve(&root, &[b'n'; 255]).is_ok());
        assert_eq!(TreePath::resolve(&root, &[b'n'; 256]), Err(BadPath::NameTooLong(256)));
        assert!(TreePath::resolve(&root, &b"d/".repeat(100)).is_ok());
        assert_eq!(TreePath::resolve(&root, &b"d/".repeat(101)), Err(BadPath::TooDeep(101)));
        let long = [[b'n'; 250].as_slice(), b"/"].concat().repeat(17);
        assert!(matches!(TreePath::resolve(&root, &long), Err(BadPath::PathTooLong(_))));
    }

    #[test]
    fn composed_and_decomposed_names_are_two() {
        assert_ne!(path("caf\u{e9}".as_bytes()), path("cafe\u{301}".as_bytes()));
    }

    #[test]
    fn people_see_what_hides() {
        assert_eq!(path(b"a\nb/caf\xe9").to_string(), "/a\\x0ab/caf\\xe9");
        assert_eq!(shown("x\u{202e}gpj.exe".as_bytes()), "x\\xe2\\x80\\xaegpj.exe");
        assert_eq!(shown("é \u{1f600}".as_bytes()), "é \u{1f600}");
        assert_eq!(shown(b"a\\x0a"), "a\\\\x0a");
    }

    #[test]
    fn a_renamed_directory_carries_what_is_in_it() {
        assert_eq!(path(b"a/b/c").moved(&path(b"a/b"), &path(b"z")), Some(path(b"z/c")));
        assert_eq!(path(b"a/bc").moved(&path(b"a/b"), &path(b"z")), None);
    }

    proptest! {
        #[test]
        fn any_bytes_resolve_to_plain_names_or_an_error(cwd in "[a-c/.]{0,8}", given: Vec<u8>) {
            let cwd = path(cwd.as_bytes());
            if let Ok(path) = TreePath::resolve(&cwd, &given) {
                for name in path.parts() {
                    prop_assert!(!name.is_empty() && name != b"." && name != b"..");
                    prop_assert!(!name.contains(&b'/') && !name.contains(&0));
                }
                prop_assert_eq!(TreePath::resolve(&TreePath::root(), &path.to_bytes()), Ok(path));
            }
        }
    }
}
