//! The decode children, with the real binary: good files, hostile files, and children that die or dawdle.

use std::fs::File;
use std::io::{Seek, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reunite::children::{Pool, Settings};
use reunite::decode::{Limits, Unreadable};
use reunite::identify::Kind;

fn settings() -> Settings {
    Settings {
        program: env!("CARGO_BIN_EXE_reunite").into(),
        children: NonZeroUsize::MIN,
        threads: NonZeroUsize::new(2).unwrap(),
        ..Settings::for_this_machine().unwrap()
    }
}

fn pool() -> Pool {
    Pool::start(settings()).unwrap()
}

fn file_of(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

/// A scene with detail, as RGB.
fn scene(width: u32, height: u32, seed: u32) -> Vec<u8> {
    let at = |x: u32, y: u32| {
        let (u, v) = (x as f32 / width as f32 * 9.0, y as f32 / height as f32 * 7.0);
        let wave = ((u + seed as f32).sin() * (v * 1.3 + u * 0.4).cos() * 90.0 + 128.0) as u8;
        [wave, wave.wrapping_add((u * 8.0) as u8), 255 - wave]
    };
    let mut rgb = Vec::new();
    (0..height).for_each(|y| (0..width).for_each(|x| rgb.extend(at(x, y))));
    rgb
}

fn jpeg(width: u32, height: u32, rgb: &[u8]) -> Vec<u8> {
    let mut jpeg = mozjpeg::Compress::new(mozjpeg::ColorSpace::JCS_RGB);
    jpeg.set_size(width as usize, height as usize);
    jpeg.set_fastest_defaults();
    jpeg.set_quality(90.0);
    let mut started = jpeg.start_compress(Vec::new()).unwrap();
    started.write_scanlines(rgb).unwrap();
    started.finish().unwrap()
}

fn scene_jpeg(seed: u32) -> Vec<u8> {
    jpeg(640, 480, &scene(640, 480, seed))
}

/// A PNG of nothing that takes a decoder long: `side` x `side` pixels of eight bytes each, written down directly as the
/// few bytes that so many zeros compress to.
fn long_png(side: u32) -> Vec<u8> {
    let head = [&side.to_be_bytes()[..], &side.to_be_bytes(), &[16, 6, 0, 0, 0]].concat();
    let zeros = u64::from(side) * (u64::from(side) * 8 + 1);
    let chunks = [png_chunk(b"IHDR", &head), png_chunk(b"IDAT", &deflated_zeros(zeros)), png_chunk(b"IEND", b"")];
    [b"\x89PNG\r\n\x1a\n".as_slice(), &chunks.concat()].concat()
}

/// A zlib stream of `count` zeros in one block of fixed codes: a literal, then copies of it 258 at a time. Its checksum is
/// left out, which PNG decoders do not mind.
fn deflated_zeros(count: u64) -> Vec<u8> {
    let (mut bytes, mut bits, mut held) = (vec![0x78, 0x01], 0u32, 0u32);
    let mut put = |code: u32, length: u32| {
        // Codes stand with their highest bit first in a stream that begins with the lowest.
        bits |= (code.reverse_bits() >> (32 - length)) << held;
        held += length;
        while held >= 8 {
            bytes.push(bits as u8);
            bits >>= 8;
            held -= 8;
        }
    };
    put(0b110, 3); // The last block, of fixed codes.
    (0..(count - 1) % 258 + 1).for_each(|_| put(0x30, 8));
    (0..(count - 1) / 258).for_each(|_| put(0b1100_0101 << 5, 13));
    put(0, 7);
    put(0, 8);
    bytes.extend([0; 4]);
    bytes
}

fn png_chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let table: Vec<u32> = (0..256u32)
        .map(|byte| (0..8).fold(byte, |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())))
        .collect();
    let named = [name.as_slice(), content].concat();
    let crc = named.iter().fold(!0u32, |crc, &byte| (crc >> 8) ^ table[((crc ^ u32::from(byte)) & 0xff) as usize]);
    [&(content.len() as u32).to_be_bytes()[..], &named, &(!crc).to_be_bytes()].concat()
}

/// Waits until a child other than `not` is at work, told by the processor time it has used.
fn child_at_work(pool: &Pool, not: Option<u32>) -> u32 {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        if let Some(&pid) = pool.pids().iter().find(|&&pid| Some(pid) != not)
            && cpu_ticks(pid) >= 20
        {
            return pid;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("no child came to work");
}

/// Time that a process has used, in hundredths of a second.
fn cpu_ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().nth(11).and_then(|ticks| ticks.parse().ok()).unwrap_or(0)
}

/// Ends a child as a fault of memory would. The signal is sent twice, because the handler with which Rust reports stack
/// overflows takes the first for itself and lets the program go on, to fault again.
fn crash(pid: u32) {
    for _ in 0..2 {
        // SAFETY: sends a signal to a child of this process; touches no memory.
        unsafe { libc::kill(pid as libc::pid_t, libc::SIGSEGV) };
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn uploads_and_thumbnails_are_examined_and_verified() {
    let pool = pool();
    let upload = scene_jpeg(1);
    let examined = pool.examine(file_of(&upload)).unwrap();
    assert_eq!((examined.header.kind, examined.header.width, examined.header.height), (Kind::Jpeg, 640, 480));
    let small: Vec<u8> = scene(640, 480, 1)
        .chunks(640 * 3)
        .step_by(4)
        .flat_map(|row| row.chunks(3).step_by(4).flatten().copied().collect::<Vec<_>>())
        .collect();
    let thumbnail = jpeg(160, 120, &small);
    let other = jpeg(160, 120, &scene(160, 120, 9));
    let fingerprints = pool.examine_thumbnail(thumbnail.clone()).unwrap().fingerprints;
    assert!(examined.views.distance(&fingerprints).unwrap() < 40);
    let residuals = pool.verify(file_of(&upload), &[thumbnail, b"not a picture".to_vec(), other]).unwrap();
    assert_eq!(residuals.len(), 3);
    assert!(residuals[0].unwrap().z() < residuals[2].unwrap().z());
    assert_eq!(residuals[1], None);
}

#[test]
fn pictures_are_made_anew_for_people_without_what_their_files_say() {
    let pool = pool();
    let turned = std::fs::read("fixtures/derived/lighthouse-orientation-6.jpg").unwrap();
    let has = |bytes: &[u8], word: &[u8]| bytes.windows(word.len()).any(|some| some == word);
    assert!(has(&turned, b"Exif"));
    let upright = pool.examine(file_of(&turned)).unwrap().header.upright_size();
    for made in
        [pool.show_thumbnail(turned.clone(), 100_000).unwrap(), pool.show_upload(file_of(&turned), 100_000).unwrap()]
    {
        assert!(made.starts_with(b"\xff\xd8\xff") && !has(&made, b"Exif"));
        let header = pool.examine(file_of(&made)).unwrap().header;
        assert_eq!(((header.width, header.height), header.orientation), (upright, 1));
    }
    let small = pool.show_upload(file_of(&turned), 100).unwrap();
    let header = pool.examine(file_of(&small)).unwrap().header;
    assert!((100..=200).contains(&header.width.max(header.height)), "{header:?}");
    let logo = std::fs::read("fixtures/originals/logo-fox.png").unwrap();
    assert!(pool.show_thumbnail(logo, 100).unwrap().starts_with(b"\x89PNG"), "what can be seen through stays so");
    assert!(pool.show_thumbnail(b"<svg onload=alert(1)>".to_vec(), 100).is_err());
}

#[test]
fn what_cannot_be_read_is_named() {
    let pool = pool();
    let reason = |bytes: &[u8]| pool.examine(file_of(bytes)).unwrap_err();
    assert_eq!(reason(b""), Unreadable::Empty);
    assert_eq!(reason(b"%PDF-1.7"), Unreadable::NotReadable(Kind::Pdf));
    assert_eq!(reason(b"\xff\xd8\xff\xe0"), Unreadable::TruncatedBeforePixels(Kind::Jpeg));
    assert_eq!(pool.examine_thumbnail(Vec::new()).unwrap_err(), Unreadable::Empty);
    let bomb = b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x02\x02D\x01\0;";
    assert!(matches!(reason(bomb), Unreadable::TooLarge { width: 65_535, height: 65_535, .. }));
    assert!(pool.examine(file_of(&scene_jpeg(2))).is_ok());
    assert_eq!(pool.pids().len(), 1);
}

#[test]
fn answers_do_not_depend_on_company() {
    let pool = Arc::new(pool());
    let alone: Vec<_> = (0..4).map(|seed| pool.examine(file_of(&scene_jpeg(seed))).unwrap()).collect();
    let together: Vec<_> = (0..16)
        .map(|at| {
            let pool = Arc::clone(&pool);
            std::thread::spawn(move || pool.examine(file_of(&scene_jpeg(at % 4))).unwrap())
        })
        .collect();
    for (at, thread) in together.into_iter().enumerate() {
        assert_eq!(thread.join().unwrap(), alone[at % 4]);
    }
}

#[test]
fn a_child_that_dies_once_costs_nothing() {
    let pool = Arc::new(pool());
    let long = Arc::new(long_png(7000));
    let jobs: Vec<_> = (0..2)
        .map(|_| {
            let (pool, long) = (Arc::clone(&pool), Arc::clone(&long));
            std::thread::spawn(move || pool.examine(file_of(&long)))
        })
        .collect();
    let pid = child_at_work(&pool, None);
    crash(pid);
    for job in jobs {
        assert_eq!(job.join().unwrap().unwrap().header.width, 7000);
    }
    // On a busy machine both may have been done before the child died, of which only the next job learns.
    pool.examine(file_of(&scene_jpeg(0))).unwrap();
    assert_ne!(pool.pids(), [pid]);
    assert_eq!(pool.deaths(), 1);
}

#[test]
fn a_job_whose_child_dies_twice_is_named_and_the_others_go_on() {
    let pool = Arc::new(pool());
    let long = long_png(20_000);
    let job = std::thread::spawn({
        let pool = Arc::clone(&pool);
        move || pool.examine(file_of(&long))
    });
    let first = child_at_work(&pool, None);
    crash(first);
    let second = child_at_work(&pool, Some(first));
    let neighbour = std::thread::spawn({
        let pool = Arc::clone(&pool);
        move || pool.examine(file_of(&scene_jpeg(3)))
    });
    crash(second);
    let reason = job.join().unwrap().unwrap_err();
    assert_eq!(reason, Unreadable::CrashedTwice("segmentation fault".to_owned()));
    assert_eq!(reason.to_string(), "the decoder crashed on it twice (segmentation fault)");
    assert!(neighbour.join().unwrap().is_ok());
}

#[test]
fn a_job_that_takes_too_long_is_ended_and_the_others_go_on() {
    // Far more work than the time allows on any machine: all the pixels that the limits allow, three gigabytes of them.
    let pool = Pool::start(Settings { job_time_max: Duration::from_millis(500), ..settings() }).unwrap();
    let reason = pool.examine(file_of(&long_png(20_000))).unwrap_err();
    assert!(matches!(reason, Unreadable::TooSlow(_)), "{reason}");
    assert!(pool.examine(file_of(&jpeg(32, 24, &scene(32, 24, 4)))).is_ok());
}

#[test]
fn want_of_memory_is_a_death_like_any_other() {
    // The limits promise more than the address space holds.
    let limits = Limits { pixels_max: u64::MAX, bytes_max: u64::MAX };
    let pool = Pool::start(Settings { address_space_max: 600 << 20, limits, ..settings() }).unwrap();
    let sizes = [20_000u32.to_le_bytes(), 20_000u32.to_le_bytes()].concat();
    let head = [b"BM".as_slice(), &[0; 8], &54u32.to_le_bytes(), &40u32.to_le_bytes(), &sizes, &[1, 0, 24, 0]];
    let mut bmp = head.concat();
    bmp.resize(200, 0);
    let reason = pool.examine(file_of(&bmp)).unwrap_err();
    assert!(matches!(reason, Unreadable::CrashedTwice(_)), "{reason}");
    assert!(pool.examine(file_of(&scene_jpeg(5))).is_ok());
}

#[test]
fn a_pool_without_a_decoder_says_so() {
    for program in ["/bin/false", "/nowhere/at/all"] {
        let pool = Pool::start(Settings { program: program.into(), ..settings() }).unwrap();
        let reason = pool.examine(file_of(&scene_jpeg(6))).unwrap_err();
        assert!(matches!(reason, Unreadable::Unavailable(_)) && reason.is_transient(), "{program}: {reason}");
    }
}

#[test]
fn children_end_with_their_pool() {
    let pool = pool();
    pool.examine(file_of(&scene_jpeg(7))).unwrap();
    let process = format!("/proc/{}", pool.pids()[0]);
    assert!(std::path::Path::new(&process).exists());
    drop(pool);
    assert!(!std::path::Path::new(&process).exists());
}

#[test]
fn a_child_inherits_nothing() {
    let pool = pool();
    // A descriptor without close-on-exec, as a careless library leaves it behind.
    let leaked = file_of(b"secret");
    // SAFETY: changes a flag of a descriptor that `leaked` owns.
    assert_eq!(unsafe { libc::fcntl(std::os::fd::AsRawFd::as_raw_fd(&leaked), libc::F_SETFD, 0) }, 0);
    pool.examine(file_of(&scene_jpeg(8))).unwrap();
    let pid = pool.pids()[0];
    assert_eq!(std::fs::read(format!("/proc/{pid}/environ")).unwrap(), b"");
    let targets: Vec<_> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .map(|target| target.to_string_lossy().into_owned())
        .collect();
    assert!(targets.iter().all(|target| target == "/dev/null" || target.starts_with("socket:")), "{targets:?}");
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
}
