//! A line as a command with its parameter. Pure. A wrong parameter is a value, [`Malformed`]: it answers 501 and ends nothing.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use super::date::parse_stamp;
use super::sums::{Asked, Sum};
use crate::domain::Micros;
use crate::endpoint::digests::Algorithm;

/// What a client asks for. Names are bytes as they came, leading and trailing spaces included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    // Who.
    User(Vec<u8>),
    Pass(Vec<u8>),
    Acct,
    Host,
    Lang(Vec<u8>),
    Quit,
    Rein,
    Auth(Vec<u8>),
    Pbsz,
    Prot(u8),
    Ccc,
    // How.
    Noop,
    Syst,
    Feat,
    Help,
    Clnt,
    OptsUtf8(bool),
    OptsMlst(Vec<u8>),
    OptsHash(Option<Sum>),
    Type(u8),
    Mode(u8),
    Stru(u8),
    Allo(Option<u64>),
    Avbl,
    Rest(u64),
    Pasv,
    Epsv(Family),
    /// PORT, EPRT: the server connects to the client.
    Active(SocketAddr),
    Abor,
    // Names.
    Pwd,
    Cwd(Vec<u8>),
    Cdup,
    Mkd(Vec<u8>),
    Rmd(Vec<u8>),
    Dele(Vec<u8>),
    Rnfr(Vec<u8>),
    Rnto(Vec<u8>),
    Size(Vec<u8>),
    Mdtm(Vec<u8>),
    Mfmt(Micros, Vec<u8>),
    Chmod,
    Sum(Asked, Vec<u8>),
    Stat(Option<Vec<u8>>),
    Mlst(Vec<u8>),
    // Transfers.
    List(Vec<u8>),
    Nlst(Vec<u8>),
    Mlsd(Vec<u8>),
    Stor(Vec<u8>),
    Appe(Vec<u8>),
    Stou(Vec<u8>),
    Retr(Vec<u8>),
}

/// What EPSV was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Any,
    V4,
    V6,
    /// From now on, only EPSV.
    All,
}

/// Why a line is no command that can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Malformed {
    /// No such command.
    Unknown,
    /// Known, and not done here.
    NotDone,
    /// The parameter is missing or wrong.
    Parameter(&'static str),
}

use Malformed::{NotDone, Parameter, Unknown};

/// The verb of a line, for the log and for messages: upper case, at most 10 letters.
pub(super) fn verb(line: &[u8]) -> String {
    let (verb, _) = split(line);
    verb.iter().take(10).map(|byte| char::from(byte.to_ascii_uppercase())).filter(char::is_ascii_graphic).collect()
}

/// Reads one line.
///
/// # Errors
/// When it is no command, or its parameter is wrong.
pub(super) fn parse(line: &[u8]) -> Result<Command, Malformed> {
    let (verb, given) = split(line);
    let name = || match given {
        [] => Err(Parameter("a name is missing")),
        given => Ok(given.to_vec()),
    };
    let word = given.trim_ascii();
    Ok(match verb.to_ascii_uppercase().as_slice() {
        b"USER" => Command::User(name()?),
        b"PASS" => Command::Pass(given.to_vec()),
        b"ACCT" => Command::Acct,
        b"HOST" => name().map(|_| Command::Host)?,
        b"LANG" => Command::Lang(word.to_ascii_lowercase()),
        b"AVBL" => Command::Avbl,
        b"QUIT" => Command::Quit,
        b"REIN" => Command::Rein,
        b"AUTH" => Command::Auth(word.to_ascii_uppercase()),
        b"PBSZ" => number(word).map(|_| Command::Pbsz).ok_or(Parameter("a number is expected"))?,
        b"PROT" => Command::Prot(letter(word).ok_or(Parameter("C or P is expected"))?),
        b"CCC" => Command::Ccc,
        b"NOOP" => Command::Noop,
        b"SYST" => Command::Syst,
        b"FEAT" => Command::Feat,
        b"HELP" => Command::Help,
        b"CLNT" | b"CSID" => Command::Clnt,
        b"OPTS" => options(word)?,
        b"TYPE" => Command::Type(data_type(word).ok_or(Parameter("A, I or L 8 is expected"))?),
        b"MODE" => Command::Mode(letter(word).ok_or(Parameter("a letter is expected"))?),
        b"STRU" => Command::Stru(letter(word).ok_or(Parameter("a letter is expected"))?),
        b"ALLO" => Command::Allo(word.split(|byte| *byte == b' ').next().and_then(number)),
        b"REST" => Command::Rest(number(word).ok_or(Parameter("a number of bytes is expected"))?),
        b"PASV" => Command::Pasv,
        b"EPSV" => Command::Epsv(match word.to_ascii_uppercase().as_slice() {
            b"" => Family::Any,
            b"1" => Family::V4,
            b"2" => Family::V6,
            b"ALL" => Family::All,
            _ => return Err(Parameter("1, 2, ALL or nothing is expected")),
        }),
        b"PORT" => Command::Active(port(word).ok_or(Parameter("six numbers with commas are expected"))?),
        b"EPRT" => {
            Command::Active(extended_port(word).ok_or(Parameter("|1|ADDRESS|PORT| or |2|ADDRESS|PORT| is expected"))?)
        }
        b"ABOR" => Command::Abor,
        b"PWD" | b"XPWD" => Command::Pwd,
        b"CWD" | b"XCWD" => Command::Cwd(given.to_vec()),
        b"CDUP" | b"XCUP" => Command::Cdup,
        b"MKD" | b"XMKD" => Command::Mkd(name()?),
        b"RMD" | b"XRMD" => Command::Rmd(name()?),
        b"DELE" => Command::Dele(name()?),
        b"RNFR" => Command::Rnfr(name()?),
        b"RNTO" => Command::Rnto(name()?),
        b"SIZE" => Command::Size(name()?),
        b"MDTM" => Command::Mdtm(name()?),
        b"MFMT" => timed(given).ok_or(Parameter("YYYYMMDDHHMMSS and a name are expected"))?,
        b"SITE" => site(given)?,
        b"HASH" => Command::Sum(Asked::Hash, name()?),
        b"XCRC" => plain_sum(Sum::Crc32, given)?,
        b"XMD5" | b"MD5" => plain_sum(Sum::Digest(Algorithm::Md5), given)?,
        b"XSHA" | b"XSHA1" => plain_sum(Sum::Digest(Algorithm::Sha1), given)?,
        b"XSHA256" => plain_sum(Sum::Digest(Algorithm::Sha256), given)?,
        b"XSHA512" => plain_sum(Sum::Digest(Algorithm::Sha512), given)?,
        b"STAT" => Command::Stat((!given.is_empty()).then(|| given.to_vec())),
        b"MLST" => Command::Mlst(given.to_vec()),
        b"LIST" => Command::List(given.to_vec()),
        b"NLST" => Command::Nlst(given.to_vec()),
        b"MLSD" => Command::Mlsd(given.to_vec()),
        b"STOR" => Command::Stor(name()?),
        b"APPE" => Command::Appe(name()?),
        b"STOU" => Command::Stou(given.to_vec()),
        b"RETR" => Command::Retr(name()?),
        b"SMNT" | b"ADAT" | b"CONF" | b"ENC" | b"MIC" | b"LPRT" | b"LPSV" | b"MODB" | b"COMB" | b"MFCT" | b"MFF"
        | b"SPSV" | b"MDBM" | b"PRET" | b"RANG" => return Err(NotDone),
        _ => return Err(Unknown),
    })
}

/// The words of a `LIST -la NAME` that are switches of `ls` are a prefix; this is where the name begins.
pub(super) fn after_switches(given: &[u8]) -> Range<usize> {
    let mut from = 0;
    while let rest @ [b'-', switches @ ..] = &given[from..] {
        let letters = switches.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        match rest.get(letters + 1) {
            None => from = given.len(),
            Some(b' ') => from += letters + 2,
            Some(_) => break,
        }
    }
    from..given.len()
}

/// Verb and the rest after exactly one space: a name may begin with spaces.
fn split(line: &[u8]) -> (&[u8], &[u8]) {
    // lftp sends ABOR behind an urgent Telnet mark of which a byte may be left over.
    let start = line.iter().position(|byte| byte.is_ascii_graphic()).unwrap_or(line.len());
    let line = &line[start..];
    match line.iter().position(|byte| *byte == b' ') {
        Some(space) => (&line[..space], &line[space + 1..]),
        None => (line, b""),
    }
}

fn options(word: &[u8]) -> Result<Command, Malformed> {
    let (what, how) = split(word);
    match what.to_ascii_uppercase().as_slice() {
        b"UTF8" | b"UTF-8" => match how.trim_ascii().to_ascii_uppercase().as_slice() {
            b"" | b"ON" | b"NLST" => Ok(Command::OptsUtf8(true)),
            b"OFF" => Ok(Command::OptsUtf8(false)),
            _ => Err(Parameter("ON or OFF is expected")),
        },
        b"MLST" => Ok(Command::OptsMlst(how.to_ascii_lowercase())),
        b"HASH" => match how.trim_ascii() {
            b"" => Ok(Command::OptsHash(None)),
            name => {
                let sum = Sum::named(name).ok_or(Parameter("SHA-256, SHA-512, SHA-1, MD5 or CRC32 is expected"))?;
                Ok(Command::OptsHash(Some(sum)))
            }
        },
        _ => Err(Parameter("the options here are UTF8, MLST and HASH")),
    }
}

fn site(given: &[u8]) -> Result<Command, Malformed> {
    let (what, how) = split(given);
    match what.to_ascii_uppercase().as_slice() {
        b"CHMOD" | b"UMASK" | b"CHGRP" => Ok(Command::Chmod),
        b"HELP" => Ok(Command::Help),
        b"UTIME" => site_utime(how).ok_or(Parameter("YYYYMMDDHHMMSS and a name are expected")),
        _ => Err(NotDone),
    }
}

/// `SITE UTIME 20261122224640 name`, or the older `SITE UTIME name atime mtime ctime UTC`.
fn site_utime(given: &[u8]) -> Option<Command> {
    if let Some(command) = timed(given) {
        return Some(command);
    }
    let rest = given.strip_suffix(b" UTC")?;
    let (rest, _ctime) = split_last(rest)?;
    let (rest, mtime) = split_last(rest)?;
    let (name, _atime) = split_last(rest)?;
    Some(Command::Mfmt(parse_stamp(mtime)?, name.to_vec()))
}

fn split_last(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let space = text.iter().rposition(|byte| *byte == b' ').filter(|space| *space > 0)?;
    Some((&text[..space], &text[space + 1..]))
}

fn timed(given: &[u8]) -> Option<Command> {
    let (time, name) = split(given);
    // Some clients leave the seconds away.
    let whole = if time.len() == 12 { [time, b"00"].concat() } else { time.to_vec() };
    (!name.is_empty()).then_some(())?;
    Some(Command::Mfmt(parse_stamp(&whole)?, name.to_vec()))
}

/// `XMD5 name` or, as some clients send it, `XMD5 "name" FROM TO`: offsets count only behind a name in quotes, since a name
/// may itself end with numbers.
fn plain_sum(sum: Sum, given: &[u8]) -> Result<Command, Malformed> {
    let whole = |name: &[u8]| Command::Sum(Asked::Plain { sum, from: 0, to: None }, name.to_vec());
    let quoted = given.strip_prefix(b"\"").and_then(|rest| {
        let end = rest.iter().rposition(|byte| *byte == b'"')?;
        Some((&rest[..end], rest[end + 1..].trim_ascii()))
    });
    match quoted {
        _ if given.is_empty() => Err(Parameter("a name is missing")),
        None => Ok(whole(given)),
        Some((name, b"")) => Ok(whole(name)),
        Some((name, offsets)) => {
            let mut numbers = offsets.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).map(number);
            match (numbers.next().flatten(), numbers.next(), numbers.next()) {
                (Some(from), to @ (None | Some(Some(_))), None) => {
                    Ok(Command::Sum(Asked::Plain { sum, from, to: to.flatten() }, name.to_vec()))
                }
                _ => Err(Parameter("a name in quotes, and then at most two offsets are expected")),
            }
        }
    }
}

/// `h1,h2,h3,h4,p1,p2`.
fn port(word: &[u8]) -> Option<SocketAddr> {
    let numbers: Option<Vec<u8>> = word
        .split(|byte| *byte == b',')
        .map(|digits| number(digits.trim_ascii()).and_then(|value| u8::try_from(value).ok()))
        .collect();
    let [a, b, c, d, high, low] = numbers?.try_into().ok()?;
    Some(SocketAddr::from(([a, b, c, d], u16::from_be_bytes([high, low]))))
}

/// `|1|132.235.1.2|6275|`, with any delimiter.
fn extended_port(word: &[u8]) -> Option<SocketAddr> {
    let (delimiter, rest) = word.split_first()?;
    let fields: Vec<&[u8]> = rest.strip_suffix(&[*delimiter])?.split(|byte| byte == delimiter).collect();
    let [family, address, port] = fields.try_into().ok()?;
    let address: IpAddr = str::from_utf8(address).ok()?.parse().ok()?;
    let family_fits = matches!((family, address), (b"1", IpAddr::V4(_)) | (b"2", IpAddr::V6(_)));
    family_fits.then_some(SocketAddr::new(address, u16::try_from(number(port)?).ok()?))
}

fn letter(word: &[u8]) -> Option<u8> {
    match word {
        [letter] if letter.is_ascii_alphabetic() => Some(letter.to_ascii_uppercase()),
        _ => None,
    }
}

fn data_type(word: &[u8]) -> Option<u8> {
    let (letter, how) = split(word);
    match (letter.to_ascii_uppercase().as_slice(), how.trim_ascii().to_ascii_uppercase().as_slice()) {
        (b"A", b"" | b"N") => Some(b'A'),
        (b"I", b"") | (b"L", b"8") | (b"L8", b"") => Some(b'I'),
        _ => None,
    }
}

fn number(word: &[u8]) -> Option<u64> {
    // `parse` would take a leading plus.
    str::from_utf8(word).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_keep_every_byte() {
        assert_eq!(parse(b"stor  a b "), Ok(Command::Stor(b" a b ".to_vec())));
        assert_eq!(parse(b"RETR caf\xe9\n.jpg"), Ok(Command::Retr(b"caf\xe9\n.jpg".to_vec())));
        assert_eq!(parse(b"\xffABOR"), Ok(Command::Abor));
    }

    #[test]
    fn wrong_parameters_are_told_apart_from_unknown_commands() {
        for line in [
            "REST x",
            "REST +1",
            "REST -1",
            "TYPE",
            "TYPE X",
            "OPTS nonsense",
            "MFMT 2020 a",
            "MFMT 20200101000000",
            "STOR",
            "PROT",
        ] {
            assert!(matches!(parse(line.as_bytes()), Err(Parameter(_))), "{line}");
        }
        assert_eq!(parse(b""), Err(Unknown));
        assert_eq!(parse(b"FROB"), Err(Unknown));
        assert_eq!(parse(b"MFCT 20200101000000 a"), Err(NotDone));
        assert_eq!(parse(b"NOOP x"), Ok(Command::Noop));
        assert_eq!(parse(b"OPTS utf-8 on"), Ok(Command::OptsUtf8(true)));
    }

    #[test]
    fn times_come_in_three_forms() {
        let at = parse_stamp(b"20200102030405").unwrap();
        for line in [
            "MFMT 20200102030405 a b",
            "SITE UTIME 20200102030405 a b",
            "SITE UTIME a b 20190101000000 20200102030405 20190101000000 UTC",
        ] {
            assert_eq!(parse(line.as_bytes()), Ok(Command::Mfmt(at, b"a b".to_vec())), "{line}");
        }
    }

    #[test]
    fn switches_of_ls_are_no_name() {
        for (given, name) in
            [("-la", ""), ("-a -l x y", "x y"), ("-la  x", " x"), ("-x.jpg", "-x.jpg"), ("x -l", "x -l"), ("-", "")]
        {
            assert_eq!(&given[after_switches(given.as_bytes())], name, "{given}");
        }
    }

    proptest! {
        #[test]
        fn no_line_is_too_strange(line in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _any = parse(&line);
            let _range = &line[after_switches(&line)];
            prop_assert!(verb(&line).len() <= 10);
        }
    }
}
