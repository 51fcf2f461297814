//! What libjpeg's encoder computes before it quantises: colour conversion in whole levels, chroma downsampling with its
//! alternating bias, edges repeated, and the 8x8 transform.
//!
//! The transform is in floating point: it is compared with quantisation cells, which are wider than its error. It knows
//! nothing of files; see `cells`.

/// Coefficients of one component in natural order, blocks row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrum {
    /// Blocks in a row.
    pub columns: usize,
    /// Rows of blocks.
    pub rows: usize,
    /// Unquantised coefficients.
    pub blocks: Vec<[f32; 64]>,
}

/// One channel in whole levels (kept as floats).
struct Channel {
    width: usize,
    height: usize,
    levels: Vec<f32>,
}

impl Channel {
    /// Repeats the last column and row up to multiples of `across` and `down`.
    fn padded(self, across: usize, down: usize) -> Channel {
        let (width, height) = (self.width.next_multiple_of(across), self.height.next_multiple_of(down));
        if (width, height) == (self.width, self.height) {
            return self;
        }
        let mut levels = Vec::with_capacity(width * height);
        for y in 0..height {
            let row = &self.levels[y.min(self.height - 1) * self.width..][..self.width];
            levels.extend_from_slice(row);
            levels.resize((y + 1) * width, row[self.width - 1]);
        }
        Channel { width, height, levels }
    }
}

/// The spectra of an RGB picture as a file of this sampling would hold them: luma and, where `chroma` says how many luma
/// samples go into one chroma sample across and down, blue and red chroma.
pub fn spectra(rgb: &[u8], (width, height): (usize, usize), chroma: Option<(usize, usize)>) -> Vec<Spectrum> {
    let channel = |weights: [i32; 3], bias: i32| {
        let level = |p: &[u8]| {
            let sum: i32 = weights.iter().zip(p).map(|(weight, &level)| weight * i32::from(level)).sum();
            ((sum + bias) >> 16) as f32
        };
        Channel { width, height, levels: rgb.chunks_exact(3).map(level).collect() }
    };
    let mut out = vec![transformed(channel(LUMA, HALF))];
    let Some((across, down)) = chroma else { return out };
    for weights in [BLUE, RED] {
        // Chroma is padded in width before it is downsampled, and in height up to the sampling factor only; whatever
        // lacks to a whole block then repeats the last downsampled row.
        let padded = channel(weights, MIDDLE + HALF - 1).padded(8 * across, down);
        let mut small = transformed(downsampled(&padded, across, down));
        crop(&mut small, width.div_ceil(across).div_ceil(8), height.div_ceil(down).div_ceil(8));
        out.push(small);
    }
    out
}

/// The spectrum of one channel's levels.
pub fn spectrum(levels: Vec<f32>, (width, height): (usize, usize)) -> Spectrum {
    transformed(Channel { width, height, levels })
}

// `jccolor.c`: weights in 16 bits of fraction.
const LUMA: [i32; 3] = [19_595, 38_470, 7_471];
const BLUE: [i32; 3] = [-11_059, -21_709, 32_768];
const RED: [i32; 3] = [32_768, -27_439, -5_329];
const HALF: i32 = 1 << 15;
/// Chroma lies around 128. It is rounded by one less than a half, so that full blue does not become 256.
const MIDDLE: i32 = 128 << 16;

/// `jcsample.c`: box means whose rounding alternates from column to column, so that it does not drift.
fn downsampled(full: &Channel, across: usize, down: usize) -> Channel {
    let (width, height) = (full.width / across, full.height / down);
    let mut levels = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let mut sum = 0.0;
            for row in 0..down {
                let from = &full.levels[(y * down + row) * full.width + x * across..][..across];
                sum += from.iter().sum::<f32>();
            }
            let bias = match (across, down) {
                (2, 2) => 1.0 + (x % 2) as f32,
                (2, 1) => (x % 2) as f32,
                (1, 1) => 0.0,
                // The general routine adds half of the count.
                _ => ((across * down) / 2) as f32,
            };
            levels.push(((sum + bias) / (across * down) as f32).floor());
        }
    }
    Channel { width, height, levels }
}

fn transformed(channel: Channel) -> Spectrum {
    let channel = channel.padded(8, 8);
    let (columns, rows) = (channel.width / 8, channel.height / 8);
    let mut blocks = Vec::with_capacity(columns * rows);
    for row in 0..rows {
        for column in 0..columns {
            let block = std::array::from_fn(|y| {
                let from = &channel.levels[(row * 8 + y) * channel.width + column * 8..][..8];
                std::array::from_fn(|x| from[x] - 128.0)
            });
            blocks.push(transform(&block));
        }
    }
    Spectrum { columns, rows, blocks }
}

fn crop(spectrum: &mut Spectrum, columns: usize, rows: usize) {
    if (spectrum.columns, spectrum.rows) == (columns, rows) {
        return;
    }
    let from = std::mem::take(&mut spectrum.blocks);
    spectrum.blocks = from.chunks(spectrum.columns).take(rows).flat_map(|row| row[..columns].to_vec()).collect();
    (spectrum.columns, spectrum.rows) = (columns, rows);
}

type Block = [[f32; 8]; 8];

/// The orthonormal DCT-II of a block, in natural order.
fn transform(block: &Block) -> [f32; 64] {
    let basis = basis();
    let mut half = [[0f32; 8]; 8];
    for (weights, into) in basis.iter().zip(&mut half) {
        for (weight, from) in weights.iter().zip(block) {
            for x in 0..8 {
                into[x] += weight * from[x];
            }
        }
    }
    let mut out = [0f32; 64];
    for (from, into) in half.iter().zip(out.as_chunks_mut::<8>().0) {
        for (x, &level) in from.iter().enumerate() {
            for v in 0..8 {
                into[v] += level * basis[v][x];
            }
        }
    }
    out
}

fn basis() -> &'static Block {
    static BASIS: std::sync::OnceLock<Block> = std::sync::OnceLock::new();
    BASIS.get_or_init(|| {
        std::array::from_fn(|k| {
            std::array::from_fn(|x| {
                let angle = (2 * x + 1) as f64 * k as f64 * std::f64::consts::PI / 16.0;
                (angle.cos() * if k == 0 { 0.125f64.sqrt() } else { 0.5 }) as f32
            })
        })
    })
}
