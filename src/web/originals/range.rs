//! Which part of a file a request asks for (RFC 9110, 14): one range; whoever asks for several gets the whole.

/// What is asked for of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// All of it.
    Whole,
    /// From one byte to another, both included.
    Part {
        /// The first byte, from 0.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// Nothing that it has.
    Nothing,
}

/// What a `Range` header asks of a file of `length` bytes. One that cannot be read counts as none, as the standard says.
pub(super) fn asked(range: Option<&str>, length: u64) -> Asked {
    let Some(range) = range.and_then(|range| range.trim().strip_prefix("bytes=")) else { return Asked::Whole };
    let Some((first, last)) = range.split_once('-') else { return Asked::Whole };
    let number = |text: &str| text.trim().parse::<u64>();
    match (number(first), number(last)) {
        (Ok(first), _) if first >= length && (last.trim().is_empty() || number(last).is_ok()) => Asked::Nothing,
        (Ok(first), Ok(last)) if last >= first => Asked::Part { first, last: last.min(length - 1) },
        (Ok(first), Err(_)) if last.trim().is_empty() => Asked::Part { first, last: length - 1 },
        (Err(_), Ok(0)) if first.trim().is_empty() => Asked::Nothing,
        (Err(_), Ok(_)) if first.trim().is_empty() && length == 0 => Asked::Nothing,
        (Err(_), Ok(count)) if first.trim().is_empty() => {
            Asked::Part { first: length.saturating_sub(count), last: length - 1 }
        }
        _ => Asked::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        let part = |first, last| Asked::Part { first, last };
        for (range, length, expected) in [
            ("bytes=0-0", 10, part(0, 0)),
            ("bytes=2-5", 10, part(2, 5)),
            ("bytes=2-", 10, part(2, 9)),
            ("bytes=2-99", 10, part(2, 9)),
            ("bytes=-3", 10, part(7, 9)),
            ("bytes=-99", 10, part(0, 9)),
            ("bytes=10-", 10, Asked::Nothing),
            ("bytes=12-15", 10, Asked::Nothing),
            ("bytes=-0", 10, Asked::Nothing),
            ("bytes=0-", 0, Asked::Nothing),
            ("bytes=-1", 0, Asked::Nothing),
            ("bytes=5-2", 10, Asked::Whole),
            ("bytes=0-1,3-4", 10, Asked::Whole),
            ("bytes=-", 10, Asked::Whole),
            ("bytes=x-y", 10, Asked::Whole),
            ("lines=0-1", 10, Asked::Whole),
        ] {
            assert_eq!(asked(Some(range), length), expected, "{range} of {length}");
        }
        assert_eq!(asked(None, 10), Asked::Whole);
    }
}
