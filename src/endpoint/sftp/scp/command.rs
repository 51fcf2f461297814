//! What a client's `scp` asks the server to run.

use crate::endpoint::sftp::words::words;

/// A parsed `scp -t` or `scp -f`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::endpoint::sftp) struct Command {
    /// `-t`: files come here. Otherwise `-f`: files go out.
    pub sink: bool,
    /// `-r`: with directories.
    pub recursive: bool,
    /// `-p`: with times.
    pub preserve: bool,
    /// `-d`: the target must be a directory.
    pub directory: bool,
    /// Where to, or what from.
    pub paths: Vec<Vec<u8>>,
}

impl Command {
    /// The command in `line`, if it is one of scp's.
    pub fn parse(line: &[u8]) -> Option<Command> {
        let mut words = words(line)?.into_iter();
        let program = words.next()?;
        if program.rsplit(|byte| *byte == b'/').next() != Some(b"scp") {
            return None;
        }
        let (mut to, mut from) = (false, false);
        let mut command =
            Command { sink: false, recursive: false, preserve: false, directory: false, paths: Vec::new() };
        let mut options = true;
        for word in words {
            if options && word == b"--" {
                options = false;
            } else if options && word.len() > 1 && word[0] == b'-' {
                for letter in &word[1..] {
                    match letter {
                        b't' => to = true,
                        b'f' => from = true,
                        b'r' => command.recursive = true,
                        b'p' => command.preserve = true,
                        b'd' => command.directory = true,
                        // Verbose and quiet change nothing here.
                        b'v' | b'q' => {}
                        _ => return None,
                    }
                }
            } else {
                options = false;
                command.paths.push(word);
            }
        }
        if command.paths.is_empty() {
            command.paths.push(b".".to_vec());
        }
        command.sink = to;
        (to != from && (from || command.paths.len() == 1)).then_some(command)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_clients_send() {
        let parsed = Command::parse(b"scp -r -p -d -t -- '/in coming/it'\\''s'").unwrap();
        let expected = Command {
            sink: true,
            recursive: true,
            preserve: true,
            directory: true,
            paths: vec![b"/in coming/it's".to_vec()],
        };
        assert_eq!(parsed, expected);
        assert_eq!(Command::parse(b"/usr/bin/scp -vpf a \"b c\"").unwrap().paths, [b"a".to_vec(), b"b c".to_vec()]);
        assert_eq!(Command::parse(b"scp -t").unwrap().paths, [b".".to_vec()]);
    }

    #[test]
    fn what_is_not_scp() {
        for line in [&b"ls -l"[..], b"", b"scp a b", b"scp -t -f a", b"scp -S evil -t a", b"scp -t 'a", b"scp -t a b"] {
            assert_eq!(Command::parse(line), None, "{}", line.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn any_line_is_taken_or_refused(line: Vec<u8>) {
            let _ = Command::parse(&line);
        }
    }
}
