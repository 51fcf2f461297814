//! File names as cameras give them and as phones, Windows, macOS, browsers, messengers and shops change them.
//!
//! Two names compare by what is left of them without ending, case and form of Unicode, without the words and numbers of
//! copies, and without the number that a collision puts in front. What an *edit* adds stays: an edited picture is another
//! one. Where one rule cannot know whether a number counts copies or pictures, two different numbers are two names, and
//! a number and none are one.

use unicode_normalization::{UnicodeNormalization, is_nfc};

/// Endings that stay in the middle of a name when a program adds its own: `IMG_1.HEIC.jpg`.
const ENDINGS: [&str; 15] = [
    ".jpg", ".jpeg", ".png", ".gif", ".webp", ".heic", ".heif", ".avif", ".tif", ".tiff", ".bmp", ".psd", ".pdf",
    ".dng", ".jfif",
];
/// "Copy" as Windows and macOS say it: `a - Copy`, `a copy 2`, `a (copy)`.
const COPIES: [&str; 6] = ["copy", "kopie", "copie", "copia", "cópia", "kopia"];
/// "Copy of", before the name; a number may stand behind the first word.
const COPIES_OF: [(&str, &str); 8] = [
    ("copy", "of"),
    ("kopie", "von"),
    ("copie", "de"),
    ("copia", "de"),
    ("copia", "di"),
    ("cópia", "de"),
    ("kopie", "van"),
    ("kopia", "av"),
];
/// What editors add: Google Photos in some languages and for its effects, and Lightroom.
const EDITS: [&str; 9] =
    ["-edited", "-edit", "-bearbeitet", "-modifié", "-editado", "-editada", "-modificato", "-bewerkt", "-effects"];
/// Longest number in front, in digits, that is taken for a collision's.
const FRONT_DIGITS_MAX: usize = 5;

/// The comparable part of a file name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    stem: String,
    /// A number in front, as `12_`: a collision's, or a folder's as in `100_0042`.
    front: Option<u32>,
    /// A number behind, as ` (2)`: a copy's, or of pictures that were renamed together.
    back: Option<u32>,
}

impl Name {
    /// The comparable part of a file name, with or without folders.
    pub fn of(text: &str) -> Self {
        let decoded = percent_decoded(text);
        let file = decoded.rsplit(['/', '\\']).next().unwrap_or(&decoded);
        let lower = file.trim().to_lowercase();
        let lower = if is_nfc(&lower) { lower } else { lower.nfc().collect() };
        let mut rest = match lower.rfind('.') {
            Some(dot) if dot > 0 => &lower[..dot],
            _ => &lower,
        };
        let mut back = None;
        loop {
            let shorter = without_ending(without_copy_of(without_copy(rest)));
            let (shorter, number) = match without_number(shorter) {
                Some((shorter, number)) => (shorter, Some(number)),
                None => (shorter, None),
            };
            // The outermost number tells one name from another.
            back = back.or(number);
            if shorter.len() == rest.len() {
                break;
            }
            rest = shorter.trim();
        }
        let (front, rest) = match front_number(rest) {
            Some((number, rest)) => (Some(number), rest),
            None => (None, rest),
        };
        Name { stem: rest.to_owned(), front, back }
    }

    /// The comparable part of a path's file name; archive members stand after `!/`. What is not UTF-8 is read as Latin-1,
    /// which old clients send.
    pub fn of_path(path: &[u8]) -> Self {
        match std::str::from_utf8(path) {
            Ok(text) => Name::of(text),
            Err(_) => Name::of(&path.iter().map(|&byte| char::from(byte)).collect::<String>()),
        }
    }

    /// What names that may be the same have in common.
    pub fn stem(&self) -> &str {
        &self.stem
    }

    /// Whether both may be the name of one file.
    pub fn is_same(&self, other: &Name) -> bool {
        let conflict = |a: Option<u32>, b: Option<u32>| a.zip(b).is_some_and(|(a, b)| a != b);
        let named = !self.stem.is_empty() && self.stem == other.stem;
        named && !conflict(self.front, other.front) && !conflict(self.back, other.back)
    }

    /// Whether the name tells one picture from others: cameras and databases write numbers of three digits and more, while
    /// messengers number what they receive day by day.
    pub fn tells(&self) -> bool {
        has_number(&self.stem) && !is_of_messenger(&self.stem)
    }

    /// Whether the names say that these are two pictures: shots of one series, such as `img_2549` and `img_2598`, or a shot
    /// and what somebody made of it.
    pub fn is_another_picture(&self, other: &Name) -> bool {
        let (a, b) = (self.stem.as_str(), other.stem.as_str());
        let series = |stem: &str| stem.replace(|c: char| c.is_ascii_digit(), "#");
        let edit = |edited: &str, of: &str| unedited(edited).is_some_and(|shot| shot == of);
        // Several shots of one second; browsers, which write the same, begin with 1.
        let burst = |second: &str, first: &str| second.strip_suffix("(0)") == Some(first);
        a != b
            && self.tells()
            && other.tells()
            && (series(a) == series(b) || edit(a, b) || edit(b, a) || burst(a, b) || burst(b, a))
    }
}

/// `text` with its `%20` and the like decoded, where all of it is decoded to UTF-8.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let Some(byte) = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) else { return text.to_owned() };
        bytes.push(byte);
        bytes.extend(part[2..].bytes());
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn without_ending(stem: &str) -> &str {
    let shorter = ENDINGS.iter().find_map(|ending| stem.strip_suffix(ending));
    shorter.filter(|shorter| !shorter.is_empty()).unwrap_or(stem)
}

/// Without ` - Copy (2)`, ` copy 2`, ` (copy)` at its end.
fn without_copy(stem: &str) -> &str {
    let unwrapped = stem.strip_suffix(')').and_then(|open| open.rsplit_once(" (")).filter(|(_, inner)| is_copy(inner));
    if let Some((name, _)) = unwrapped.filter(|(name, _)| !name.is_empty()) {
        return name;
    }
    let counted = parenthesised(stem).or_else(|| spaced(stem)).map_or(stem, |(name, _)| name);
    for word in COPIES {
        let name = counted.strip_suffix(word).and_then(|name| name.strip_suffix(" - ").or(name.strip_suffix(' ')));
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            return name;
        }
    }
    stem
}

/// True for `copy` and `copy 2`.
fn is_copy(text: &str) -> bool {
    let word = spaced(text).map_or(text, |(word, _)| word);
    COPIES.contains(&word)
}

/// Without `Copy of `, `Copy (2) of ` in front of it.
fn without_copy_of(stem: &str) -> &str {
    for (copy, of) in COPIES_OF {
        let Some(rest) = stem.strip_prefix(copy).and_then(|rest| rest.strip_prefix(' ')) else { continue };
        let counted = rest.strip_prefix('(').and_then(|rest| rest.split_once(") "));
        let rest = counted.filter(|(number, _)| is_number(number)).map_or(rest, |(_, rest)| rest);
        let name = rest.strip_prefix(of).and_then(|name| name.strip_prefix(' '));
        if let Some(name) = name.filter(|name| !name.is_empty()) {
            return name;
        }
    }
    stem
}

/// Without ` (2)` and `(2)` at its end, and without ` 2` where a camera's name stands before it.
fn without_number(stem: &str) -> Option<(&str, u32)> {
    parenthesised(stem)
        // Phones that take two pictures in one second write the same.
        .or_else(|| open_parenthesised(stem).filter(|(name, _)| !is_moment(name)))
        .or_else(|| spaced(stem).filter(|(name, number)| *number > 1 && is_of_camera(name)))
}

/// `a (2)` as `a` and 2.
fn parenthesised(stem: &str) -> Option<(&str, u32)> {
    split_number(stem.strip_suffix(')')?, " (")
}

/// `a(2)` as `a` and 2.
fn open_parenthesised(stem: &str) -> Option<(&str, u32)> {
    split_number(stem.strip_suffix(')')?, "(")
}

/// `a 2` as `a` and 2.
fn spaced(stem: &str) -> Option<(&str, u32)> {
    split_number(stem, " ").filter(|(_, number)| *number < 100)
}

fn split_number<'s>(stem: &'s str, separator: &str) -> Option<(&'s str, u32)> {
    let (name, number) = stem.rsplit_once(separator)?;
    let number = Some(number).filter(|number| is_number(number))?.parse().ok()?;
    (!name.is_empty()).then_some((name, number))
}

/// `12_a` as 12 and `a`.
fn front_number(stem: &str) -> Option<(u32, &str)> {
    let (number, rest) = stem.split_once('_')?;
    let good = is_number(number) && number.len() <= FRONT_DIGITS_MAX && !rest.is_empty();
    if good { Some((number.parse().ok()?, rest)) } else { None }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether `text` is `pattern`, in which `#` stands for a digit.
fn is_like(text: &str, pattern: &str) -> bool {
    let fits = |(byte, wanted): (u8, u8)| if wanted == b'#' { byte.is_ascii_digit() } else { byte == wanted };
    text.len() == pattern.len() && text.bytes().zip(pattern.bytes()).all(fits)
}

/// True for a name that ends in a date and a time to the second, as phones give it.
fn is_moment(stem: &str) -> bool {
    let ends = |pattern: &str| {
        let at = stem.len().checked_sub(pattern.len());
        at.and_then(|at| stem.get(at..)).is_some_and(|end| is_like(end, pattern))
    };
    ends("########_######") || ends("########-######") || ends("########_#########")
}

/// True for a name without spaces that ends in three digits.
fn is_of_camera(stem: &str) -> bool {
    let digits = stem.bytes().rev().take_while(u8::is_ascii_digit).count();
    digits >= 3 && !stem.contains(' ')
}

/// True for the names that messengers give to what they receive: the same name says nothing on another telephone.
fn is_of_messenger(stem: &str) -> bool {
    let starts = |pattern: &str| stem.get(..pattern.len()).is_some_and(|start| is_like(start, pattern));
    starts("img-########-wa####")
        || starts("whatsapp image ")
        || starts("photo_####-##-##_##-##-##")
        || starts("signal-####-##-##")
}

/// The shot that a name says it was made from: `img_1234` of the telephone's `img_e1234`, of `img_1234-edited`, of
/// `img_1234~2`.
fn unedited(stem: &str) -> Option<String> {
    if is_like(stem, "img_e####") {
        return Some(stem.replacen("_e", "_", 1));
    }
    let again = stem.rsplit_once('~').filter(|(_, number)| is_number(number)).map(|(shot, _)| shot);
    again.or_else(|| EDITS.iter().find_map(|edit| stem.strip_suffix(edit))).map(str::to_owned)
}

/// True for at least three digits in a row.
fn has_number(stem: &str) -> bool {
    stem.as_bytes().windows(3).any(|run| run.iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_forget_what_copying_adds() {
        for name in [
            "IMG_0042.JPG",
            "img_0042.jpeg",
            "IMG_0042.HEIC",
            "IMG_0042.HEIC.jpg",
            "a/b\\IMG_0042",
            "DCIM%2F100APPLE%2FIMG_0042.JPG",
            "12_IMG_0042.jpg",
            "img_0042 (1).png",
            "IMG_0042(1).jpg",
            "IMG_0042 2.jpg",
            "IMG_0042.JPG (3).jpg",
            "Kopie von img_0042.jpg",
            "Kopie (2) von IMG_0042.JPG",
            "Copy of IMG_0042.JPG",
            "Copy (3) of IMG_0042.JPG",
            "Kopie von Kopie von IMG_0042.jpg",
            "IMG_0042 - Kopie.jpg",
            "IMG_0042 - Copy (2).jpg",
            "IMG_0042.jpg - Kopie.jpg",
            "IMG_0042 - Kopie - Kopie.JPG",
            "IMG_0042 copy.jpg",
            "IMG_0042 copy 2.jpg",
            "IMG_0042 Kopie 3.jpg",
            "IMG_0042 (copy).jpg",
            "IMG_0042 (Kopie 2).jpg",
            "Copie de IMG_0042.jpg",
        ] {
            let (name, plain) = (Name::of(name), Name::of("IMG_0042.jpg"));
            assert_eq!(name.stem(), "img_0042", "{name:?}");
            assert!(name.is_same(&plain) && plain.is_same(&name) && !name.is_another_picture(&plain), "{name:?}");
        }
        assert_eq!(Name::of_path(b"scan.zip!/DSC00017.JPG").stem(), "dsc00017");
    }

    #[test]
    fn what_only_looks_like_a_copy_stays() {
        for (name, stem) in [
            ("20180512_101500.jpg", "20180512_101500"),
            (".jpg", ".jpg"),
            ("Motiv (neu).png", "motiv (neu)"),
            ("Urlaub 2.jpg", "urlaub 2"),
            ("regatta-1.jpg", "regatta-1"),
            ("Kopie.jpg", "kopie"),
            ("copy of.jpg", "copy of"),
            ("100%.jpg", "100%"),
            ("50%25 rabatt.jpg", "50% rabatt"),
            ("%ff%fe.jpg", "%ff%fe"),
            ("IMG_20200101_120000(0).jpg", "img_20200101_120000(0)"),
            ("photocopy.jpg", "photocopy"),
        ] {
            assert_eq!(Name::of(name).stem(), stem, "{name}");
        }
    }

    #[test]
    fn letters_are_the_same_however_they_are_written() {
        let composed = Name::of("Küche_0042.jpg");
        for other in ["Ku\u{308}che_0042.jpg", "KÜCHE_0042.JPG", "K%C3%BCche_0042.jpg"] {
            assert!(Name::of(other).is_same(&composed), "{other}");
        }
        assert!(Name::of_path(b"K\xfcche_0042.jpg").is_same(&composed), "Latin-1");
    }

    #[test]
    fn different_numbers_are_different_names() {
        for (a, b) in [
            ("100_0042.jpg", "101_0042.jpg"),
            ("Urlaub 2019 (1).jpg", "Urlaub 2019 (2).jpg"),
            ("IMG_0042 2.jpg", "IMG_0042 3.jpg"),
            ("a.jpg", "b.jpg"),
        ] {
            assert!(!Name::of(a).is_same(&Name::of(b)), "{a} {b}");
        }
        assert!(Name::of("100_0042.jpg").is_same(&Name::of("0042.jpg")));
        assert!(!Name::of("").is_same(&Name::of("")), "no name is no name");
    }

    #[test]
    fn other_pictures_are_told_by_their_names() {
        for (a, b) in [
            ("img_2549", "img_2598"),
            ("IMG_1234.HEIC", "IMG_E1234.JPG"),
            ("IMG_1234.jpg", "IMG_1234-edited.jpg"),
            ("IMG_1234.jpg", "IMG_1234-bearbeitet(1).jpg"),
            ("IMG_20200101_120000.jpg", "IMG_20200101_120000-EFFECTS.jpg"),
            ("PXL_20210101_120000123.jpg", "PXL_20210101_120000123~2.jpg"),
            ("IMG_20200101_120000.jpg", "IMG_20200101_120000(0).jpg"),
            ("IMG_20200101_120000(0).jpg", "IMG_20200101_120000(1).jpg"),
            ("20200101_120000.jpg", "20200101_120001.jpg"),
        ] {
            let (a, b) = (Name::of(a), Name::of(b));
            assert!(a.is_another_picture(&b) && b.is_another_picture(&a) && !a.is_same(&b), "{a:?} {b:?}");
        }
        for (a, b) in [
            ("img_2549", "img_2549"),
            ("img_2549", "img_25498"),
            ("img_2549", "dsc_2598"),
            ("vk_12", "vk_13"),
            ("logo-edited", "logo"),
            ("IMG-20200101-WA0001.jpg", "IMG-20200101-WA0002.jpg"),
            ("20200101_120000.jpg", "20200101_120000(1).jpg"),
        ] {
            assert!(!Name::of(a).is_another_picture(&Name::of(b)), "{a} {b}");
        }
    }

    #[test]
    fn some_names_tell_and_others_do_not() {
        for name in ["img_0042", "p0000017", "DSC00017.JPG", "100_0042.JPG", "20180512_101500.jpg"] {
            assert!(Name::of(name).tells(), "{name}");
        }
        for name in [
            "logo_neu.png",
            "card_12.jpg",
            "IMG-20200101-WA0001.jpg",
            "WhatsApp Image 2020-01-01 at 12.00.00 (1).jpeg",
            "photo_2020-01-01_12-00-00.jpg",
            "signal-2020-01-01-120000.jpg",
        ] {
            assert!(!Name::of(name).tells(), "{name}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_name(path in proptest::collection::vec(proptest::num::u8::ANY, 0..40)) {
            let name = Name::of_path(&path);
            proptest::prop_assert!(name.stem().is_empty() || name.is_same(&name));
            proptest::prop_assert!(!name.is_another_picture(&name));
        }
    }
}
