//! All components at a half, a quarter or an eighth of the size, and the colours that they make.

use super::super::jpeg_markers::Markers;
use super::super::raster::{BoxShrink, Inks};
use super::Scan;
use super::transform::{LARGEST, MAGNITUDE_MAX, transform};

/// Pushes the picture's rows, each block `side` pixels wide and high, into `shrink`; nothing when the file is not for this
/// reader, and then `shrink` is of no use any more. Of a picture in colours it may want the luma alone.
pub(in super::super) fn push_rows(
    bytes: &[u8],
    markers: &Markers,
    inks: Inks,
    side: usize,
    shrink: &mut BoxShrink,
) -> Option<()> {
    let scan = Scan::new(bytes, markers)?;
    let wanted = inks.count();
    let planes = (0..wanted).map(|at| Plane::new(&scan, markers, side, at)).collect::<Option<Vec<_>>>()?;
    if !matches!((scan.parts.len(), inks), (1 | 3, Inks::Grey) | (3, Inks::Rgb)) {
        return None;
    }
    scan.push_rows(planes, side, shrink)
}

/// One component while its units are read.
struct Plane {
    /// Samples of a block, across and down.
    side: usize,
    /// The steps of its coefficients, row by row.
    steps: [i32; 64],
    /// Samples of one row of units.
    samples: Vec<u8>,
}

impl Plane {
    fn new(scan: &Scan, markers: &Markers, side: usize, at: usize) -> Option<Self> {
        let (luma, part) = (scan.parts.first()?, scan.parts.get(at)?);
        // Where it is stored at a lower resolution, libjpeg reduces it by so much less.
        let ratio = luma.horizontal / part.horizontal;
        let fits = ratio * part.horizontal == luma.horizontal && ratio * part.vertical == luma.vertical;
        let own_side = side * ratio;
        if !fits || !ratio.is_power_of_two() || own_side > LARGEST {
            return None;
        }
        let steps = markers.steps(at)?.map(i32::from);
        let samples = vec![0; scan.luma_stride() * side * luma.vertical * side];
        Some(Plane { side: own_side, steps, samples })
    }

    fn row(&self, at: usize, stride: usize) -> &[u8] {
        &self.samples[at * stride..][..stride]
    }
}

impl Scan<'_> {
    fn push_rows(&self, planes: Vec<Plane>, side: usize, shrink: &mut BoxShrink) -> Option<()> {
        #[cfg(target_arch = "x86_64")]
        if super::has_wide_shifts() {
            // SAFETY: the processor has what the function was compiled for.
            return unsafe { self.push_rows_wide(planes, side, shrink) };
        }
        self.push_rows_plainly(planes, side, shrink)
    }

    /// The same compiled for processors that shift by any number at once, and eight numbers.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn push_rows_wide(&self, planes: Vec<Plane>, side: usize, shrink: &mut BoxShrink) -> Option<()> {
        self.push_rows_plainly(planes, side, shrink)
    }

    #[inline(always)]
    fn push_rows_plainly(&self, mut planes: Vec<Plane>, side: usize, shrink: &mut BoxShrink) -> Option<()> {
        let stride = self.luma_stride() * side;
        let across = self.parts[0].horizontal * side;
        let mut colours = vec![0; shrink.row_bytes()];
        let (blocks, mut units) = (self.blocks()?, self.units());
        for _ in 0..self.units_down {
            for unit in 0..self.units_across {
                units.begin()?;
                for block in &blocks {
                    let dc = i32::from(units.dc(block)?);
                    let Some(plane) = planes.get_mut(block.part) else {
                        units.bits.skip_ac(block.ac)?;
                        continue;
                    };
                    let mut coefficients = [0; 64];
                    coefficients[0] = dc * plane.steps[0];
                    let magnitude = units.bits.ac(block.ac, &plane.steps, &mut coefficients)?;
                    // Beyond that libjpeg's numbers may run over, which is its own business.
                    if magnitude + u64::from(coefficients[0].unsigned_abs()) > MAGNITUDE_MAX {
                        return None;
                    }
                    let at = block.y * plane.side * stride + unit * across + block.x * plane.side;
                    transform(&coefficients, plane.side, &mut plane.samples[at..], stride);
                }
            }
            for row in 0..self.parts[0].vertical * side {
                match &planes[..] {
                    [luma, blue, red] => {
                        to_rgb([luma, blue, red].map(|plane| plane.row(row, stride)), &mut colours);
                        shrink.push(&colours);
                    }
                    planes => shrink.push(planes.first()?.row(row, stride)),
                }
            }
        }
        units.bits.are_real().then_some(())
    }
}

/// The colours of a row, by libjpeg's arithmetic: fixed point with sixteen bits behind it.
#[inline(always)]
fn to_rgb([luma, blue, red]: [&[u8]; 3], rgb: &mut [u8]) {
    const HALF: i32 = 1 << 15;
    for (((rgb, &y), &blue), &red) in rgb.as_chunks_mut::<3>().0.iter_mut().zip(luma).zip(blue).zip(red) {
        let (y, blue, red) = (i32::from(y), i32::from(blue) - 128, i32::from(red) - 128);
        let level = |level: i32| level.clamp(0, 255) as u8;
        *rgb = [
            level(y + ((91_881 * red + HALF) >> 16)),
            level(y + ((HALF - 22_554 * blue - 46_802 * red) >> 16)),
            level(y + ((116_130 * blue + HALF) >> 16)),
        ];
    }
}
