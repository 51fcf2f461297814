//! One customer with a million thumbnails: memory of the index, time of one look-up, and whether anything beats the scan.
//!
//!     cargo bench --bench index [-- --thumbnails N] [--questions N] [--write FOLDER]
//!
//! The thumbnails are made up, but their fingerprints are taken from pixels by the program itself: two random crops of the
//! painted pictures in `fixtures/originals`, blended. How far two of them lie apart is printed beside the same for the
//! fixtures, so that one sees whether they resemble real ones. Every second question is a picture that is there, with
//! grain and at another size; the others are new.
//!
//! Three ways are asked the same and must find the same: the index, the plain loop that it replaced, and multi-index
//! hashing with permuted bits (Norouzi, Punjani, Fleet, "Fast Exact Search in Hamming Space", 2014). `--write` leaves
//! everything in a folder for `benches/index_faiss.py`. Times are processor time of one thread, so that whatever else the
//! machine does disturbs little.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rayon::prelude::*;
use reunite::decode::{Limits, Pixels, Scale, decode};
use reunite::domain::RecordId;
use reunite::fingerprint::{Fingerprint, Hash, SKETCH_PX, Views, of_thumbnail, of_upload};
use reunite::matcher::index::{Entry, Index, NEAREST_MAX, Near, RADIUS};

/// Radii asked for: what multi-index hashing with words of 16 bits finds with 1, 1, 2, 3 flipped bits in a word, and ours.
const RADII: [u16; 5] = [16, 31, 47, 63, RADIUS];
/// Questions for the ways that take long.
const FEW: usize = 10;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let (mut thumbnails, mut questions, mut write) = (1_000_000, 200_u64, None);
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{argument} wants a value"))?;
        match argument.as_str() {
            "--thumbnails" => thumbnails = value.parse()?,
            "--questions" => questions = value.parse()?,
            "--write" => write = Some(PathBuf::from(value)),
            _ => return Err(format!("what is {argument}?").into()),
        }
    }
    let album = Album::read()?;
    let began = Instant::now();
    let made: Vec<Fingerprint> =
        (0..thumbnails).into_par_iter().map(|at| of_thumbnail(&album.picture(at, 64))[0]).collect();
    println!("{thumbnails} thumbnails made up in {:.0?}", began.elapsed());
    let every = thumbnails / questions.max(1);
    let views: Vec<Views> = (0..questions)
        .into_par_iter()
        .map(|at| of_upload(&[album.upload(if at % 2 == 0 { at * every } else { thumbnails + at })]))
        .collect();
    compare_distances(&album, &made);

    let began = processor_time();
    let names: Vec<String> = (0..thumbnails).map(|at| format!("R{at:07}")).collect();
    let entries = names.iter().zip(&made).enumerate();
    let index = Index::new(entries.map(|(at, (name, fingerprint))| Entry {
        name,
        record: RecordId(at as i64),
        fingerprint: *fingerprint,
    }));
    println!(
        "index of {} thumbnails with enough detail: {:.1} MB, {:.1} bytes each, built in {:.1?}\n",
        index.len(),
        index.memory_bytes() as f64 / 1e6,
        index.memory_bytes() as f64 / index.len().max(1) as f64,
        processor_time() - began
    );
    if let Some(folder) = write {
        write_for_others(&folder, &made, &views)?;
    }

    let found = views.iter().enumerate().step_by(2).filter(|(at, views)| {
        let wanted = RecordId((*at as u64 * every) as i64);
        index.nearest(views, RADIUS, NEAREST_MAX).iter().any(|near| near.record == wanted)
    });
    println!(
        "the picture asked for is among the nearest {NEAREST_MAX} in {} of {} cases",
        found.count(),
        questions.div_ceil(2)
    );
    println!("{:<42}{:>7}{:>12}{:>12}{:>12}", "one look-up", "radius", "median", "p99", "found each");
    measure(&format!("index, the nearest {NEAREST_MAX}"), RADIUS, &views, |views| {
        index.nearest(views, RADIUS, NEAREST_MAX)
    });
    let speaking: Vec<(RecordId, Fingerprint)> =
        (0..).map(RecordId).zip(made).filter(|(_, fingerprint)| fingerprint.speaks()).collect();
    let hashing = MultiIndex::new(&speaking);
    for radius in RADII {
        let ours = measure("index, all", radius, &views, |views| index.nearest(views, radius, usize::MAX));
        let few = &views[..FEW.min(views.len())];
        let plain = measure("plain loop, all", radius, few, |views| plain(&speaking, views, radius));
        let hashed = measure("multi-index hashing, all", radius, few, |views| hashing.within(views, radius));
        if plain != ours[..few.len()] || hashed != ours[..few.len()] {
            return Err(format!("they differ at radius {radius}").into());
        }
    }
    let began = Instant::now();
    black_box(index.nearest_all(&views.iter().collect::<Vec<_>>(), RADIUS, NEAREST_MAX));
    let rate = views.len() as f64 / began.elapsed().as_secs_f64();
    println!("\nall cores at once, radius {RADIUS}, the nearest {NEAREST_MAX}: {rate:.0} look-ups/s by the clock");
    println!("multi-index hashing takes {:.0} MB", hashing.memory_bytes() as f64 / 1e6);
    Ok(())
}

/// Times a look-up for each question, prints a line, and returns what was found.
fn measure(what: &str, radius: u16, views: &[Views], look_up: impl Fn(&Views) -> Vec<Near>) -> Vec<Vec<Near>> {
    let (mut times, mut found) = (Vec::new(), Vec::new());
    for views in views {
        let began = processor_time();
        found.push(black_box(look_up(views)));
        times.push(processor_time() - began);
    }
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    let mean = found.iter().map(Vec::len).sum::<usize>() as f64 / found.len() as f64;
    println!("{what:<42}{radius:>7}{:>12.1?}{:>12.1?}{mean:>12.1}", at(0.5), at(0.99));
    found
}

/// The search as one would write it down first.
fn plain(thumbnails: &[(RecordId, Fingerprint)], views: &Views, radius: u16) -> Vec<Near> {
    let distances = thumbnails
        .iter()
        .filter_map(|(record, fingerprint)| Some((views.distance(std::slice::from_ref(fingerprint))?, *record)));
    let mut near: Vec<_> = distances.filter(|&(distance, _)| distance <= radius).collect();
    near.sort_unstable();
    near.into_iter().map(|(distance, record)| Near { record, distance }).collect()
}

/// Multi-index hashing: the bits, in an order without pattern, cut into sixteen words of 16 bits, and for each word a
/// table from its value to the thumbnails that have it. Two hashes within a radius have some word within a sixteenth of it.
struct MultiIndex<'a> {
    thumbnails: &'a [(RecordId, Fingerprint)],
    order: Vec<usize>,
    /// For each word, where the thumbnails of each value begin, and the thumbnails.
    tables: Vec<(Vec<u32>, Vec<u32>)>,
}

impl<'a> MultiIndex<'a> {
    fn new(thumbnails: &'a [(RecordId, Fingerprint)]) -> Self {
        let mut order: Vec<usize> = (0..256).collect();
        order.sort_by_key(|&bit| scatter(bit as u64));
        let words: Vec<[u16; 16]> =
            thumbnails.par_iter().map(|(_, fingerprint)| cut(&fingerprint.hash, &order)).collect();
        let table = |word: usize| {
            let mut begins = vec![0u32; (1 << 16) + 1];
            words.iter().for_each(|words| begins[usize::from(words[word]) + 1] += 1);
            (0..1 << 16).for_each(|value| begins[value + 1] += begins[value]);
            let (mut next, mut places) = (begins.clone(), vec![0u32; words.len()]);
            for (place, words) in words.iter().enumerate() {
                let slot = &mut next[usize::from(words[word])];
                places[*slot as usize] = place as u32;
                *slot += 1;
            }
            (begins, places)
        };
        MultiIndex { thumbnails, tables: (0..16).map(table).collect(), order }
    }

    fn memory_bytes(&self) -> usize {
        self.thumbnails.len() * size_of::<Hash>()
            + self.tables.iter().map(|(begins, places)| 4 * (begins.len() + places.len())).sum::<usize>()
    }

    fn within(&self, views: &Views, radius: u16) -> Vec<Near> {
        // The pigeonhole: with one bit more in each word the whole would be beyond the radius.
        let masks: Vec<u16> = (0..=u16::MAX).filter(|mask| mask.count_ones() <= u32::from(radius) / 16).collect();
        let mut best: BTreeMap<u32, u16> = BTreeMap::new();
        for view in views.0.iter().filter(|view| view.speaks()) {
            for ((begins, places), word) in self.tables.iter().zip(cut(&view.hash, &self.order)) {
                for mask in &masks {
                    let value = usize::from(word ^ mask);
                    for &place in &places[begins[value] as usize..begins[value + 1] as usize] {
                        let distance = view.hash.distance(&self.thumbnails[place as usize].1.hash);
                        if distance <= radius {
                            best.entry(place).and_modify(|best| *best = distance.min(*best)).or_insert(distance);
                        }
                    }
                }
            }
        }
        let mut near: Vec<(u16, u32)> = best.into_iter().map(|(place, distance)| (distance, place)).collect();
        near.sort_unstable();
        near.into_iter().map(|(distance, place)| Near { record: self.thumbnails[place as usize].0, distance }).collect()
    }
}

/// The bits of a hash in this order, sixteen to a word.
fn cut(hash: &Hash, order: &[usize]) -> [u16; 16] {
    let mut words = [0; 16];
    for (at, &bit) in order.iter().enumerate() {
        words[at / 16] |= u16::from(hash.0[bit / 64] >> (bit % 64) & 1 == 1) << (at % 16);
    }
    words
}

/// Everything that another program needs to be asked the same: `thumbnails.bin` and `views.bin`, 32 bytes a hash, and
/// `questions.txt`, the number of views of each question.
fn write_for_others(folder: &Path, made: &[Fingerprint], views: &[Views]) -> Result<()> {
    let bytes = |fingerprint: &Fingerprint| fingerprint.hash.0.map(u64::to_be_bytes).concat();
    let speaking = |fingerprint: &&Fingerprint| fingerprint.speaks();
    let counts = views.iter().map(|views| format!("{}\n", views.0.iter().filter(speaking).count()));
    fs::create_dir_all(folder)?;
    fs::write(folder.join("thumbnails.bin"), made.iter().filter(speaking).flat_map(bytes).collect::<Vec<u8>>())?;
    let views = views.iter().flat_map(|views| views.0.iter().filter(speaking).flat_map(bytes));
    fs::write(folder.join("views.bin"), views.collect::<Vec<u8>>())?;
    Ok(fs::write(folder.join("questions.txt"), counts.collect::<String>())?)
}

/// Prints how far unlike pictures lie apart: those of the fixtures and those made up.
fn compare_distances(album: &Album, made: &[Fingerprint]) {
    let fixtures: Vec<Fingerprint> = album.0.iter().map(|picture| of_thumbnail(picture)[0]).collect();
    let line = |what: &str, of: &[Fingerprint], step: usize| {
        let pairs = of.iter().flat_map(|a| of.iter().step_by(step).map(move |b| (a, b))).filter(|(a, b)| a != b);
        let distances: Vec<f64> = pairs.take(3_000_000).map(|(a, b)| a.hash.distance(&b.hash).into()).collect();
        let mean = distances.iter().sum::<f64>() / distances.len() as f64;
        let deviation = distances.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / distances.len() as f64;
        let within = distances.iter().filter(|&&d| d <= RADIUS.into()).count() as f64 / distances.len() as f64;
        let deviation = deviation.sqrt();
        println!(
            "distance of two {what}: mean {mean:.1}, deviation {deviation:.1}, within {RADIUS}: {:.3} %",
            within * 100.0
        );
    };
    line("fixtures", &fixtures, 1);
    line("thumbnails made up", made, made.len().div_ceil(2_000));
}

/// The pictures of the fixtures, at the size at which fingerprints are taken.
struct Album(Vec<Pixels>);

impl Album {
    fn read() -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/originals");
        let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "jpg"));
        paths.sort();
        let read = |path: &PathBuf| -> Result<Pixels> {
            Ok(decode(&fs::read(path)?, Scale::Sketch(SKETCH_PX), &Limits::default())?.renderings.remove(0))
        };
        Ok(Album(paths.iter().map(read).collect::<Result<_>>()?))
    }

    /// Picture number `at` of an endless album, so many pixels wide: two crops of fixtures, blended.
    fn picture(&self, at: u64, width: u32) -> Pixels {
        let mut number = scatter(at);
        let mut random = |below: u32| {
            number = scatter(number);
            (((number >> 32) * u64::from(below)) >> 32) as u32
        };
        let height = width * 3 / 4;
        let weight = f64::from(random(500)) / 1000.0;
        let mut crop = || {
            let of = &self.0[random(self.0.len() as u32) as usize];
            let across = of.width * (400 + random(600)) / 1000;
            let down = (across * 3 / 4).min(of.height);
            let (left, top) = (random(of.width - across + 1), random(of.height - down + 1));
            (of, across, down, left, top, random(2) == 1)
        };
        let crops = [(crop(), 1.0 - weight), (crop(), weight)];
        let mut rgb = Vec::with_capacity((width * height * 3) as usize);
        for y in 0..height {
            for x in 0..width {
                for channel in 0..3 {
                    let level =
                        |&((of, across, down, left, top, mirrored), weight): &((&Pixels, _, _, _, _, _), f64)| {
                            let x = if mirrored { width - 1 - x } else { x };
                            let (column, row): (u32, u32) = (left + x * across / width, top + y * down / height);
                            f64::from(of.rgb[((row * of.width + column) * 3 + channel) as usize]) * weight
                        };
                    rgb.push(crops.iter().map(level).sum::<f64>() as u8);
                }
            }
        }
        Pixels { width, height, rgb, alpha: None }
    }

    /// The same picture as someone sends it: larger, with grain.
    fn upload(&self, at: u64) -> Pixels {
        let mut pixels = self.picture(at, 128);
        for (place, level) in pixels.rgb.iter_mut().enumerate() {
            let grain = (scatter(at ^ (place as u64) << 32) % 25) as u8;
            *level = level.saturating_add(grain).saturating_sub(12);
        }
        pixels
    }
}

/// Scatters a number over all numbers (SplitMix64).
fn scatter(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// What this thread has used of its processor so far.
fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one timespec, to which it is given an exclusive pointer.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) }, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
