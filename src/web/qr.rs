//! QR codes as the path of a drawing.

use std::fmt::Write as _;

use qrcode::{Color, QrCode};

/// Modules of white around a code, which readers want.
const QUIET: usize = 4;

/// A code: dark squares of one unit in a square of `side` units.
pub(super) struct Code {
    pub(super) side: usize,
    /// The dark part, as the path of an SVG.
    pub(super) path: String,
}

impl Code {
    /// The code of a text; nothing for one that is too long.
    pub(super) fn of(text: &str) -> Option<Self> {
        let code = QrCode::new(text).ok()?;
        let (width, colours) = (code.width(), code.to_colors());
        let mut path = String::new();
        for (y, row) in colours.chunks(width).enumerate() {
            let mut x = 0;
            while x < width {
                let run = row[x..].iter().take_while(|colour| **colour == Color::Dark).count();
                if run > 0 {
                    // Writing to a String cannot fail.
                    let _ = write!(path, "M{} {}h{run}v1h-{run}z", x + QUIET, y + QUIET);
                }
                x += run.max(1);
            }
        }
        Some(Code { side: width + 2 * QUIET, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_finders_and_its_quiet_zone() {
        let code = Code::of("https://pictures.example.net/sign-in?name=anna").unwrap();
        assert_eq!((code.side - 2 * QUIET) % 4, 1, "codes have 17 + 4 n modules a side");
        assert!(code.path.starts_with("M4 4h7v1h-7z"), "the first finder begins: {}", code.path);
        assert!(Code::of(&"x".repeat(5000)).is_none());
    }
}
