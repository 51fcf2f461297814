//! Codes of six digits that change every half minute (RFC 6238, with SHA-1 as every app knows it): made here and compared.

use ring::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign};

use crate::domain::Micros;

/// Bytes of a secret: as long as the digest, as RFC 4226 wants.
pub const SECRET_BYTES: usize = 20;

/// Seconds that a code lasts.
const STEP_SECONDS: i64 = 30;

/// Steps before and after the clock's own that count, since phones go wrong.
const STEPS_BESIDE: i64 = 1;

/// A fresh secret.
///
/// # Errors
/// When the system has no randomness.
pub fn new_secret() -> Result<[u8; SECRET_BYTES], getrandom::Error> {
    let mut secret = [0; SECRET_BYTES];
    getrandom::fill(&mut secret)?;
    Ok(secret)
}

/// What an app reads, as text or from a QR code.
pub fn address(secret: &[u8], issuer: &str, name: &str) -> String {
    let (issuer, name) = (escaped(issuer), escaped(name));
    format!("otpauth://totp/{issuer}:{name}?secret={}&issuer={issuer}", base32(secret))
}

/// The step whose code this is, around `now` and after the step `used`; nothing for a wrong or used code.
pub(super) fn step_of(secret: &[u8], code: &str, now: Micros, used: i64) -> Option<i64> {
    let digits: String = code.chars().filter(|character| !character.is_whitespace()).collect();
    let step = now.seconds().div_euclid(STEP_SECONDS);
    let mut found = None;
    // All are looked at, so that the time taken says nothing.
    for step in (step - STEPS_BESIDE)..=(step + STEPS_BESIDE) {
        let differing = code_at(secret, step).bytes().zip(digits.bytes()).fold(0, |bits, (a, b)| bits | (a ^ b));
        if std::hint::black_box(differing) == 0 && digits.len() == 6 && step > used {
            found = Some(step);
        }
    }
    found
}

fn code_at(secret: &[u8], step: i64) -> String {
    let tag = sign(&Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret), &step.to_be_bytes());
    let bytes = tag.as_ref();
    let at = usize::from(bytes[bytes.len() - 1] & 0xf);
    let number = u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// RFC 4648's base32 without padding, in which apps take secrets.
fn base32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let (mut text, mut held, mut bits) = (String::new(), 0_u32, 0);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(LETTERS[(held >> bits) as usize & 31]));
        }
    }
    if bits > 0 {
        text.push(char::from(LETTERS[(held << (5 - bits)) as usize & 31]));
    }
    text
}

/// A text in an address: all but letters and digits escaped.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The code of this moment.
    pub(in crate::endpoint::login) fn code_now() -> String {
        code_at(SECRET, Micros::now().seconds() / STEP_SECONDS)
    }

    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238, appendix B: the last six of its eight digits.
        for (seconds, code) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (2_000_000_000, "279037")]
        {
            assert_eq!(code_at(SECRET, seconds / 30), code);
            let now = Micros::from_seconds(seconds);
            assert_eq!(step_of(SECRET, code, now, 0), Some(seconds / 30));
            assert_eq!(step_of(SECRET, code, now, seconds / 30), None, "none works twice");
            assert_eq!(step_of(SECRET, code, now.plus_seconds(90), 0), None, "it is over");
            assert_eq!(step_of(SECRET, code, now.plus_seconds(30), 0), Some(seconds / 30), "a phone may be slow");
        }
        assert_eq!(step_of(SECRET, "287 082 ", Micros::from_seconds(59), 0), Some(1));
        for wrong in ["", "28708", "2870822", "287083", "\u{665}87082"] {
            assert_eq!(step_of(SECRET, wrong, Micros::from_seconds(59), 0), None);
        }
    }

    #[test]
    fn apps_read_the_address() {
        let address = address(SECRET, "reunite", "Sue & Co");
        let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
        assert_eq!(address, format!("otpauth://totp/reunite:Sue%20%26%20Co?secret={secret}&issuer=reunite"));
        assert_eq!((base32(b"f"), base32(b"foobar")), ("MY".to_owned(), "MZXW6YTBOI".to_owned()));
    }
}
