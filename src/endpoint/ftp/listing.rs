//! Directory entries as the lines of LIST, NLST and MLSD. Pure. Times are UTC.

use super::date::stamp;
use super::reply::one_line;
use crate::domain::Micros;
use crate::endpoint::ls;
use crate::tree::Entry;

/// Which facts of RFC 3659 a client wants to see in MLSD and MLST.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    kind: bool,
    size: bool,
    modify: bool,
    perm: bool,
    unique: bool,
}

impl Default for Facts {
    fn default() -> Self {
        Facts { kind: true, size: true, modify: true, perm: true, unique: true }
    }
}

impl Facts {
    /// The facts named in `OPTS MLST type;size;`, lower case; unknown ones are left out, as the RFC wants it.
    pub(super) fn chosen(names: &[u8]) -> Self {
        let has = |fact: &str| names.split(|byte| *byte == b';').any(|name| name.trim_ascii() == fact.as_bytes());
        Facts { kind: has("type"), size: has("size"), modify: has("modify"), perm: has("perm"), unique: has("unique") }
    }

    /// `type;size;`, for the reply to OPTS; with `all`, every fact, chosen ones starred, for FEAT.
    pub(super) fn names(self, all: bool) -> String {
        let facts = [
            ("type", self.kind),
            ("size", self.size),
            ("modify", self.modify),
            ("perm", self.perm),
            ("unique", self.unique),
        ];
        let shown = facts.into_iter().filter(|(_, chosen)| all || *chosen);
        shown.map(|(name, chosen)| format!("{name}{};", if all && chosen { "*" } else { "" })).collect()
    }

    /// The facts of one entry, up to and with the space before its name.
    pub(super) fn of(self, entry: &Entry) -> String {
        let mut line = String::new();
        let mut fact = |wanted: bool, name: &str, value: &str| {
            if wanted {
                line.push_str(&format!("{name}={value};"));
            }
        };
        fact(self.kind, "type", if entry.directory { "dir" } else { "file" });
        fact(self.size && !entry.directory, "size", &entry.size.to_string());
        fact(self.modify, "modify", &stamp(entry.mtime));
        fact(self.perm, "perm", if entry.directory { "cdeflmp" } else { "adfrw" });
        // The root, and a file whose transfer has only begun, have no id yet.
        fact(self.unique && entry.id.0 != 0, "unique", &format!("{:x}", entry.id.0));
        line.push(' ');
        line
    }
}

/// How the lines of a listing look.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// `ls -l`.
    Long,
    /// Names alone.
    Names,
    /// RFC 3659.
    Facts(Facts),
}

/// Appends the line of one entry under `name`, with its end.
pub(super) fn push_line(lines: &mut Vec<u8>, form: Form, entry: &Entry, name: &[u8], now: Micros) {
    match form {
        Form::Long => {
            lines.extend_from_slice(ls::line(entry.directory, entry.size, entry.mtime, now).as_bytes());
        }
        Form::Names => {}
        Form::Facts(facts) => lines.extend_from_slice(facts.of(entry).as_bytes()),
    }
    lines.extend(one_line(name));
    lines.extend_from_slice(b"\r\n");
}

/// Whether `name` fits a pattern of `*` and `?`, as clients that have no pattern matching of their own send it.
pub(super) fn fits(pattern: &[u8], name: &[u8]) -> bool {
    // Where to go back to: the pattern behind the last star, and the name one byte further than last time.
    let (mut at, mut in_name, mut retry) = (0, 0, None);
    while in_name < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                at += 1;
                retry = Some((at, in_name));
                continue;
            }
            Some(byte) if *byte == b'?' || *byte == name[in_name] => {
                at += 1;
                in_name += 1;
                continue;
            }
            _ => {}
        }
        let Some((star, from)) = retry else { return false };
        (at, in_name, retry) = (star, from + 1, Some((star, from + 1)));
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::EntryId;
    use proptest::prelude::*;

    fn file(name: &[u8]) -> Entry {
        Entry {
            id: EntryId(26),
            name: name.to_vec(),
            directory: false,
            size: 1234,
            mtime: Micros::from_seconds(951_827_696),
            upload: None,
            partial: false,
        }
    }

    fn line(form: Form, entry: &Entry) -> String {
        let mut lines = Vec::new();
        push_line(&mut lines, form, entry, &entry.name, Micros::from_seconds(1_700_000_000));
        String::from_utf8_lossy(&lines).into_owned()
    }

    #[test]
    fn lines_look_as_clients_expect() {
        let entry = file(b"a b");
        assert_eq!(line(Form::Long, &entry), "-rw-r--r--   1 customer customer         1234 Feb 29  2000 a b\r\n");
        assert_eq!(line(Form::Names, &entry), "a b\r\n");
        let facts = "type=file;size=1234;modify=20000229123456;perm=adfrw;unique=1a; a b\r\n";
        assert_eq!(line(Form::Facts(Facts::default()), &entry), facts);
        assert_eq!(line(Form::Facts(Facts::chosen(b"size;nonsense;type")), &entry), "type=file;size=1234; a b\r\n");
    }

    #[test]
    fn a_line_break_in_a_name_makes_no_second_line() {
        assert_eq!(line(Form::Names, &file(b"a\r\nb")), "a??b\r\n");
    }

    #[test]
    fn facts_are_named_for_feat_and_opts() {
        let facts = Facts::chosen(b"type;size;");
        assert_eq!(facts.names(true), "type*;size*;modify;perm;unique;");
        assert_eq!(facts.names(false), "type;size;");
    }

    #[test]
    fn patterns() {
        for (pattern, name, fit) in [
            ("*", "", true),
            ("*.jpg", "a.jpg", true),
            ("*.jpg", "a.jpg.b", false),
            ("a?c*", "abcd", true),
            ("a?c", "ac", false),
            ("*a*b*", "xaxbx", true),
        ] {
            assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), fit, "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn every_name_fits_itself_with_a_piece_starred(name in "[ab]{0,12}", from in 0_usize..12, to in 0_usize..12) {
            let (from, to) = (from.min(to).min(name.len()), from.max(to).min(name.len()));
            let pattern = format!("{}*{}", &name[..from], &name[to..]);
            prop_assert!(fits(pattern.as_bytes(), name.as_bytes()));
        }
    }
}
