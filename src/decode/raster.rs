//! Decoded samples on their way to pixels, and the box filter that shrinks them row by row as they appear.
//!
//! Samples stay in the file's own inks until they are small; only then colours are converted (see `colour`).

use super::{Limits, Unreadable};

/// What the samples of one pixel mean, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inks {
    Grey,
    GreyAlpha,
    Rgb,
    Rgba,
    /// 0 is no ink, 255 is full ink.
    Cmyk,
}

impl Inks {
    /// Samples a pixel, one byte each.
    pub fn count(self) -> usize {
        match self {
            Inks::Grey => 1,
            Inks::GreyAlpha => 2,
            Inks::Rgb => 3,
            Inks::Rgba | Inks::Cmyk => 4,
        }
    }

    /// Whether the last sample is opacity.
    pub fn has_alpha(self) -> bool {
        matches!(self, Inks::GreyAlpha | Inks::Rgba)
    }
}

/// Decoded samples, eight bits each, as stored: no orientation and no colour conversion yet.
pub(super) struct Raster {
    pub width: u32,
    pub height: u32,
    pub inks: Inks,
    pub samples: Vec<u8>,
    /// Stored pixels along each side that went into one of these.
    pub divisor: u32,
    /// The picture data ended early; what was missing is zero.
    pub cut: bool,
    /// A check sum says that the picture data is not what was written, although it could be read.
    pub altered: bool,
    /// CMYK whose file does not say whether its values are inverted.
    pub polarity_unsure: bool,
}

impl Raster {
    /// This raster, known to lack a part of its picture.
    pub fn marked_cut(mut self) -> Self {
        self.cut = true;
        self
    }
}

/// Averages boxes of `divisor` x `divisor` pixels as rows arrive. Memory: one row of sums and the result.
///
/// Colours are weighted by their opacity; the last column and row average what there is.
pub(super) struct BoxShrink {
    inks: Inks,
    width: u32,
    height: u32,
    divisor: u32,
    out_width: u32,
    /// Per pixel of the row in progress: the inks' sums, weighted by opacity where there is one, which comes last.
    sums: Vec<u64>,
    /// Sums of the inks alone; needed for boxes that are transparent throughout. Empty without opacity.
    plain: Vec<u64>,
    rows_seen: u32,
    samples: Vec<u8>,
}

impl BoxShrink {
    /// For a picture of `width` x `height` pixels; `divisor` 1 copies.
    pub fn new(inks: Inks, width: u32, height: u32, divisor: u32) -> Self {
        let divisor = divisor.max(1);
        let (out_width, out_height) = (width.div_ceil(divisor), height.div_ceil(divisor));
        let samples = out_width as usize * out_height as usize * inks.count();
        let sums = if divisor > 1 { out_width as usize * inks.count() } else { 0 };
        BoxShrink {
            inks,
            width,
            height,
            divisor,
            out_width,
            sums: vec![0; sums],
            plain: vec![0; if inks.has_alpha() { sums } else { 0 }],
            rows_seen: 0,
            samples: Vec::with_capacity(samples),
        }
    }

    /// [`BoxShrink::new`], refused when `memory` bytes, which have to include its own, are more than allowed.
    pub fn new_within(
        inks: Inks,
        width: u32,
        height: u32,
        divisor: u32,
        memory: u64,
        limits: &Limits,
    ) -> Result<Self, Unreadable> {
        limits.check_memory(memory)?;
        Ok(BoxShrink::new(inks, width, height, divisor))
    }

    /// Bytes that [`BoxShrink::new`] with these arguments will hold.
    pub fn memory(inks: Inks, width: u32, height: u32, divisor: u32) -> u64 {
        let (columns, rows) = (u64::from(width.div_ceil(divisor)), u64::from(height.div_ceil(divisor)));
        (columns * rows + columns * 16) * inks.count() as u64
    }

    /// Takes the next row: `width` pixels. Rows beyond the height are ignored.
    pub fn push(&mut self, row: &[u8]) {
        let count = self.inks.count();
        let row = &row[..self.width as usize * count];
        if self.rows_seen >= self.height {
            return;
        }
        self.rows_seen += 1;
        if self.divisor == 1 {
            self.samples.extend_from_slice(row);
            return;
        }
        for (at, pixels) in row.chunks(self.divisor as usize * count).enumerate() {
            let span = at * count..(at + 1) * count;
            if self.inks.has_alpha() {
                add_weighted(&mut self.sums[span.clone()], &mut self.plain[span], pixels, count);
            } else {
                let sums = &mut self.sums[span];
                for pixel in pixels.chunks_exact(count) {
                    for (sum, &sample) in sums.iter_mut().zip(pixel) {
                        *sum += u64::from(sample);
                    }
                }
            }
        }
        if self.rows_seen.is_multiple_of(self.divisor) || self.rows_seen == self.height {
            self.flush();
        }
    }

    /// Bytes that [`BoxShrink::push`] expects.
    pub fn row_bytes(&self) -> usize {
        self.width as usize * self.inks.count()
    }

    /// Whether no row has come yet.
    pub fn is_untouched(&self) -> bool {
        self.rows_seen == 0
    }

    /// The result; rows that never came are zero and mark it as cut.
    pub fn finish(mut self) -> Raster {
        let cut = self.rows_seen < self.height;
        if cut && self.divisor > 1 && !self.rows_seen.is_multiple_of(self.divisor) {
            self.flush();
        }
        let out_height = self.height.div_ceil(self.divisor);
        self.samples.resize(self.out_width as usize * out_height as usize * self.inks.count(), 0);
        Raster {
            width: self.out_width,
            height: out_height,
            inks: self.inks,
            samples: self.samples,
            divisor: self.divisor,
            cut,
            altered: false,
            polarity_unsure: false,
        }
    }

    fn flush(&mut self) {
        let count = self.inks.count();
        let rows = (self.rows_seen - 1) % self.divisor + 1;
        for at in 0..self.out_width {
            let columns = self.divisor.min(self.width - at * self.divisor);
            let pixels = u64::from(rows) * u64::from(columns);
            let span = at as usize * count..(at as usize + 1) * count;
            let sums = &self.sums[span.clone()];
            if !self.inks.has_alpha() {
                self.samples.extend(sums.iter().map(|&sum| mean(sum, pixels)));
            } else if sums[count - 1] == 0 {
                self.samples.extend(self.plain[span].iter().map(|&sum| mean(sum, pixels)));
            } else {
                let opacity = sums[count - 1];
                self.samples.extend(sums[..count - 1].iter().map(|&sum| mean(sum, opacity)));
                self.samples.push(mean(opacity, pixels));
            }
        }
        self.sums.fill(0);
        self.plain.fill(0);
    }
}

fn add_weighted(sums: &mut [u64], plain: &mut [u64], pixels: &[u8], count: usize) {
    for pixel in pixels.chunks_exact(count) {
        let opacity = u64::from(pixel[count - 1]);
        for at in 0..count - 1 {
            sums[at] += u64::from(pixel[at]) * opacity;
            plain[at] += u64::from(pixel[at]);
        }
        sums[count - 1] += opacity;
    }
}

/// The mean, rounded half up. Samples are bytes, so their mean is one.
fn mean(sum: u64, of: u64) -> u8 {
    ((sum + of / 2) / of) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shrink(inks: Inks, width: u32, height: u32, divisor: u32, samples: &[u8]) -> Raster {
        let mut shrink = BoxShrink::new(inks, width, height, divisor);
        samples.chunks(width as usize * inks.count()).for_each(|row| shrink.push(row));
        shrink.finish()
    }

    #[test]
    fn boxes_are_averaged_and_the_edge_averages_what_there_is() {
        let raster = shrink(Inks::Grey, 3, 3, 2, &[0, 10, 20, 30, 40, 50, 60, 70, 80]);
        assert_eq!((raster.width, raster.height, raster.cut), (2, 2, false));
        assert_eq!(raster.samples, [20, 35, 65, 80]);
    }

    #[test]
    fn transparent_pixels_do_not_bleed() {
        let raster = shrink(Inks::Rgba, 2, 1, 2, &[200, 0, 0, 255, 0, 200, 0, 0]);
        assert_eq!(raster.samples, [200, 0, 0, 128]);
        let hidden = shrink(Inks::GreyAlpha, 2, 1, 2, &[10, 0, 30, 0]);
        assert_eq!(hidden.samples, [20, 0]);
    }

    #[test]
    fn missing_rows_are_zero_and_mark_a_cut() {
        let raster = shrink(Inks::Grey, 2, 4, 1, &[9, 9]);
        assert_eq!((raster.samples.as_slice(), raster.cut), ([9, 9, 0, 0, 0, 0, 0, 0].as_slice(), true));
        let raster = shrink(Inks::Grey, 2, 6, 2, &[8, 8, 4, 4, 6, 6]);
        assert_eq!((raster.samples.as_slice(), raster.cut), ([6, 6, 0].as_slice(), true));
    }
}
