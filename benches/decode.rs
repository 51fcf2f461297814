//! Pictures a second: a 12-megapixel JPEG from bytes to the pixels that fingerprints are taken from, by this crate and
//! by a full decode with the `image` crate, taking turns in one process on one thread. What counts is the thread's own
//! processor time, so that whatever else the machine does disturbs little.
//!
//! `cargo bench --bench decode` makes its own picture. It fails when this crate is less than [`FACTOR_MIN`] times as
//! fast.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;

use reunite::decode::{Limits, Scale, decode};
use reunite::fingerprint::SKETCH_PX;

/// What is promised.
const FACTOR_MIN: f64 = 3.0;
/// Turns; medians are taken.
const TURNS: usize = 15;

const WIDTH: u32 = 4000;
const HEIGHT: u32 = 3000;

fn main() -> ExitCode {
    let jpeg = photograph();
    println!("a baseline JPEG of {WIDTH} x {HEIGHT} pixels, 4:2:0, {} bytes", jpeg.len());
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        ours.push(time(|| {
            decode(&jpeg, Scale::Sketch(SKETCH_PX), &Limits::default()).map(|decoded| decoded.renderings[0].rgb.len())
        }));
        theirs.push(time(|| {
            image::load_from_memory_with_format(&jpeg, image::ImageFormat::Jpeg).map(|image| image.into_rgb8().len())
        }));
    }
    let (ours, theirs) = (median(ours), median(theirs));
    let factor = theirs.as_secs_f64() / ours.as_secs_f64();
    println!("reunite, at the scale of fingerprints  {ours:>9.1?}  {:>6.1} pictures/s", 1.0 / ours.as_secs_f64());
    println!("image, full decode                     {theirs:>9.1?}  {:>6.1} pictures/s", 1.0 / theirs.as_secs_f64());
    println!("factor {factor:.2}, at least {FACTOR_MIN} wanted");
    if factor >= FACTOR_MIN { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn time<T, E: std::fmt::Debug>(work: impl Fn() -> Result<T, E>) -> Duration {
    let start = processor_time();
    if let Err(error) = black_box(work()) {
        panic!("the picture of this bench does not decode: {error:?}");
    }
    processor_time() - start
}

/// What this thread has used of its processor so far.
fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one timespec, to which it is given an exclusive pointer.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) }, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Something like a photograph to a JPEG coder: large soft shapes, edges, texture at several scales, and grain, at a
/// quality that gives about three bits a pixel, as cameras do.
fn photograph() -> Vec<u8> {
    let mut rgb = Vec::with_capacity((WIDTH * HEIGHT * 3) as usize);
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let (u, v) = (x as f32, y as f32);
            let soft = (u / 700.0).sin() * 45.0 + (v / 500.0 + u / 900.0).cos() * 40.0;
            let edge = if (u / 310.0).sin() + (v / 270.0).cos() > 0.9 { 35.0 } else { 0.0 };
            let texture = (u / 9.0 + (v / 31.0).sin() * 4.0).sin() * 12.0 + (v / 4.0).cos() * 6.0;
            let grain = f32::from((hash(x, y) >> 24) as u8) / 255.0 * 22.0 - 11.0;
            let light = 120.0 + soft + edge + texture + grain;
            rgb.extend([light + 15.0, light, light * 0.8 + (v / 200.0).sin() * 20.0].map(|level| level as u8));
        }
    }
    let mut jpeg = mozjpeg::Compress::new(mozjpeg::ColorSpace::JCS_RGB);
    jpeg.set_size(WIDTH as usize, HEIGHT as usize);
    jpeg.set_fastest_defaults();
    jpeg.set_quality(92.0);
    let written = jpeg.start_compress(Vec::new()).and_then(|mut started| {
        started.write_scanlines(&rgb)?;
        started.finish()
    });
    match written {
        Ok(bytes) => bytes,
        Err(error) => panic!("cannot make the picture of this bench: {error}"),
    }
}

/// Scatters a place over all numbers (Murmur's finaliser).
fn hash(x: u32, y: u32) -> u32 {
    let mut hash = x.wrapping_mul(0x9e37_79b9) ^ y.wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}
