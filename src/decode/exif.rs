//! The two things that matter in EXIF: how the camera was held and when the picture was taken.

use ::exif::{DateTime, Error, In, Reader, Tag, Value};

/// What EXIF says, or what its absence means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exif {
    /// 1 to 8; 1 when absent or out of range.
    pub orientation: u8,
    /// `YYYY-MM-DDTHH:MM:SS` by the camera's clock, with a fraction of the second where the camera told it.
    pub taken_at: Option<String>,
}

impl Default for Exif {
    fn default() -> Self {
        Exif { orientation: 1, taken_at: None }
    }
}

/// EXIF is at most this long where it is honest (a JPEG segment holds 64 KiB; PNG and WebP allow more).
const BYTES_MAX: usize = 4 << 20;

/// Reads a TIFF-structured block, with or without the `Exif\0\0` that JPEG puts before it. Damaged EXIF says nothing: it
/// never makes a picture unreadable.
pub(super) fn read(block: &[u8]) -> Exif {
    let block = block.strip_prefix(b"Exif\0\0").unwrap_or(block);
    if block.len() > BYTES_MAX {
        return Exif::default();
    }
    let mut reader = Reader::new();
    reader.continue_on_error(true);
    let exif = match reader.read_raw(block.to_vec()) {
        Ok(exif) => exif,
        Err(Error::PartialResult(partial)) => partial.into_inner().0,
        Err(_) => return Exif::default(),
    };
    let orientation = exif.get_field(Tag::Orientation, In::PRIMARY).and_then(|field| field.value.get_uint(0));
    let text = |tag: Tag| match &exif.get_field(tag, In::PRIMARY)?.value {
        Value::Ascii(texts) => texts.first().map(Vec::as_slice),
        _ => None,
    };
    let times = [(Tag::DateTimeOriginal, Tag::SubSecTimeOriginal), (Tag::DateTimeDigitized, Tag::SubSecTimeDigitized)];
    let taken_at = times.into_iter().find_map(|(time, fraction)| moment(text(time)?, text(fraction)));
    Exif { orientation: orientation_from(orientation), taken_at }
}

/// An orientation as found; out of range means upright.
pub(super) fn orientation_from(value: Option<u32>) -> u8 {
    value.and_then(|value| u8::try_from(value).ok()).filter(|value| (1..=8).contains(value)).unwrap_or(1)
}

/// EXIF's `YYYY:MM:DD HH:MM:SS` as ISO 8601, with the digits of its fraction behind it; impossible dates and blanks are
/// nothing.
pub(super) fn moment(text: &[u8], fraction: Option<&[u8]>) -> Option<String> {
    // A date that does not parse is as good as none.
    let time = DateTime::from_ascii(text).ok()?;
    let possible = time.year >= 1800
        && (1..=12).contains(&time.month)
        && (1..=31).contains(&time.day)
        && time.hour < 24
        && time.minute < 60
        && time.second <= 60;
    let digits = fraction.and_then(|text| std::str::from_utf8(text).ok()).map(|text| text.trim_matches(['\0', ' ']));
    let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.len() <= 9);
    possible.then(|| {
        let whole = format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            time.year, time.month, time.day, time.hour, time.minute, time.second
        );
        digits.filter(|digits| !digits.is_empty()).map(|digits| format!("{whole}.{digits}")).unwrap_or(whole)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_checked() {
        assert_eq!(moment(b"2019:07:04 13:05:59", None).as_deref(), Some("2019-07-04T13:05:59"));
        for (fraction, text) in [(&b"073"[..], ".073"), (b"4 \0", ".4"), (b"  ", ""), (b"x", ""), (b"1234567890", "")] {
            let expected = format!("2019-07-04T13:05:59{text}");
            assert_eq!(moment(b"2019:07:04 13:05:59", Some(fraction)), Some(expected));
        }
        for nonsense in [&b"0000:00:00 00:00:00"[..], b"2019:13:04 13:05:59", b"    :  :     :  :  ", b"yesterday", b""]
        {
            assert_eq!(moment(nonsense, None), None);
        }
    }

    #[test]
    fn nonsense_says_nothing() {
        assert_eq!(read(b"Exif\0\0II*\0\xff\xff\xff\xff"), Exif::default());
        assert_eq!(read(b""), Exif::default());
        assert_eq!(orientation_from(Some(9)), 1);
        assert_eq!(orientation_from(Some(0)), 1);
    }
}
