//! Twelve-megapixel JPEGs, from received bytes to what is decided from, beside the programs that people know.
//!
//!     cargo bench --bench throughput [-- --rounds N]
//!
//! Ours runs in this process, on one thread, by the functions that the server's decode children call:
//! (a) no candidate: read the file, take its SHA-256, decode it for fingerprints, take them; (b) three files of ten are
//! verified against one thumbnail as well; (c) all are. The others run as one process for each file: libjpeg-turbo's
//! `djpeg`, reduced to luma at an eighth and in full, and `vipsthumbnail` to 256 pixels. Everybody takes turns over the
//! same files, and what counts is processor time, user and system, of all threads, so that whatever else the machine does
//! disturbs little. A program that is not there is left out.
//!
//! The pictures are the painted ones of `fixtures/originals`, enlarged, with fine texture and grain, at a quality that
//! gives about 2.5 bits a pixel, as cameras do. It fails when a goal is missed.

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use reunite::decode::{Limits, Pixels, Scale, decode};
use reunite::domain::Digest;
use reunite::fingerprint::{SKETCH_PX, of_upload};
use reunite::matcher::verify::{Coding, MASTER_SIDE, Master, Thumbnail, Verifier};

const WIDTH: usize = 4000;
const HEIGHT: usize = 3000;
/// Files of each kind.
const FILES: usize = 10;
/// Of these, how many are verified in mix (b).
const SOME: usize = 3;

/// Goals: at least so many times the rate of the other.
const LEAST_DJPEG_EIGHTH: f64 = 0.8;
const LEAST_VIPSTHUMBNAIL: f64 = 4.0;
const LEAST_DJPEG_FULL: f64 = 0.8;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A file, and a thumbnail of it.
struct File {
    path: PathBuf,
    thumbnail: Vec<u8>,
}

fn main() -> Result<ExitCode> {
    let mut rounds = 5;
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        match (argument.as_str(), arguments.next()) {
            ("--rounds", Some(value)) => rounds = value.parse()?,
            _ => return Err(format!("what is {argument}?").into()),
        }
    }
    let folder = tempfile::tempdir()?;
    let (baseline, progressive) = make_files(folder.path())?;
    let mut good = true;
    for (kind, files) in [("baseline", baseline), ("progressive", progressive)] {
        let bytes: u64 = files.iter().map(|file| fs::metadata(&file.path).map_or(0, |data| data.len())).sum();
        println!("\n{FILES} {kind} JPEGs of {WIDTH} x {HEIGHT}, {:.1} MB each", bytes as f64 / 1e6 / FILES as f64);
        good &= compare(&files, rounds, folder.path())?;
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Lets everybody take turns, prints what each took for a file, and says whether the goals are met.
fn compare(files: &[File], rounds: usize, folder: &Path) -> Result<bool> {
    let out = folder.join("%s.thumb.jpg").to_string_lossy().into_owned();
    type Work<'a> = Box<dyn Fn() -> Result<Duration> + 'a>;
    let all: [(&str, Work); 7] = [
        ("reunite, (a) none verified", Box::new(|| ours(files, 0))),
        ("djpeg -scale 1/8 -grayscale", Box::new(|| theirs(files, "djpeg", &["-scale", "1/8", "-grayscale"]))),
        ("vipsthumbnail -s 256", Box::new(|| theirs(files, "vipsthumbnail", &["-s", "256", "-o", &out]))),
        ("reunite, (b) 30 % verified", Box::new(|| ours(files, SOME))),
        ("reunite, (c) all verified", Box::new(|| ours(files, files.len()))),
        ("djpeg -dct int", Box::new(|| theirs(files, "djpeg", &["-dct", "int"]))),
        ("... of (a), SHA-256", Box::new(|| digests(files))),
    ];
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); all.len()];
    for round in 0..=rounds {
        for ((_, work), times) in all.iter().zip(&mut times) {
            match work() {
                // The first round fills caches.
                Ok(time) if round > 0 => times.push(time.as_secs_f64() * 1e3 / files.len() as f64),
                Ok(_) => {}
                Err(error) if round == 0 => println!("{error}"),
                Err(_) => {}
            }
        }
    }
    let median = |at: usize| -> Option<f64> {
        let mut times = times[at].clone();
        times.sort_unstable_by(f64::total_cmp);
        times.get(times.len() / 2).copied()
    };
    for (at, (what, _)) in all.iter().enumerate() {
        if let Some(time) = median(at) {
            println!("{what:<30}{time:>9.1} ms a file");
        }
    }
    let mut good = true;
    let mut ratio = |what: &str, ours: usize, theirs: usize, least: Option<f64>| {
        let (Some(ours), Some(theirs)) = (median(ours), median(theirs)) else { return };
        let wanted = least.map_or(String::new(), |least| format!(", at least {least} wanted"));
        println!("{what:<46}{:>6.2} times the rate{wanted}", theirs / ours);
        good &= least.is_none_or(|least| theirs / ours >= least);
    };
    ratio("(a) beside djpeg at an eighth:", 0, 1, Some(LEAST_DJPEG_EIGHTH));
    ratio("(a) beside vipsthumbnail:", 0, 2, Some(LEAST_VIPSTHUMBNAIL));
    ratio("(b) beside djpeg at an eighth:", 3, 1, None);
    ratio("(b) beside djpeg in full:", 3, 5, None);
    ratio("(c) beside djpeg in full:", 4, 5, Some(LEAST_DJPEG_FULL));
    Ok(good)
}

/// Takes all files as a server does that finds a candidate for the first `verified` of them.
fn ours(files: &[File], verified: usize) -> Result<Duration> {
    let began = own_time();
    for (at, file) in files.iter().enumerate() {
        let bytes = fs::read(&file.path)?;
        black_box(Digest::of(&bytes));
        let sketch = decode(&bytes, Scale::Sketch(SKETCH_PX), &Limits::default())?;
        black_box(of_upload(&sketch.renderings));
        if at < verified {
            let decoded = decode(&bytes, Scale::AtLeast(MASTER_SIDE), &Limits::default())?;
            let master = Master::new(&decoded.renderings, decoded.header.upright_size());
            let thumbnail = decode(&file.thumbnail, Scale::Full, &Limits::default())?;
            let thumbnail = Thumbnail::new(&thumbnail.renderings[0], Coding::of(&file.thumbnail));
            black_box(Verifier::new(&master).residual(&thumbnail)).ok_or("the thumbnail was not compared")?;
        }
    }
    Ok(own_time() - began)
}

fn digests(files: &[File]) -> Result<Duration> {
    let began = own_time();
    for file in files {
        black_box(Digest::of(&fs::read(&file.path)?));
    }
    Ok(own_time() - began)
}

/// Runs a program over all files, one after the other.
fn theirs(files: &[File], program: &str, arguments: &[&str]) -> Result<Duration> {
    let began = time_of(libc::RUSAGE_CHILDREN);
    for file in files {
        let mut command = Command::new(program);
        command.args(arguments).arg(&file.path).stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.status().map_err(|error| format!("cannot run {program}, it is left out: {error}"))?;
        if !status.success() {
            return Err(format!("{program} failed, it is left out: {status}").into());
        }
    }
    Ok(time_of(libc::RUSAGE_CHILDREN) - began)
}

fn own_time() -> Duration {
    time_of(libc::RUSAGE_SELF)
}

/// Processor time, user and system, of this process or of its children that have ended.
fn time_of(whom: libc::c_int) -> Duration {
    // SAFETY: the structure is plain numbers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: the call writes one rusage, to which it is given an exclusive pointer.
    assert_eq!(unsafe { libc::getrusage(whom, &mut usage) }, 0);
    let time = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    time(usage.ru_utime) + time(usage.ru_stime)
}

/// The pictures as baseline and as progressive files.
fn make_files(folder: &Path) -> Result<(Vec<File>, Vec<File>)> {
    let originals = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/originals");
    let (mut baseline, mut progressive) = (Vec::new(), Vec::new());
    for name in
        ["harbour", "lemons", "stag", "tulips", "canyon", "smile-1", "window-cat", "coffee", "aurora", "ivy-door"]
    {
        let bytes = fs::read(originals.join(name).with_extension("jpg"))?;
        let painted = decode(&bytes, Scale::Full, &Limits::default())?.renderings.remove(0);
        let rgb = photograph(&painted);
        let thumbnail = encode(&shrink(&rgb, 20), WIDTH / 20, HEIGHT / 20, 85.0, false)?;
        for (kind, files) in [(false, &mut baseline), (true, &mut progressive)] {
            let path = folder.join(format!("{name}-{kind}.jpg"));
            fs::write(&path, encode(&rgb, WIDTH, HEIGHT, 88.0, kind)?)?;
            files.push(File { path, thumbnail: thumbnail.clone() });
        }
    }
    Ok((baseline, progressive))
}

/// A painted picture enlarged, with what a camera sees between the painted pixels: texture that follows the light, grain.
fn photograph(painted: &Pixels) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(WIDTH * HEIGHT * 3);
    let (across, down) = (painted.width as usize, painted.height as usize);
    let level = |x: usize, y: usize, channel: usize| f32::from(painted.rgb[(y * across + x) * 3 + channel]);
    for y in 0..HEIGHT {
        let row = y as f32 * (down - 1) as f32 / HEIGHT as f32;
        let (top, below) = (row as usize, row.fract());
        for x in 0..WIDTH {
            let column = x as f32 * (across - 1) as f32 / WIDTH as f32;
            let (left, right) = (column as usize, column.fract());
            let texture = ((x as f32 / 5.0).sin() + (y as f32 / 7.0 + x as f32 / 23.0).sin()) * 4.0;
            let grain = f32::from((hash(x as u32, y as u32) >> 24) as u8) / 255.0 * 24.0 - 12.0;
            for channel in 0..3 {
                let upper = level(left, top, channel) * (1.0 - right) + level(left + 1, top, channel) * right;
                let lower = level(left, top + 1, channel) * (1.0 - right) + level(left + 1, top + 1, channel) * right;
                let light = upper * (1.0 - below) + lower * below;
                rgb.push((light + texture * light / 128.0 + grain) as u8);
            }
        }
    }
    rgb
}

/// The means of squares of so many pixels.
fn shrink(rgb: &[u8], by: usize) -> Vec<u8> {
    let mut small = Vec::new();
    for y in 0..HEIGHT / by {
        for x in 0..WIDTH / by {
            for channel in 0..3 {
                let pixels = (0..by * by).map(|at| ((y * by + at / by) * WIDTH + x * by + at % by) * 3 + channel);
                small.push((pixels.map(|at| usize::from(rgb[at])).sum::<usize>() / (by * by)) as u8);
            }
        }
    }
    small
}

fn encode(rgb: &[u8], width: usize, height: usize, quality: f32, progressive: bool) -> Result<Vec<u8>> {
    let mut jpeg = mozjpeg::Compress::new(mozjpeg::ColorSpace::JCS_RGB);
    jpeg.set_size(width, height);
    jpeg.set_fastest_defaults();
    jpeg.set_quality(quality);
    if progressive {
        jpeg.set_progressive_mode();
    }
    let mut started = jpeg.start_compress(Vec::new())?;
    started.write_scanlines(rgb)?;
    Ok(started.finish()?)
}

/// Scatters a place over all numbers (Murmur's finaliser).
fn hash(x: u32, y: u32) -> u32 {
    let mut hash = x.wrapping_mul(0x9e37_79b9) ^ y.wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}
