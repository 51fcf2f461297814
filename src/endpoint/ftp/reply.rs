//! Replies on the control connection as bytes. Pure. Nothing in a name can end a line early or look like another reply.

/// One reply, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply(pub(super) Vec<u8>);

impl Reply {
    /// A reply of one line.
    pub(super) fn new(code: u16, text: impl AsRef<[u8]>) -> Self {
        let mut bytes = format!("{code} ").into_bytes();
        push(&mut bytes, text.as_ref());
        bytes.extend_from_slice(b"\r\n");
        Reply(bytes)
    }

    /// A reply of several lines; each inner line is indented by a space, so that none can be taken for the last.
    pub(super) fn lines<T: AsRef<[u8]>>(
        code: u16,
        first: &str,
        inner: impl IntoIterator<Item = T>,
        last: &str,
    ) -> Self {
        let mut bytes = format!("{code}-{first}\r\n").into_bytes();
        for line in inner {
            bytes.push(b' ');
            push(&mut bytes, line.as_ref());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(format!("{code} {last}\r\n").as_bytes());
        Reply(bytes)
    }

    /// Its bytes for a connection in clear text, which is a Telnet connection: there, 255 begins a code unless it is doubled.
    pub(super) fn for_telnet(self) -> Vec<u8> {
        let doubled = |byte: u8| std::iter::repeat_n(byte, if byte == 255 { 2 } else { 1 });
        self.0.into_iter().flat_map(doubled).collect()
    }

    /// `257 "path"`: quotes inside are doubled, as RFC 959 has it.
    pub(super) fn path(path: &[u8], text: &str) -> Self {
        let mut quoted = vec![b'"'];
        for byte in path {
            quoted.push(*byte);
            if *byte == b'"' {
                quoted.push(b'"');
            }
        }
        quoted.extend_from_slice(b"\" ");
        quoted.extend_from_slice(text.as_bytes());
        Reply::new(257, quoted)
    }
}

/// FTP has no way to say a line break inside a line; `?` stands for it, as in the listings of other servers.
pub(super) fn one_line(name: &[u8]) -> impl Iterator<Item = u8> {
    name.iter().map(|byte| if matches!(byte, b'\r' | b'\n' | 0) { b'?' } else { *byte })
}

fn push(bytes: &mut Vec<u8>, text: &[u8]) {
    bytes.extend(one_line(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_a_reply() {
        assert_eq!(Reply::path(b"/a\"b\r\n500 x", "here").0, b"257 \"/a\"\"b??500 x\" here\r\n");
        assert_eq!(Reply::new(250, b"\xff").for_telnet(), b"250 \xff\xff\r\n");
        assert_eq!(Reply::lines(211, "a", ["211 b\n"], "c").0, b"211-a\r\n 211 b?\r\n211 c\r\n");
    }
}
