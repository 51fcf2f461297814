//! The reason for a decision, in words for a person.

use super::super::taken::Taken;
use super::pair::Pair;
use super::{BYTES_Z_MAX, Method, NAME_COLOUR_MAX, NAME_Z_MAX};
use crate::domain::Verdict;

/// The reason in words. `another_makes_it`: the shop's recipe makes the record's thumbnail from another content, too.
pub(super) fn reason(pair: &Pair, verdict: Verdict, method: Method, another_makes_it: bool) -> String {
    let colours_differ = pair.telling.is_some_and(|residual| residual.colour_deviation >= NAME_COLOUR_MAX);
    let but_for_colour = colours_differ && verdict != Verdict::Attach;
    let pixels = match &pair.telling {
        None => "the pixels could not be compared".to_owned(),
        Some(residual) if residual.z() < NAME_Z_MAX && but_for_colour => {
            format!("the pixels agree but for colour (residual {:.1})", residual.z())
        }
        Some(residual) if residual.z() < NAME_Z_MAX => format!("the pixels agree (residual {:.1})", residual.z()),
        Some(residual) if residual.z() < BYTES_Z_MAX => {
            format!("the pixels nearly agree (residual {:.1})", residual.z())
        }
        Some(residual) => format!("the pixels differ (residual {:.1})", residual.z()),
    };
    let claim = match method {
        Method::Person if pair.is_implied && pair.answer == Some(true) => {
            return "a person said that this is the picture of a record that lost the same original".to_owned();
        }
        Method::Person if pair.is_implied => {
            return "a person said of a copy, or of a record that lost the same original, that this is not the picture"
                .to_owned();
        }
        Method::Person if pair.answer == Some(true) => return "a person said that this is the picture".to_owned(),
        Method::Person => return "a person said that this is not the picture".to_owned(),
        Method::Digest => return format!("the recorded {} is this file's", digest_of(pair)),
        Method::Bytes if pair.agreement.size => "recorded length and size are this file's",
        Method::Bytes => "the recorded length is this file's",
        Method::Recipe if pair.reproduces == Some(true) => "the shop's recipe makes the very thumbnail from this file",
        Method::Recipe if pair.agreement.bytes => {
            "the recorded length is this file's, and the shop's recipe makes the thumbnail from it"
        }
        Method::Recipe => {
            "the recorded name is this file's, and the shop's recipe makes the thumbnail from it, as closely as from a copy"
        }
        Method::Name if pair.agreement.size => "recorded name and size are this file's",
        Method::Name => "the recorded name is this file's",
        Method::Pixels => "nothing recorded speaks for this file",
    };
    let mut words = format!("{claim}; {pixels}");
    words.push_str(match pair.agreement.taken {
        Some(Taken::Same) => "; it was taken at the recorded time",
        Some(Taken::InAnotherZone) => "; it was taken at the recorded time, if that is of another time zone",
        Some(Taken::Other) => "; it was taken at another time than recorded",
        None => "",
    });
    if verdict != Verdict::Attach {
        words.push_str(match (pair.reproduces, pair.reproduces_another) {
            (Some(true), false) if another_makes_it => {
                "; the shop's recipe makes the very thumbnail from it, and from another file"
            }
            (Some(true), false) => "; the shop's recipe makes the very thumbnail from it",
            (Some(true), true) => {
                "; the shop's recipe makes the very thumbnail from it, but it may be what another record lost"
            }
            (Some(false), _) if pair.close.is_some() => "; the shop's recipe makes nearly this thumbnail from it",
            (Some(false), _) => "; the shop's recipe makes another thumbnail from it",
            (None, _) => "",
        });
        if pair.image.truncated {
            words.push_str("; the file is truncated");
        }
        if pair.agreement.name_differs {
            words.push_str("; its name says another picture");
        }
        if pair.agreement.digest_differs {
            words.push_str("; another digest is recorded");
        }
        if colours_differ && !pixels.contains("but for colour") {
            words.push_str("; the colours differ");
        }
    }
    words
}

/// The recorded digest that is the file's.
fn digest_of(pair: &Pair) -> &'static str {
    let (record, image) = (pair.record, pair.image);
    if record.sha256 == Some(image.digest) {
        "SHA-256"
    } else if record.md5.is_some() && record.md5 == image.md5 {
        "MD5"
    } else {
        "ETag"
    }
}
