//! The control connection's bytes as lines: bounded, with Telnet's codes taken out. Pure.
//!
//! RFC 959 lines end with CR LF. lftp sends a newline inside a name as a bare LF, so once a client has ended its first line
//! with CR LF, only CR LF ends its lines; a client whose first line ends with a bare LF (a person with `nc`) stays with that.
//! lftp may then even wait for the reply before it sends the rest of that name: such a line counts after a pause, as it is, and
//! the rest of the name is never obeyed as a command when it comes. Inside TLS there is no Telnet: clients send names as they are.
//! A CR inside a name comes as CR NUL (RFC 2640), a byte 255 as IAC IAC (RFC 854).

/// Bytes one line may have. A path has 4,096 at most, each of which Telnet may double.
pub(super) const LINE_MAX: usize = 9 * 1024;

const IAC: u8 = 255;

/// One line from the client, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line, with Telnet's codes taken out.
    Text(Vec<u8>),
    /// A line that was longer than [`LINE_MAX`] and is thrown away, whole.
    TooLong,
    /// The rest of a line that [`Lines::take_cut`] took; no command.
    Tail,
}

/// Collects bytes until they are lines. Never holds more than a line and what was fed last.
#[derive(Default)]
pub(super) struct Lines {
    buffer: Vec<u8>,
    /// The rest of a line that was too long is still to come.
    discarding: bool,
    /// Whether lines end with CR LF alone; known after the first.
    strict: Option<bool>,
    /// The rest of a line that was taken before its end is still to come.
    tail: bool,
    /// Telnet's codes are not looked for.
    pure: bool,
}

impl Lines {
    /// Takes bytes as they came.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// From here on bytes come inside TLS. Forgets what has not become a line: what was sent in clear text behind `AUTH TLS` must not count as if it had come
    /// inside TLS.
    pub(super) fn enter_tls(&mut self) {
        self.pure = true;
        self.buffer.clear();
        self.discarding = false;
        self.tail = false;
    }

    /// Whether what has come ends with a bare LF although this client ends its lines otherwise. See [`Lines::take_cut`].
    pub(super) fn is_cut(&self) -> bool {
        self.strict == Some(true)
            && !self.discarding
            && !self.tail
            && self.buffer.len() > 1
            && self.buffer.ends_with(b"\n")
    }

    /// How many bytes it holds that are not a line yet.
    #[cfg(any(test, fuzzing))]
    pub(super) fn held(&self) -> usize {
        self.buffer.len()
    }

    /// What has come as a line, when [`Lines::is_cut`] and nothing follows: the client waits for its reply.
    pub(super) fn take_cut(&mut self) -> Option<Line> {
        if !self.is_cut() {
            return None;
        }
        self.tail = true;
        let text = self.decode(self.buffer.len() - 1);
        self.buffer.clear();
        Some(Line::Text(text))
    }

    /// The next whole line, if it has come.
    pub(super) fn next(&mut self) -> Option<Line> {
        while let Some((line, after)) = self.find_end() {
            let too_long = line > LINE_MAX;
            let discarded = std::mem::take(&mut self.discarding);
            let tail = std::mem::take(&mut self.tail);
            let text = (!too_long && !discarded && !tail).then(|| self.decode(line));
            self.buffer.drain(..after);
            match text {
                Some(text) => return Some(Line::Text(text)),
                None if discarded => {}
                None if tail => return Some(Line::Tail),
                None => return Some(Line::TooLong),
            }
        }
        if self.discarding || self.buffer.len() > LINE_MAX {
            // The last byte may be the CR of the end that is looked for.
            let keep = usize::from(self.buffer.last() == Some(&b'\r'));
            self.buffer.drain(..self.buffer.len() - keep);
            let first = !std::mem::replace(&mut self.discarding, true);
            return first.then_some(Line::TooLong);
        }
        None
    }

    fn decode(&self, end: usize) -> Vec<u8> {
        let raw = &self.buffer[..end];
        if self.pure { raw.to_vec() } else { without_telnet(raw) }
    }

    /// Where the first line ends, and where the next begins.
    fn find_end(&mut self) -> Option<(usize, usize)> {
        let mut from = 0;
        loop {
            let lf = from + self.buffer[from..].iter().position(|byte| *byte == b'\n')?;
            let crlf = lf > 0 && self.buffer[lf - 1] == b'\r';
            let strict = *self.strict.get_or_insert(crlf);
            match (crlf, strict) {
                (true, _) => return Some((lf - 1, lf + 1)),
                (false, false) => return Some((lf, lf + 1)),
                (false, true) => from = lf + 1,
            }
        }
    }
}

/// Takes Telnet's codes out of a line: those before the command, which clients send with ABOR, and doubled 255s. Any other 255
/// is part of a name that a client did not double; nobody negotiates Telnet options inside a name.
fn without_telnet(raw: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(raw.len());
    let mut rest = raw;
    // WILL, WON'T, DO, DON'T and the option they speak of; then the codes without one.
    while let [IAC, 251..=254, _, after @ ..] | [IAC, 240..=250, after @ ..] = rest {
        rest = after;
    }
    loop {
        rest = match rest {
            [] => return text,
            [IAC, IAC, rest @ ..] => {
                text.push(IAC);
                rest
            }
            [b'\r', 0, rest @ ..] => {
                text.push(b'\r');
                rest
            }
            [byte, rest @ ..] => {
                text.push(*byte);
                rest
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(bytes: &[u8]) -> Vec<Line> {
        let mut lines = Lines::default();
        lines.feed(bytes);
        std::iter::from_fn(|| lines.next()).collect()
    }

    fn text(bytes: &[u8]) -> Line {
        Line::Text(bytes.to_vec())
    }

    #[test]
    fn lines_that_come_together_are_told_apart() {
        assert_eq!(lines(b"USER a\r\nPASS b\r\nNO"), [text(b"USER a"), text(b"PASS b")]);
        assert_eq!(lines(b"USER a\nPASS b\nNO"), [text(b"USER a"), text(b"PASS b")]);
    }

    #[test]
    fn a_newline_in_a_name_does_not_end_the_line_of_a_client_that_sends_crlf() {
        assert_eq!(
            lines(b"FEAT\r\nSTOR a\nb\r\nSTOR c\r\0\nd\r\n"),
            [text(b"FEAT"), text(b"STOR a\nb"), text(b"STOR c\r\nd")]
        );
    }

    #[test]
    fn a_line_that_stops_at_a_newline_in_a_name_is_taken_and_its_rest_is_no_command() {
        let mut lines = Lines::default();
        lines.feed(b"FEAT\r\nSTOR a\n");
        assert_eq!(lines.next(), Some(text(b"FEAT")));
        assert_eq!(lines.next(), None);
        assert_eq!(lines.take_cut(), Some(text(b"STOR a")));
        lines.feed(b"DELE b\r\nNOOP\r\n");
        assert_eq!(lines.next(), Some(Line::Tail));
        assert_eq!(lines.next(), Some(text(b"NOOP")));
        assert_eq!(lines.take_cut(), None);
    }

    #[test]
    fn telnet_codes_are_taken_out_and_a_lone_255_stays() {
        assert_eq!(lines(b"\xff\xf4\xff\xf2ABOR\r\n"), [text(b"ABOR")]);
        assert_eq!(lines(b"STOR \xff\xff\xff\xff.jpg\r\n"), [text(b"STOR \xff\xff.jpg")]);
        assert_eq!(lines(b"STOR \xff\xfe.jpg\r\n"), [text(b"STOR \xff\xfe.jpg")]);
        assert_eq!(lines(b"\xff\xfd\x06NOOP\r\n"), [text(b"NOOP")]);
    }

    #[test]
    fn inside_tls_there_is_no_telnet() {
        let mut lines = Lines::default();
        lines.feed(b"secret of somebody else");
        lines.enter_tls();
        lines.feed(b"STOR \xff\xfe.jpg\r\n");
        assert_eq!(lines.next(), Some(text(b"STOR \xff\xfe.jpg")));
    }

    #[test]
    fn an_endless_line_is_told_once_and_never_held() {
        let mut lines = Lines::default();
        let mut told = 0;
        for _ in 0..10_000 {
            lines.feed(&[b'x'; 4096]);
            while lines.next().is_some() {
                told += 1;
            }
            assert!(lines.held() <= LINE_MAX + 4096);
        }
        assert_eq!(told, 1);
        lines.feed(b"xx\r");
        assert_eq!(lines.next(), None);
        lines.feed(b"\nNOOP\r\n");
        assert_eq!(lines.next(), Some(text(b"NOOP")));
    }

    proptest! {
        #[test]
        fn how_bytes_are_cut_into_packets_does_not_matter(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(255), any::<u8>()], 0..400),
            cuts in proptest::collection::vec(0_usize..400, 0..20),
        ) {
            let mut cuts = cuts;
            cuts.sort_unstable();
            let mut pieces = Lines::default();
            let mut found = Vec::new();
            let mut from = 0;
            for cut in cuts.into_iter().filter(|cut| *cut <= bytes.len()).chain([bytes.len()]) {
                pieces.feed(&bytes[from..cut]);
                from = cut;
                found.extend(std::iter::from_fn(|| pieces.next()));
            }
            prop_assert_eq!(found, lines(&bytes));
        }
    }
}
