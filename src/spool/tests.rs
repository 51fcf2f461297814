use std::fs::File;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::scratch::{ALICE, BOB, Scratch, open, path};
use super::*;
use crate::domain::{Digest, UploadId};
use crate::tree::Tree;

/// Over the size from which a transfer has a row.
const LARGE: usize = (1 << 20) + 77;

fn noise(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|at| (at as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0] ^ seed).collect()
}

fn size(scratch: &Scratch, at: &str) -> u64 {
    scratch.tree().stat(&path(at)).unwrap().size
}

#[test]
fn what_was_acknowledged_is_there_after_a_crash() {
    let scratch = Scratch::new();
    let small = scratch.put("a/b/small.jpg", b"small").unwrap();
    let large = scratch.put("a/large.jpg", &noise(LARGE, 1)).unwrap();
    let empty = scratch.put("empty", b"").unwrap();
    let mut unfinished = scratch.begin("a/unfinished.jpg", Start::New).unwrap();
    unfinished.write(&noise(400_000, 2)).unwrap();
    assert_eq!(scratch.spool_files().len(), 4);
    std::mem::forget(unfinished);
    let scratch = scratch.restarted();
    assert_eq!(scratch.recovered, Recovered { orphans: 1, uploads: 3, ..Recovered::default() });
    assert_eq!(scratch.upload(small).path, b"a/b/small.jpg");
    assert_eq!(scratch.upload(large).size, LARGE as u64);
    assert_eq!(scratch.upload(empty).size, 0);
    assert!(matches!(scratch.tree().stat(&path("a/unfinished.jpg")), Err(TreeError::NotFound(_))));
    assert_eq!((scratch.spool_files().len(), scratch.count("uploads"), scratch.count("events")), (3, 3, 3));
    assert_eq!(scratch.count("submissions"), 1, "uploads of one sitting are one submission");
}

#[test]
fn a_large_transfer_can_be_resumed_after_a_crash() {
    let whole = noise(2 * LARGE, 2);
    let scratch = Scratch::new();
    let mut incoming = scratch.begin("a.jpg", Start::New).unwrap();
    incoming.write(&whole[..LARGE]).unwrap();
    assert_eq!(size(&scratch, "a.jpg"), LARGE as u64, "a running transfer shows how far it is");
    std::mem::forget(incoming);
    let scratch = scratch.restarted();
    assert_eq!(scratch.recovered, Recovered { partials: 1, ..Recovered::default() });
    let mut incoming = scratch.begin("a.jpg", Start::At(LARGE as u64)).unwrap();
    incoming.write(&whole[LARGE..]).unwrap();
    let upload = incoming.finish().unwrap();
    assert_eq!(scratch.upload(upload).sha256, Digest::of(&whole));
    assert_eq!((scratch.count("partials"), scratch.spool_files().len()), (0, 1));
}

#[test]
fn an_interrupted_transfer_goes_on_where_it_stopped() {
    for start in [Start::At(5), Start::Append] {
        let scratch = Scratch::new();
        scratch.cut("a.jpg", Start::New, b"01234");
        let entry = scratch.tree().stat(&path("a.jpg")).unwrap();
        assert_eq!((entry.size, entry.partial, entry.upload), (5, true, None));
        assert!(matches!(scratch.tree().open_read(&path("a.jpg")), Err(TreeError::Unfinished(_))));
        let scratch = scratch.restarted();
        let mut incoming = scratch.begin("a.jpg", start).unwrap();
        incoming.write(b"56789").unwrap();
        let upload = incoming.finish().unwrap();
        assert_eq!(scratch.get("a.jpg"), b"0123456789");
        assert!(!scratch.upload(upload).truncated);
        assert_eq!(scratch.count("partials"), 0);
    }
}

#[test]
fn resuming_before_the_end_of_a_partial_leaves_the_partial_as_it_was() {
    let scratch = Scratch::new();
    scratch.cut("a.jpg", Start::New, b"01234XYZ");
    scratch.cut("a.jpg", Start::At(5), b"5");
    assert_eq!(size(&scratch, "a.jpg"), 6);
    let lengths: Vec<u64> = scratch.spool_files().iter().map(|file| file.metadata().unwrap().len()).collect();
    assert!(lengths.contains(&8) && lengths.contains(&6), "{lengths:?}");
}

#[test]
fn resuming_a_whole_file_makes_a_new_version_that_begins_with_a_copy() {
    let scratch = Scratch::new();
    let first = scratch.put("a.jpg", b"01234").unwrap();
    let mut incoming = scratch.begin("a.jpg", Start::At(3)).unwrap();
    incoming.write(b"xyz").unwrap();
    let second = incoming.finish().unwrap();
    assert_eq!(scratch.get("a.jpg"), b"012xyz");
    let mut incoming = scratch.begin("a.jpg", Start::Append).unwrap();
    incoming.write(b"!").unwrap();
    let third = incoming.finish().unwrap();
    assert_eq!(scratch.get("a.jpg"), b"012xyz!");
    assert_eq!([first, second, third].map(|id| scratch.upload(id).size), [5, 6, 7]);
}

#[test]
fn a_file_in_the_blob_store_can_be_read_and_resumed() {
    let scratch = Scratch::new();
    let upload = scratch.put("a.jpg", b"01234").unwrap();
    let row = scratch.upload(upload);
    let blobs = Blobs::new(scratch.folder().join("blobs"));
    blobs.adopt().unwrap();
    blobs.take(ALICE, row.sha256, &scratch.folder().join("spool").join(row.spool_file.unwrap())).unwrap();
    assert_eq!(scratch.get("a.jpg"), b"01234", "moved, and the catalogue has not heard of it yet");
    scratch.sql("UPDATE uploads SET spool_file = NULL, state = 'stored'");
    assert_eq!(scratch.get("a.jpg"), b"01234");
    let mut incoming = scratch.begin("a.jpg", Start::Append).unwrap();
    incoming.write(b"5").unwrap();
    incoming.finish().unwrap();
    assert_eq!(scratch.get("a.jpg"), b"012345");
    let scratch = scratch.restarted();
    assert!(scratch.recovered.uploads_lost.is_empty());
}

#[test]
fn continuing_beyond_the_end_is_refused_with_the_size() {
    let scratch = Scratch::new();
    scratch.cut("a.jpg", Start::New, b"01234");
    scratch.put("b.jpg", b"012").unwrap();
    for (at, here) in [("a.jpg", 5), ("b.jpg", 3), ("new.jpg", 0)] {
        match scratch.begin(at, Start::At(here + 1)) {
            Err(TreeError::BeyondEnd { size, .. }) => assert_eq!(size, here),
            other => panic!("{at}: {:?}", other.map(|incoming| incoming.size())),
        }
    }
}

#[test]
fn a_partial_has_one_writer() {
    let scratch = Scratch::new();
    scratch.cut("a.jpg", Start::New, b"01234");
    let mut first = scratch.begin("a.jpg", Start::Append).unwrap();
    for start in [Start::Append, Start::At(5)] {
        let refused = scratch.begin("a.jpg", start).err().unwrap();
        assert!(matches!(refused, TreeError::Busy(_)) && refused.is_transient());
    }
    first.write(b"56").unwrap();
    drop(first);
    let again = scratch.begin("a.jpg", Start::At(7)).unwrap();
    assert_eq!(again.size(), 7, "the dropped transfer left what it had");
}

#[test]
fn starting_over_disturbs_no_running_transfer() {
    let scratch = Scratch::new();
    let (old, new) = (noise(LARGE, 3), noise(LARGE + 5, 4));
    let mut stuck = scratch.begin("a.jpg", Start::New).unwrap();
    stuck.write(&old).unwrap();
    let fresh = scratch.put("a.jpg", &new).unwrap();
    assert_eq!(size(&scratch, "a.jpg"), new.len() as u64, "a client that verifies sees what it sent");
    let stuck = stuck.finish().unwrap();
    assert_eq!(scratch.upload(fresh).sha256, Digest::of(&new));
    assert_eq!(scratch.upload(stuck).sha256, Digest::of(&old));
    assert_eq!((scratch.count("entries"), scratch.count("partials")), (1, 0));
}

#[test]
fn what_a_hanging_connection_leaves_does_not_hide_what_came_later() {
    let scratch = Scratch::new();
    for (at, length) in [("small.jpg", 10), ("large.jpg", LARGE)] {
        let mut hanging = scratch.begin(at, Start::New).unwrap();
        hanging.write(&noise(length, 11)).unwrap();
        let mut later = scratch.begin(at, Start::New).unwrap();
        later.write(&noise(length + 5, 12)).unwrap();
        later.interrupt().unwrap();
        hanging.interrupt().unwrap();
        assert_eq!(size(&scratch, at), length as u64 + 5, "the newer partial can be resumed");
        let mut hanging = scratch.begin(at, Start::New).unwrap();
        hanging.write(&noise(length, 13)).unwrap();
        scratch.put(at, b"whole").unwrap();
        hanging.interrupt().unwrap();
        let entry = scratch.tree().stat(&path(at)).unwrap();
        assert_eq!((entry.size, entry.partial), (5, false));
    }
    assert_eq!(scratch.count("partials"), 6, "and all of it is kept");
}

#[test]
fn a_running_transfer_does_not_follow_the_rename_of_a_complete_file() {
    let scratch = Scratch::new();
    let mut hanging = scratch.begin("a.part", Start::New).unwrap();
    hanging.write(b"hanging").unwrap();
    scratch.put("a.part", b"whole").unwrap();
    scratch.tree().rename(&path("a.part"), &path("a.jpg")).unwrap();
    hanging.interrupt().unwrap();
    assert_eq!((size(&scratch, "a.jpg"), size(&scratch, "a.part")), (5, 7));
    let mut moving = scratch.begin("d/b.jpg", Start::New).unwrap();
    moving.write(b"moving").unwrap();
    scratch.tree().make_dir(&path("d")).unwrap();
    scratch.tree().rename(&path("d"), &path("e")).unwrap();
    moving.finish().unwrap();
    assert_eq!(scratch.get("e/b.jpg"), b"moving");
}

#[test]
fn a_second_upload_to_a_path_is_a_second_upload() {
    let scratch = Scratch::new();
    let first = scratch.put("a.jpg", b"first").unwrap();
    let second = scratch.put("a.jpg", b"second").unwrap();
    assert_ne!(first, second);
    assert_eq!(scratch.get("a.jpg"), b"second");
    assert_eq!(scratch.upload(first).path, scratch.upload(second).path);
    let again = scratch.put("a.jpg", b"second").unwrap();
    assert_ne!(second, again, "the same bytes again are an upload again");
}

#[test]
fn a_transfer_without_a_byte_leaves_nothing() {
    let scratch = Scratch::new();
    scratch.begin("a.jpg", Start::New).unwrap().interrupt().unwrap();
    drop(scratch.begin("b.jpg", Start::New).unwrap());
    let mut abandoned = scratch.begin("c.jpg", Start::New).unwrap();
    abandoned.write(&noise(LARGE, 5)).unwrap();
    abandoned.abandon().unwrap();
    assert_eq!((scratch.count("entries"), scratch.count("partials"), scratch.spool_files().len()), (0, 0, 0));
}

#[test]
fn holes_are_zero_and_order_does_not_matter() {
    let scratch = Scratch::new();
    let mut incoming = scratch.begin("a.jpg", Start::New).unwrap();
    incoming.write_at(8, b"89").unwrap();
    incoming.write_at(0, b"01").unwrap();
    incoming.write_at(1, b"1").unwrap();
    let upload = incoming.finish().unwrap();
    scratch.upload(upload);
    assert_eq!(scratch.get("a.jpg"), b"01\0\0\0\0\0\089");
    let mut incoming = scratch.begin("b.jpg", Start::New).unwrap();
    incoming.write(b"0123456789").unwrap();
    incoming.set_size(4).unwrap();
    incoming.write(b"x").unwrap();
    incoming.set_size(7).unwrap();
    scratch.upload(incoming.finish().unwrap());
    assert_eq!(scratch.get("b.jpg"), b"0123x\0\0");
}

#[test]
fn files_beyond_the_limit_are_refused() {
    let scratch = Scratch::with(Settings { file_bytes_max: 10, min_free: Some(0), ..Settings::default() });
    let mut incoming = scratch.begin("a.jpg", Start::New).unwrap();
    incoming.write(b"0123456789").unwrap();
    for offset in [10, u64::MAX] {
        let refused = incoming.write_at(offset, b"x").err().unwrap();
        assert!(matches!(refused, TreeError::TooLarge { bytes_max: 10, .. }) && !refused.is_transient());
    }
}

#[test]
fn below_the_free_space_that_must_stay_nothing_begins() {
    let scratch = Scratch::with(Settings { min_free: Some(u64::MAX), ..Settings::default() });
    let refused = scratch.begin("a.jpg", Start::New).err().unwrap();
    assert!(matches!(refused, TreeError::NoSpace) && refused.is_transient());
    assert!(scratch.spool_files().is_empty());
}

/// The kernel itself says that there is no space: the transfer's file is exchanged for one on a full device.
#[test]
fn a_full_disk_acknowledges_nothing_and_keeps_nothing_half() {
    let full = || {
        let file = File::options().read(true).write(true).open("/dev/full").unwrap();
        crate::spool::incoming::Body::File(Arc::new(file))
    };
    let scratch = Scratch::new();
    let mut small = scratch.begin("small.jpg", Start::New).unwrap();
    small.write(b"fits").unwrap();
    small.sync().unwrap();
    small.body = full();
    assert!(matches!(small.write(b"does not"), Err(TreeError::NoSpace)));
    drop(small);
    let mut large = scratch.begin("large.jpg", Start::New).unwrap();
    large.write(&noise(LARGE, 6)).unwrap();
    large.body = full();
    assert!(matches!(large.write(b"does not"), Err(TreeError::NoSpace)));
    drop(large);
    assert_eq!((scratch.count("uploads"), scratch.count("entries"), scratch.spool_files().len()), (0, 0, 0));
    scratch.cut("resumed.jpg", Start::New, b"01234");
    let mut resumed = scratch.begin("resumed.jpg", Start::Append).unwrap();
    let real = std::mem::replace(&mut resumed.body, full());
    assert!(matches!(resumed.write(b"56789"), Err(TreeError::NoSpace)));
    resumed.body = real;
    drop(resumed);
    assert_eq!(size(&scratch, "resumed.jpg"), 5, "what could be resumed before still can");
}

#[test]
fn when_the_catalogue_fails_nothing_is_acknowledged() {
    let scratch = Scratch::new();
    scratch.cut("resumed.jpg", Start::New, b"01234");
    scratch.sql("CREATE TRIGGER broken BEFORE INSERT ON uploads BEGIN SELECT RAISE(ABORT, 'broken'); END");
    for (at, start, length) in
        [("small", Start::New, 5), ("large", Start::New, LARGE), ("resumed.jpg", Start::Append, 5)]
    {
        let mut incoming = scratch.begin(at, start).unwrap();
        incoming.write(&noise(length, 7)).unwrap();
        let failed = incoming.finish().unwrap_err();
        assert!(matches!(failed, TreeError::Catalogue(_)) && failed.is_transient());
        assert!(!failed.for_customer().contains("broken"));
    }
    assert_eq!((scratch.count("uploads"), scratch.count("submissions"), scratch.count("events")), (0, 0, 0));
    assert_eq!((scratch.count("entries"), scratch.count("partials"), scratch.spool_files().len()), (1, 1, 1));
    scratch.sql("DROP TRIGGER broken");
    let incoming = scratch.begin("resumed.jpg", Start::At(10)).unwrap();
    incoming.finish().unwrap();
    assert_eq!(scratch.get("resumed.jpg").len(), 10);
}

#[test]
fn lost_bytes_are_said_loudly() {
    let scratch = Scratch::new();
    // The journal would bring a small one back.
    let upload = scratch.put("a.jpg", &noise(LARGE, 1)).unwrap();
    scratch.cut("b.jpg", Start::New, b"part");
    for file in scratch.spool_files() {
        std::fs::remove_file(file).unwrap();
    }
    let scratch = scratch.restarted();
    assert_eq!(scratch.recovered.uploads_lost, [upload]);
    assert_eq!((scratch.recovered.partials_lost, scratch.count("partials")), (1, 0));
    assert_eq!(scratch.tree().list(&path("/")).unwrap().len(), 1);
}

#[test]
fn an_old_partial_becomes_a_truncated_upload() {
    let scratch = Scratch::new();
    scratch.cut("a.jpg", Start::New, b"01234");
    scratch.put("b.jpg", b"whole").unwrap();
    scratch.cut("b.jpg", Start::New, b"other");
    scratch.cut("c.jpg", Start::New, b"running");
    let running = scratch.begin("c.jpg", Start::Append).unwrap();
    assert_eq!(scratch.spool.give_up_old_partials(Micros::now()).unwrap(), 0, "they are not old yet");
    let later = Micros::now().plus_seconds(8 * 24 * 3600);
    assert_eq!(scratch.spool.give_up_old_partials(later).unwrap(), 2);
    drop(running);
    let entry = scratch.tree().stat(&path("a.jpg")).unwrap();
    let upload = scratch.upload(entry.upload.unwrap());
    assert!(upload.truncated && !entry.partial && upload.path == b"a.jpg");
    assert_eq!(scratch.get("b.jpg"), b"whole", "a whole upload stays what the name stands for");
    assert_eq!((scratch.count("uploads WHERE truncated = 1"), scratch.count("partials")), (2, 1));
}

#[test]
fn a_beginning_of_what_came_later_is_no_upload_of_its_own() {
    let scratch = Scratch::new();
    scratch.cut("a.jpg", Start::New, b"01234");
    scratch.put("a.jpg", b"0123456789").unwrap();
    scratch.cut("b.jpg", Start::New, b"01x");
    scratch.put("b.jpg", b"0123456789").unwrap();
    let later = Micros::now().plus_seconds(8 * 24 * 3600);
    assert_eq!(scratch.spool.give_up_old_partials(later).unwrap(), 2);
    assert_eq!(scratch.count("uploads WHERE truncated = 1"), 1, "only the bytes that nothing else has");
    assert_eq!(scratch.spool_files().len(), 3);
}

#[test]
fn a_temporary_name_waits_for_its_rename() {
    let scratch = Scratch::new();
    let upload = scratch.put("in/a.jpg.filepart", b"bytes").unwrap();
    let now = Micros::now();
    let held = |customer, at| scratch.catalogue.read(|tx| tx.uploads_held(customer, at)).unwrap();
    assert_eq!(held(None, now).iter().map(|row| row.id).collect::<Vec<_>>(), [upload]);
    assert!(held(Some(BOB), now).is_empty());
    assert!(held(None, now.plus_seconds(16 * 60)).is_empty(), "after the quiet time it counts");
    scratch.tree().rename(&path("in/a.jpg.filepart"), &path("in/b.tmp")).unwrap();
    assert_eq!(held(None, now).len(), 1, "from one temporary name to another it still waits");
    scratch.tree().rename(&path("in/b.tmp"), &path("done/a.jpg")).unwrap();
    let row = scratch.upload(upload);
    assert_eq!((row.path.as_slice(), row.held_until), (&b"done/a.jpg"[..], None));
    scratch.tree().rename(&path("done/a.jpg"), &path("z.jpg")).unwrap();
    assert_eq!(scratch.upload(upload).path, b"done/a.jpg", "complete, so its path stays");
    assert_eq!(scratch.get("z.jpg"), b"bytes");
}

#[test]
fn after_the_quiet_time_a_rename_comes_too_late() {
    let scratch = Scratch::with(Settings { held_seconds: -1, min_free: Some(0), ..Settings::default() });
    let upload = scratch.put("a.tmp", b"bytes").unwrap();
    scratch.tree().rename(&path("a.tmp"), &path("a.jpg")).unwrap();
    assert_eq!(scratch.upload(upload).path, b"a.tmp");
    assert_eq!(scratch.get("a.jpg"), b"bytes");
}

#[test]
fn a_running_transfer_follows_its_rename() {
    let scratch = Scratch::new();
    for (name, bytes) in [("small", noise(10, 8)), ("large", noise(LARGE, 9))] {
        let mut incoming = scratch.begin(&format!("{name}.part"), Start::New).unwrap();
        incoming.write(&bytes).unwrap();
        assert_eq!(size(&scratch, &format!("{name}.part")), bytes.len() as u64);
        scratch.tree().rename(&path(&format!("{name}.part")), &path(&format!("d/{name}.jpg"))).unwrap();
        scratch.tree().set_mtime(&path(&format!("d/{name}.jpg")), Micros(5_000_000)).unwrap();
        let row = scratch.upload(incoming.finish().unwrap());
        assert_eq!((row.path, row.held_until), (format!("d/{name}.jpg").into_bytes(), None));
        assert_eq!(scratch.tree().stat(&path(&format!("d/{name}.jpg"))).unwrap().mtime, Micros(5_000_000));
        assert!(scratch.tree().stat(&path(&format!("{name}.part"))).is_err());
    }
}

#[test]
fn customers_never_meet() {
    let scratch = Scratch::new();
    scratch.put("a.jpg", b"alice").unwrap();
    let bob = Tree::new(scratch.catalogue.clone(), scratch.spool.clone(), BOB);
    assert!(bob.list(&path("/")).unwrap().is_empty());
    let mut incoming = scratch.spool.begin(BOB, &path("a.jpg"), Endpoint::Sftp, Start::New).unwrap();
    assert_eq!(bob.stat(&path("a.jpg")).unwrap().size, 0);
    incoming.write(b"bob's").unwrap();
    incoming.finish().unwrap();
    assert_eq!(scratch.get("a.jpg"), b"alice");
    assert_eq!(scratch.count("submissions"), 2);
}

#[test]
fn a_copy_from_this_machine_keeps_its_time_and_follows_no_link() {
    let scratch = Scratch::new();
    let source = scratch.folder().join("source");
    std::fs::write(&source, noise(LARGE, 10)).unwrap();
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
    File::options().write(true).open(&source).unwrap().set_modified(time).unwrap();
    let upload = scratch.spool.receive_file(ALICE, &path("x/a.jpg"), Endpoint::Scan, &source).unwrap();
    let row = scratch.upload(upload);
    assert_eq!((row.mtime, row.endpoint.as_str()), (Some(Micros::from_seconds(1_000_000)), "scan"));
    std::os::unix::fs::symlink(&source, scratch.folder().join("link")).unwrap();
    assert!(scratch.spool.receive_file(ALICE, &path("b"), Endpoint::Scan, &scratch.folder().join("link")).is_err());
    assert_eq!(scratch.spool_files().len(), 1);
}

const VICTIM: &str = "REUNITE_TEST_RECEIVE_IN";

/// Not a test by itself: what the next one kills. Receives files for ever and says each acknowledgement.
#[test]
fn victim_that_receives_until_it_is_killed() {
    let Some(folder) = std::env::var_os(VICTIM) else { return };
    let (_, spool, _) = open(Path::new(&folder), Settings { min_free: Some(0), ..Settings::default() });
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let spool = &spool;
            scope.spawn(move || {
                for n in 0.. {
                    let bytes = noise(if n % 3 == 0 { LARGE } else { 5000 + n }, n as u8);
                    let mut incoming =
                        spool.begin(ALICE, &path(&format!("{thread}/{n}.jpg")), Endpoint::Ftp, Start::New).unwrap();
                    bytes.chunks(300_000).for_each(|block| incoming.write(block).unwrap());
                    let upload = incoming.finish().unwrap();
                    use std::io::Write;
                    writeln!(std::io::stdout().lock(), "\nACK {upload} {}", Digest::of(&bytes)).unwrap();
                }
            });
        }
    });
}

#[test]
fn killed_at_any_moment_exactly_the_acknowledged_is_there() {
    use std::io::BufRead;
    let mut scratch = Scratch::new();
    for acknowledgements in [1, 7, 20] {
        let mut victim = Command::new(std::env::current_exe().unwrap())
            .args(["victim_that_receives_until_it_is_killed", "--nocapture", "--test-threads=1"])
            .env(VICTIM, scratch.folder())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = std::io::BufReader::new(victim.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut said = Vec::new();
        for line in lines {
            if let Some(rest) = line.strip_prefix("ACK ") {
                let (upload, digest) = rest.split_once(' ').unwrap();
                // The last line may be cut by the kill.
                if let Ok(digest) = digest.parse::<Digest>() {
                    said.push((UploadId(upload.parse().unwrap()), digest));
                }
            }
            if said.len() == acknowledgements {
                victim.kill().unwrap();
            }
        }
        victim.wait().unwrap();
        scratch = scratch.restarted();
        assert!(said.len() >= acknowledgements);
        for (upload, digest) in said {
            assert_eq!(scratch.upload(upload).sha256, digest);
        }
        let known = scratch.count("uploads") + scratch.count("partials");
        assert_eq!(known, scratch.spool_files().len() as i64, "nothing half is left");
        for id in 1..=scratch.count("uploads") {
            scratch.upload(UploadId(id));
        }
        assert_eq!(scratch.count("entries WHERE directory = 0 AND upload IS NULL AND partial IS NULL"), 0);
        scratch.sql("DELETE FROM entries; DELETE FROM partials");
        scratch = scratch.restarted();
    }
}

#[derive(Clone, Debug)]
enum Step {
    WriteAt(u16, Vec<u8>),
    Write(Vec<u8>),
    Size(u16),
    CutAndAppend,
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..200);
    prop_oneof![
        (0..600u16, bytes()).prop_map(|(at, bytes)| Step::WriteAt(at, bytes)),
        bytes().prop_map(Step::Write),
        (1..600u16).prop_map(Step::Size),
        Just(Step::CutAndAppend),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever order bytes come in, what is received is what a plain buffer would hold, and its digest is right.
    #[test]
    fn any_order_of_writes_is_a_buffer(steps in proptest::collection::vec(step(), 1..20)) {
        let scratch = Scratch::new();
        let mut incoming = scratch.begin("a", Start::New).unwrap();
        let (mut buffer, mut position) = (Vec::new(), 0);
        for step in steps {
            let (at, bytes) = match step {
                Step::WriteAt(at, bytes) => {
                    incoming.write_at(u64::from(at), &bytes).unwrap();
                    (usize::from(at), bytes)
                }
                Step::Write(bytes) => {
                    incoming.write(&bytes).unwrap();
                    position += bytes.len();
                    (position - bytes.len(), bytes)
                }
                Step::Size(size) => {
                    incoming.set_size(u64::from(size)).unwrap();
                    buffer.resize(usize::from(size), 0);
                    position = position.min(buffer.len());
                    continue;
                }
                Step::CutAndAppend => {
                    incoming.interrupt().unwrap();
                    incoming = scratch.begin("a", Start::Append).unwrap();
                    position = buffer.len();
                    continue;
                }
            };
            if !bytes.is_empty() {
                buffer.resize(buffer.len().max(at + bytes.len()), 0);
                buffer[at..at + bytes.len()].copy_from_slice(&bytes);
            }
        }
        let upload = incoming.finish().unwrap();
        scratch.upload(upload);
        prop_assert_eq!(scratch.get("a"), buffer);
    }
}
