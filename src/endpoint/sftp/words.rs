//! Command lines that clients send: cut into words as a POSIX shell would, and nothing else of a shell.
//!
//! No variable, no pattern and no second command: every byte that is not quoting belongs to a word.

/// The words of a command line, quoted as a POSIX shell would have it; nothing when a quote is not closed. No expansion.
pub(super) fn words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut words, mut word) = (Vec::new(), None::<Vec<u8>>);
    let mut bytes = line.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' | b'\t' | b'\n' => words.extend(word.take()),
            b'\\' => word.get_or_insert_default().push(bytes.next()?),
            b'\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match bytes.next()? {
                        b'\'' => break,
                        other => word.push(other),
                    }
                }
            }
            b'"' => {
                let word = word.get_or_insert_default();
                loop {
                    match bytes.next()? {
                        b'"' => break,
                        b'\\' => match bytes.next()? {
                            escaped @ (b'"' | b'\\' | b'$' | b'`') => word.push(escaped),
                            other => word.extend([b'\\', other]),
                        },
                        other => word.push(other),
                    }
                }
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_of_a_line() {
        let cut = |line: &[u8]| words(line).unwrap();
        assert_eq!(cut(b" a  b\tc "), [b"a", b"b", b"c"]);
        assert_eq!(cut(br#"it\'s "a \"b\" \c" '' "$x""#), [&b"it's"[..], br#"a "b" \c"#, b"", b"$x"]);
        assert_eq!(words(b"a 'b"), None);
        assert_eq!(words(b"a\\"), None);
    }

    proptest! {
        #[test]
        fn any_line_is_cut_or_refused(line: Vec<u8>) {
            let _ = words(&line);
        }

        #[test]
        fn quoted_names_come_through(names in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..4)) {
            let mut line = Vec::new();
            for name in &names {
                line.extend(b" '");
                for byte in name {
                    match byte {
                        b'\'' => line.extend(b"'\\''"),
                        other => line.push(*other),
                    }
                }
                line.push(b'\'');
            }
            prop_assert_eq!(words(&line).unwrap(), names);
        }

        #[test]
        fn escaped_names_come_through(name in prop::collection::vec(any::<u8>(), 1..20)) {
            // A line feed cannot be escaped by a backslash in a shell; rclone puts it between quotes.
            let mut line = Vec::new();
            for byte in &name {
                match byte {
                    b'\n' => line.extend(b"'\n'"),
                    other => line.extend([b'\\', *other]),
                }
            }
            prop_assert_eq!(words(&line).unwrap(), [name]);
        }
    }
}
