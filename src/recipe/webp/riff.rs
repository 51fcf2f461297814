//! The chunks of a WebP file.

/// The name and the content of each chunk; ends where sizes do not agree with the file.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (head, after) = rest.split_at_checked(8)?;
        let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let content = after.get(..size)?;
        // A content of odd size is followed by one byte that does not count.
        rest = after.get(size.checked_next_multiple_of(2)?..).unwrap_or_default();
        Some((&head[..4], content))
    })
}

/// The content of the first chunk of this name in a WebP file.
pub(super) fn chunk<'a>(file: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    chunks(file.get(12..)?).find(|(known, _)| known == name).map(|(_, content)| content)
}

/// Whether a WebP, or the first frame of an animated one, is lossy.
pub(in super::super) fn is_lossy(file: &[u8]) -> bool {
    // Before its own chunks, a frame has 16 bytes of place, size and duration.
    let of_frame = |frame: &[u8]| frame.get(16..).is_some_and(|rest| chunks(rest).any(|(name, _)| name == b"VP8 "));
    chunk(file, b"VP8 ").is_some() || chunk(file, b"ANMF").is_some_and(of_frame)
}
