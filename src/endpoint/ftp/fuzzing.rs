//! What must hold for any bytes on a control connection. See [`crate::fuzzing`].

use super::command::{Command, Family, after_switches, parse, verb};
use super::date::stamp;
use super::line::{LINE_MAX, Line, Lines};
use super::reply::Reply;
use super::sums::{Asked, Sum};
use crate::domain::Micros;
use crate::endpoint::digests::Algorithm;

/// The first byte says how the rest is cut into packets and whether TLS begins in the middle; the rest is what comes.
///
/// # Panics
/// When something does not hold.
pub fn control_connection(bytes: &[u8]) {
    let Some((how, bytes)) = bytes.split_first() else { return };
    // Each piece costs a look at all that is held, so a long line does not come in single bytes.
    let piece = (usize::from(how & 0x3f) + 1).max(bytes.len() / 100);
    let together = lines(bytes, bytes.len().max(1));
    assert_eq!(lines(bytes, piece), together, "how bytes are cut into packets matters");
    together.iter().for_each(line);
    if how & 0x40 != 0 {
        across_tls(bytes, piece);
    }
    if how & 0x80 != 0 {
        with_pauses(bytes, piece);
    }
}

fn lines(bytes: &[u8], piece: usize) -> Vec<Line> {
    let mut lines = Lines::default();
    let mut found = Vec::new();
    for piece in bytes.chunks(piece) {
        lines.feed(piece);
        found.extend(std::iter::from_fn(|| lines.next()));
        // The CR before a line's end is held beside the longest line.
        assert!(lines.held() <= LINE_MAX + 1, "{} bytes are held", lines.held());
    }
    found
}

/// Nothing that came in clear text counts as if it had come inside TLS.
fn across_tls(bytes: &[u8], piece: usize) {
    let (clear, inside) = bytes.split_at(bytes.len() / 2);
    let mut lines = Lines::default();
    clear.chunks(piece).for_each(|piece| lines.feed(piece));
    while lines.next().is_some() {}
    lines.enter_tls();
    assert_eq!(lines.held(), 0);
    assert_eq!(lines.next(), None);
    lines.feed(inside);
    let mut rest = inside;
    while let Some(found) = lines.next() {
        if let Line::Text(text) = &found {
            let at = rest.windows(text.len().max(1)).position(|window| window.starts_with(text));
            let Some(at) = at.or(text.is_empty().then_some(0)) else { panic!("a line that was never sent") };
            rest = &rest[at + text.len()..];
        }
        line(&found);
    }
}

/// A client that waits for its reply after every packet.
fn with_pauses(bytes: &[u8], piece: usize) {
    let mut lines = Lines::default();
    for piece in bytes.chunks(piece) {
        lines.feed(piece);
        while let Some(found) = lines.next() {
            line(&found);
        }
        if let Some(found) = lines.take_cut() {
            line(&found);
            assert_eq!(lines.held(), 0);
            assert_eq!(lines.take_cut(), None, "the rest of a name is taken for a line");
        }
    }
}

fn line(line: &Line) {
    let Line::Text(text) = line else { return };
    assert!(text.len() <= LINE_MAX);
    assert!(verb(text).len() <= 10 && verb(text).bytes().all(|byte| byte.is_ascii_graphic()));
    assert!(after_switches(text).end == text.len());
    one_line(&Reply::new(250, text));
    one_line(&Reply::path(text, "here"));
    let Ok(command) = parse(text) else { return };
    let rendered = render(&command);
    assert_eq!(parse(&rendered), Ok(command), "`{}` reads otherwise", rendered.escape_ascii());
}

/// No name ends a reply early.
fn one_line(reply: &Reply) {
    let (text, end) = reply.0.split_at(reply.0.len() - 2);
    assert_eq!(end, b"\r\n");
    assert!(!text.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
}

/// The command as a client would send it.
fn render(command: &Command) -> Vec<u8> {
    let with = |verb: &str, given: &[u8]| [verb.as_bytes(), b" ", given].concat();
    let letter = |verb: &str, letter: u8| with(verb, &[letter]);
    match command {
        Command::User(name) => with("USER", name),
        Command::Pass(given) => with("PASS", given),
        Command::Acct => b"ACCT".to_vec(),
        Command::Host => b"HOST ftp.example.org".to_vec(),
        Command::Lang(given) => with("LANG", given),
        Command::Quit => b"QUIT".to_vec(),
        Command::Rein => b"REIN".to_vec(),
        Command::Auth(given) => with("AUTH", given),
        Command::Pbsz => b"PBSZ 0".to_vec(),
        Command::Prot(level) => letter("PROT", *level),
        Command::Ccc => b"CCC".to_vec(),
        Command::Noop => b"NOOP".to_vec(),
        Command::Syst => b"SYST".to_vec(),
        Command::Feat => b"FEAT".to_vec(),
        Command::Help => b"HELP".to_vec(),
        Command::Clnt => b"CLNT".to_vec(),
        Command::OptsUtf8(on) => with("OPTS UTF8", if *on { b"ON" } else { b"OFF" }),
        Command::OptsMlst(given) => with("OPTS MLST", given),
        Command::OptsHash(sum) => with("OPTS HASH", sum.map_or("", Sum::name).as_bytes()),
        Command::Type(given) => letter("TYPE", *given),
        Command::Mode(given) => letter("MODE", *given),
        Command::Stru(given) => letter("STRU", *given),
        Command::Allo(size) => with("ALLO", size.map(|size| size.to_string()).unwrap_or_default().as_bytes()),
        Command::Avbl => b"AVBL".to_vec(),
        Command::Rest(at) => with("REST", at.to_string().as_bytes()),
        Command::Pasv => b"PASV".to_vec(),
        Command::Epsv(Family::Any) => b"EPSV".to_vec(),
        Command::Epsv(Family::V4) => b"EPSV 1".to_vec(),
        Command::Epsv(Family::V6) => b"EPSV 2".to_vec(),
        Command::Epsv(Family::All) => b"EPSV ALL".to_vec(),
        Command::Active(at) => {
            let family = if at.is_ipv4() { 1 } else { 2 };
            format!("EPRT |{family}|{}|{}|", at.ip(), at.port()).into_bytes()
        }
        Command::Abor => b"ABOR".to_vec(),
        Command::Pwd => b"PWD".to_vec(),
        Command::Cwd(name) => with("CWD", name),
        Command::Cdup => b"CDUP".to_vec(),
        Command::Mkd(name) => with("MKD", name),
        Command::Rmd(name) => with("RMD", name),
        Command::Dele(name) => with("DELE", name),
        Command::Rnfr(name) => with("RNFR", name),
        Command::Rnto(name) => with("RNTO", name),
        Command::Size(name) => with("SIZE", name),
        Command::Mdtm(name) => with("MDTM", name),
        Command::Mfmt(at, name) => with(&format!("MFMT {}", exact_stamp(*at)), name),
        Command::Chmod => b"SITE CHMOD".to_vec(),
        Command::Sum(Asked::Hash, name) => with("HASH", name),
        Command::Sum(Asked::Plain { sum, from, to }, name) => {
            let mut given = [b"\"", name.as_slice(), b"\""].concat();
            given.extend(format!(" {from}").bytes());
            given.extend(to.map(|to| format!(" {to}")).unwrap_or_default().bytes());
            with(plain_verb(*sum), &given)
        }
        Command::Stat(None) => b"STAT".to_vec(),
        Command::Stat(Some(name)) => with("STAT", name),
        Command::Mlst(name) => with("MLST", name),
        Command::List(name) => with("LIST", name),
        Command::Nlst(name) => with("NLST", name),
        Command::Mlsd(name) => with("MLSD", name),
        Command::Stor(name) => with("STOR", name),
        Command::Appe(name) => with("APPE", name),
        Command::Stou(name) => with("STOU", name),
        Command::Retr(name) => with("RETR", name),
    }
}

fn exact_stamp(at: Micros) -> String {
    format!("{}.{:06}", stamp(at), at.0.rem_euclid(1_000_000))
}

fn plain_verb(sum: Sum) -> &'static str {
    match sum {
        Sum::Crc32 => "XCRC",
        Sum::Digest(Algorithm::Md5) => "XMD5",
        Sum::Digest(Algorithm::Sha1) => "XSHA1",
        Sum::Digest(Algorithm::Sha256) => "XSHA256",
        Sum::Digest(Algorithm::Sha512) => "XSHA512",
        Sum::Digest(other) => panic!("no command asks for {}", other.name()),
    }
}
