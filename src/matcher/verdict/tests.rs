mod recipe;

use proptest::prelude::*;

use super::*;
use crate::domain::{Digest, ETag};
use crate::matcher::content::{Compared, Comparison, Likeness};
use crate::matcher::facts::{Answer, Beside, CandidateFacts, ImageFacts, Measured, RecordFacts};
use crate::matcher::geometry::Frame;
use crate::matcher::taken::Moment;
use crate::recipe::Fit;

pub(super) fn record(id: i64) -> RecordFacts {
    RecordFacts::of_nothing_recorded(RecordId(id))
}

pub(super) fn image(id: i64) -> ImageFacts {
    ImageFacts {
        id: ImageId(id),
        digest: Digest::of(&id.to_be_bytes()),
        md5: None,
        etags: Vec::new(),
        bytes: 1_000_000 + id as u64,
        page: 1,
        size: Some((4000, 3000)),
        taken: None,
        paths: vec![format!("upload{id}.jpg").into_bytes()],
        truncated: false,
        storage: Storage::Lossy,
    }
}

pub(super) fn residual(z: f32) -> Residual {
    Residual {
        z_strict: z,
        z_colour: z,
        z_fine: z,
        chroma: 1.0,
        zncc: 1.0 - z / 100.0,
        colour_deviation: 0.1,
        saturation: 1.0,
        contrast: 1.0,
        shift: 0.1,
        rms: z,
        detail: 50.0,
        side: 150,
        frame: Frame::Fit,
        turn: 0,
        rendering: 0,
    }
}

pub(super) fn measured(image: i64, record: i64, z: f32) -> CandidateFacts {
    let thumbnail = Digest([record as u8; 32]);
    let measured = vec![Measured { thumbnail, residual: Some(residual(z)), known: 0, fit: None, beside: None }];
    CandidateFacts { image: ImageId(image), record: RecordId(record), distance: Some(10), measured }
}

/// The residual of the first candidate.
fn first(facts: &mut Facts) -> &mut Residual {
    facts.candidates[0].measured[0].residual.as_mut().unwrap()
}

/// One record that recorded everything about image 1 but its digest, and that image.
fn whole() -> Facts {
    let record = RecordFacts {
        bytes: Some(1_000_001),
        size: Some((4000, 3000)),
        filename: Some("IMG_0042.JPG".into()),
        ..record(1)
    };
    Facts {
        records: vec![record],
        images: vec![image(1)],
        candidates: vec![measured(1, 1, 1.0)],
        answers: vec![],
        compared: vec![],
    }
}

/// A record of which nothing is recorded, and an image that makes its thumbnail, or does not.
fn made(image: i64, record: i64, near: bool) -> CandidateFacts {
    let mut candidate = measured(image, record, 2.0);
    candidate.measured[0].fit = Some(Fit {
        d: 0.0,
        hz: 0.0,
        loss: 0.0,
        turn: 1,
        within: near,
        near,
        alike: near,
        tone: Some(0.0),
        detail: 40.0,
        close: near,
    });
    candidate
}

fn silent(records: i64, images: i64, candidates: Vec<CandidateFacts>) -> Facts {
    Facts {
        records: (1..=records).map(record).collect(),
        images: (1..=images).map(image).collect(),
        candidates,
        answers: vec![],
        compared: vec![],
    }
}

pub(super) fn compared(a: i64, b: i64, likeness: Likeness) -> Compared {
    let key = |id| (image(id).digest, 1);
    Compared { a: key(a), b: key(b), comparison: Comparison { likeness, lz: 1.0, ..Comparison::UNKNOWN } }
}

pub(super) fn attached(facts: &Facts) -> Vec<(i64, i64, Method)> {
    let all = decide(facts, &Tier::ALL).into_iter().filter(|d| d.verdict == Verdict::Attach);
    all.map(|d| (d.image.0, d.record.0, d.method)).collect()
}

fn for_review(facts: &Facts) -> Vec<i64> {
    let mut all: Vec<_> = decide(facts, &Tier::ALL).into_iter().filter(|d| d.verdict == Verdict::Review).collect();
    all.sort_by_key(|d| d.rank);
    all.into_iter().map(|d| d.image.0).collect()
}

#[test]
fn a_recorded_digest_attaches_even_without_pixels() {
    let mut facts = Facts { records: vec![record(1)], images: vec![image(1), image(2)], ..Facts::default() };
    facts.records[0].sha256 = Some(facts.images[1].digest);
    facts.images[1].truncated = true;
    assert_eq!(attached(&facts), [(2, 1, Method::Digest)]);
    facts.images[1].page = 2;
    assert_eq!(attached(&facts), [], "a digest speaks of the file's first page only");
}

#[test]
fn an_etag_proves_and_never_disproves() {
    let etag = |parts| ETag { md5: [7; 16], parts };
    let silent = || Facts { records: vec![record(1)], images: vec![image(1), image(2)], ..Facts::default() };
    for parts in [0, 3] {
        let mut facts = silent();
        facts.records[0].etag = Some(etag(parts));
        assert_eq!(attached(&facts), [], "{parts}");
        facts.images[1].etags = vec![etag(1), etag(3)];
        facts.images[1].md5 = Some([7; 16]);
        assert_eq!(attached(&facts), [(2, 1, Method::Digest)], "{parts}");
        assert_eq!(decide(&facts, &Tier::ALL)[0].reason, "the recorded ETag is this file's");
        facts.images[1].etags = vec![etag(4)];
        facts.images[1].md5 = Some([8; 16]);
        assert_eq!(attached(&facts), [], "{parts}");
        facts.images[1].etags = vec![etag(3)];
        facts.images[1].md5 = Some([7; 16]);
        facts.records[0].sha256 = Some(Digest::of(b"another"));
        assert_eq!(attached(&facts), [], "another digest is recorded");
    }
    let mut encrypted = whole();
    encrypted.records[0].etag = Some(etag(0));
    encrypted.images[0].md5 = Some([8; 16]);
    assert_eq!(attached(&encrypted), [(1, 1, Method::Bytes)]);
}

#[test]
fn length_and_size_attach_when_the_pixels_agree() {
    assert_eq!(attached(&whole()), [(1, 1, Method::Bytes)]);
    let mut other = whole();
    other.candidates = vec![measured(1, 1, 30.0)];
    first(&mut other).zncc = 0.5;
    assert_eq!(attached(&other), []);
    assert_eq!(for_review(&other), [1], "a person should see that length and size agree");
    other.candidates.clear();
    assert_eq!(attached(&other), [], "without pixels nothing confirms");
}

#[test]
fn another_shot_of_the_same_camera_is_not_the_picture() {
    let mut facts = whole();
    facts.images[0].paths = vec![b"IMG_0043.JPG".to_vec()];
    assert_eq!(attached(&facts), [], "equal length and size happen in a burst");
    assert_eq!(for_review(&facts), [1]);
    assert!(
        decide(&facts, &Tier::ALL)[0].reason.ends_with("its name says another picture"),
        "{}",
        decide(&facts, &Tier::ALL)[0].reason
    );
    facts.images[0].paths = vec![b"IMG_0042-bearbeitet.jpg".to_vec()];
    assert_eq!(attached(&facts), [], "an editor's");
    facts.images[0].paths.push(b"renamed.jpg".to_vec());
    assert_eq!(attached(&facts), [(1, 1, Method::Bytes)], "one of its names says nothing");
}

#[test]
fn another_time_of_taking_leaves_every_proof_but_a_digest_open() {
    let at = |text| Moment::of(text);
    let by_name = || {
        let mut facts = whole();
        (facts.images[0].paths, facts.images[0].bytes) = (vec![b"IMG_0042.jpg".to_vec()], 5);
        facts
    };
    let by_recipe = || silent(1, 1, vec![made(1, 1, true)]);
    let by_digest = || {
        let mut facts = whole();
        facts.records[0].sha256 = Some(facts.images[0].digest);
        facts
    };
    for (facts, method) in [
        (whole(), Method::Bytes),
        (by_name(), Method::Name),
        (by_recipe(), Method::Recipe),
        (by_digest(), Method::Digest),
    ] {
        let with = |recorded, ours| {
            let mut facts = facts.clone();
            (facts.records[0].taken, facts.images[0].taken) = (at(recorded), at(ours));
            facts
        };
        for near in ["2019-07-14 13:05:31", "2019-07-14 11:05:31", "2019-07-14 13:05:33", "2019-07-14", ""] {
            assert_eq!(attached(&with("2019-07-14 13:05:31", near)), [(1, 1, method)], "{near}");
        }
        let other = with("2019-07-14 13:05:31", "2019-07-14 13:05:36");
        if method == Method::Digest {
            assert_eq!(attached(&other), [(1, 1, method)]);
        } else {
            assert_eq!(attached(&other), [], "{method:?}");
            assert_eq!(for_review(&other), [1], "{method:?}");
            assert!(
                decide(&other, &Tier::ALL)[0].reason.contains("at another time than recorded"),
                "{}",
                decide(&other, &Tier::ALL)[0].reason
            );
        }
    }
}

#[test]
fn the_recorded_time_ranks_what_resembles() {
    let mut facts = silent(1, 3, vec![measured(1, 1, 2.0), measured(2, 1, 2.2), measured(3, 1, 2.4)]);
    assert_eq!(for_review(&facts), [1, 2, 3]);
    facts.records[0].taken = Moment::of("2019-07-14 13:05:31");
    for (image, time) in facts.images.iter_mut().zip(["13:05:41", "11:05:31", "13:05:31"]) {
        image.taken = Moment::of(&format!("2019-07-14 {time}"));
    }
    assert_eq!(for_review(&facts), [3, 2, 1]);
    assert_eq!(attached(&facts), [], "a time is no proof");
    let reasons: Vec<String> = decide(&facts, &Tier::ALL).into_iter().map(|decision| decision.reason).collect();
    assert!(reasons[0].ends_with("it was taken at the recorded time"), "{reasons:?}");
    assert!(reasons[1].ends_with("if that is of another time zone"), "{reasons:?}");
}

#[test]
fn what_nobody_edited_is_shown_before_an_edited_copy_as_close() {
    let mut facts = silent(1, 2, vec![measured(1, 1, 2.2), measured(2, 1, 2.4)]);
    assert_eq!(for_review(&facts), [1, 2]);
    // The nearer one is grey.
    first(&mut facts).colour_deviation = 12.0;
    assert_eq!(for_review(&facts), [2, 1]);
    let reasons: Vec<String> = decide(&facts, &Tier::ALL).into_iter().map(|decision| decision.reason).collect();
    assert!(reasons[0].ends_with("the pixels agree (residual 2.4)"), "{reasons:?}");
    assert!(reasons[1].ends_with("the pixels agree but for colour (residual 2.2)"), "{reasons:?}");
    // What is another picture by its pixels stays behind it.
    *facts.candidates[1].measured[0].residual.as_mut().unwrap() = residual(7.0);
    assert_eq!(for_review(&facts), [1, 2]);
    assert!(decide(&facts, &Tier::ALL)[1].reason.contains("nearly agree"));
}

#[test]
fn a_recorded_length_is_shown_first_unless_something_contradicts_it() {
    let mut facts = whole();
    facts.records[0].filename = None;
    facts.images.push(ImageFacts { bytes: 5, ..image(2) });
    facts.candidates = vec![measured(1, 1, 7.0), measured(2, 1, 2.0)];
    assert_eq!(for_review(&facts), [1, 2]);
    facts.candidates[0] = measured(1, 1, 9.0);
    assert_eq!(for_review(&facts), [2, 1], "by its pixels it is another picture, as long by chance");
}

#[test]
fn what_the_recipe_makes_more_nearly_is_shown_first() {
    let mut facts = silent(1, 2, vec![made(1, 1, false), made(2, 1, false)]);
    let fits: Vec<&mut Fit> = facts.candidates.iter_mut().filter_map(|one| one.measured[0].fit.as_mut()).collect();
    for (fit, hz) in fits.into_iter().zip([0.8, 0.4]) {
        (fit.close, fit.hz) = (true, hz);
    }
    assert_eq!(for_review(&facts), [2, 1]);
    facts.candidates[1].measured[0].fit.as_mut().unwrap().close = false;
    assert_eq!(for_review(&facts), [1, 2], "it makes another thumbnail");
}

#[test]
fn shots_of_two_times_are_two_pictures_however_alike() {
    let mut facts = silent(1, 2, vec![made(1, 1, true), made(2, 1, true)]);
    facts.compared = vec![compared(1, 2, Likeness::Same)];
    facts.images[0].taken = Moment::of("2019-07-14 13:05:31.10");
    assert_eq!(attached(&facts).len(), 1, "a copy may have lost its time");
    facts.images[1].taken = Moment::of("2019-07-14 13:05:31.40");
    assert_eq!(attached(&facts), [], "frames of a burst");
}

#[test]
fn the_length_of_a_short_file_proves_little() {
    let short = |z| {
        let mut facts = whole();
        (facts.records[0].bytes, facts.images[0].bytes) = (Some(10_442), 10_442);
        facts.candidates = vec![measured(1, 1, z)];
        facts
    };
    assert_eq!(attached(&short(1.0)), [(1, 1, Method::Bytes)]);
    assert_eq!(attached(&short(4.0)), []);
    let mut likely = short(20.0);
    first(&mut likely).zncc = 0.97;
    assert_eq!(attached(&likely), [], "likeness is not proof");
    let mut flat = short(0.1);
    first(&mut flat).detail = 1.0;
    assert_eq!(attached(&flat), [], "two pictures of nothing always agree");
}

#[test]
fn a_copy_of_transparent_art_on_another_ground_is_shown() {
    let recorded_as = |name: &str| {
        let mut facts = whole();
        facts.records[0].filename = Some(name.into());
        (facts.images[0].bytes, facts.images[0].paths) = (777, vec![b"logo.jpg".to_vec()]);
        first(&mut facts).z_colour = 99.0;
        first(&mut facts).zncc = -0.5;
        facts
    };
    assert_eq!(for_review(&recorded_as("logo.PNG")), [1]);
    assert!(for_review(&recorded_as("logo.jpg")).is_empty(), "what was never transparent is another picture");
    let mut smaller = recorded_as("logo.png");
    smaller.images[0].size = Some((400, 300));
    assert!(for_review(&smaller).is_empty(), "a name that anything may have is not enough");
}

#[test]
fn the_length_of_an_uncompressed_file_proves_little() {
    let mut facts = whole();
    facts.images[0].storage = Storage::Uncompressed;
    facts.candidates = vec![measured(1, 1, 5.0)];
    assert_eq!(attached(&facts), []);
    assert_eq!(for_review(&facts), [1]);
    facts.candidates = vec![measured(1, 1, 1.0)];
    assert_eq!(attached(&facts), [], "each frame of a burst is as long");
    facts.images[0].paths = vec![b"IMG_0042.JPG".to_vec()];
    assert_eq!(attached(&facts), [(1, 1, Method::Bytes)], "and this one has the recorded name");
}

#[test]
fn a_truncated_file_goes_to_a_person() {
    let mut facts = whole();
    facts.images[0].truncated = true;
    assert_eq!(attached(&facts), []);
    assert_eq!(for_review(&facts), [1]);
}

#[test]
fn two_files_that_claim_to_be_the_one_go_to_a_person() {
    let mut facts = whole();
    facts.images.push(ImageFacts { bytes: 1_000_001, ..image(2) });
    facts.candidates.push(measured(2, 1, 1.0));
    assert_eq!(attached(&facts), []);
    assert_eq!(for_review(&facts).len(), 2);
    facts.images[1].paths = vec![b"old/img_0042.jpg".to_vec()];
    assert_eq!(attached(&facts), [(2, 1, Method::Bytes)], "the recorded name settles it");
}

#[test]
fn another_recorded_digest_refutes_equal_length_and_size() {
    let mut facts = whole();
    facts.records[0].sha256 = Some(Digest::of(b"another"));
    assert_eq!(attached(&facts), []);
}

#[test]
fn a_unique_name_attaches_only_an_unedited_picture() {
    let mut facts = whole();
    facts.images[0].paths = vec![b"Kopie von IMG_0042.jpg".to_vec()];
    facts.images[0].bytes = 5;
    assert_eq!(attached(&facts), [(1, 1, Method::Name)]);
    let mut edited = facts.clone();
    first(&mut edited).colour_deviation = 3.0;
    assert_eq!(attached(&edited), []);
    let mut vivid = facts.clone();
    first(&mut vivid).saturation = 0.8;
    assert_eq!(attached(&vivid), []);
    let mut tampered = facts.clone();
    first(&mut tampered).z_fine = 9.0;
    assert_eq!(attached(&tampered), []);
    let mut twins = facts.clone();
    twins.records.push(RecordFacts { id: RecordId(2), ..facts.records[0].clone() });
    assert_eq!(attached(&twins), [(1, 1, Method::Name)], "a picture that was ordered twice");
    twins.records[1].bytes = Some(6);
    assert_eq!(attached(&twins), [], "a name that two pictures carry informs about neither");
}

#[test]
fn a_name_does_not_overtake_the_recorded_length() {
    let mut facts = whole();
    facts.images[0].paths = vec![b"x.jpg".to_vec()];
    first(&mut facts).z_strict = 20.0;
    first(&mut facts).z_colour = 20.0;
    first(&mut facts).zncc = 0.9;
    facts.images.push(ImageFacts { paths: vec![b"IMG_0042.jpg".to_vec()], ..image(2) });
    facts.candidates.push(measured(2, 1, 1.0));
    assert_eq!(attached(&facts), []);
}

#[test]
fn the_thumbnail_itself_is_not_its_original() {
    let mut facts = whole();
    facts.images[0] =
        ImageFacts { size: Some((200, 150)), bytes: 7, paths: vec![b"IMG_0042.jpg".to_vec()], ..image(1) };
    assert_eq!(attached(&facts), []);
    assert_eq!(for_review(&facts), [1]);
}

#[test]
fn pixels_alone_never_attach() {
    let facts = Facts {
        records: vec![record(1)],
        images: vec![image(1)],
        candidates: vec![measured(1, 1, 0.1)],
        ..Facts::default()
    };
    assert_eq!(attached(&facts), []);
    assert_eq!(for_review(&facts), [1]);
}

#[test]
fn a_person_overrules() {
    let mut facts = whole();
    facts.answers = vec![Answer { image: ImageId(1), record: RecordId(1), accepted: false }];
    assert_eq!(attached(&facts), []);
    assert_eq!(for_review(&facts), Vec::<i64>::new());
    facts.images.push(image(2));
    facts.answers.push(Answer { image: ImageId(2), record: RecordId(1), accepted: true });
    assert_eq!(attached(&facts), [(2, 1, Method::Person)]);
}

#[test]
fn the_better_of_two_copies_is_attached() {
    let mut facts = whole();
    facts.images = vec![
        ImageFacts { size: Some((800, 600)), paths: vec![b"a/IMG_0042.jpg".to_vec()], bytes: 1, ..image(1) },
        ImageFacts { paths: vec![b"b/IMG_0042.jpg".to_vec()], bytes: 2, ..image(2) },
    ];
    facts.candidates.push(measured(2, 1, 1.5));
    let decisions = decide(&facts, &Tier::ALL);
    assert_eq!(attached(&facts), [(2, 1, Method::Name)]);
    assert_eq!(decisions[0].grade, Grade::Original);
    facts.images.pop();
    assert_eq!(decide(&facts, &Tier::ALL)[0].grade, Grade::Copy);
}

/// Small worlds in which everything collides: few lengths, names, sizes and contents.
fn world() -> impl Strategy<Value = Facts> {
    let taken =
        || prop::option::of(0u8..6).prop_map(|at| at.and_then(|at| Moment::of(&format!("2019-07-14 13:05:0{at}"))));
    let records = prop::collection::vec((0u64..3, 0usize..3, 0u8..4, prop::option::of(0u8..6), taken()), 1..4);
    let images = prop::collection::vec((0u8..6, 0u64..3, 0usize..3, 0u8..4, any::<bool>(), 0u8..3, taken()), 1..6);
    let pairs = prop::collection::vec((0i64..6, 0i64..4, 0u16..120, 0u8..120), 0..12);
    let answers = prop::collection::vec((0i64..6, 0i64..4, any::<bool>()), 0..3);
    const SIZES: [(u32, u32); 3] = [(4000, 3000), (3000, 4000), (800, 600)];
    (records, images, pairs, answers).prop_map(|(records, images, pairs, answers)| {
        let named = |name: u8| ["IMG_0001.jpg", "IMG_0002.jpg", "logo.png", "old/img_0001.jpg"][usize::from(name)];
        let mut facts = Facts::default();
        for (at, (bytes, size, name, digest, taken)) in records.into_iter().enumerate() {
            facts.records.push(RecordFacts {
                sha256: digest.filter(|&digest| digest < 3).map(|digest| Digest::of(&[digest])),
                bytes: Some(bytes),
                size: Some(SIZES[size]),
                taken,
                filename: Some(named(name).to_owned()),
                ..record(at as i64)
            });
        }
        for (at, (digest, bytes, size, name, truncated, storage, taken)) in images.into_iter().enumerate() {
            facts.images.push(ImageFacts {
                digest: Digest::of(&[digest]),
                bytes,
                size: Some(SIZES[size]),
                paths: vec![format!("{at}/{}", named(name)).into_bytes()],
                taken,
                truncated: truncated && digest == 5,
                storage: [Storage::Uncompressed, Storage::Lossless, Storage::Lossy][usize::from(storage)],
                ..image(at as i64)
            });
        }
        let mut seen = std::collections::BTreeSet::new();
        for (image, record, distance, z) in pairs {
            if seen.insert((image, record)) {
                let mut pair = measured(image, record, f32::from(z) / 10.0);
                pair.distance = Some(distance);
                facts.candidates.push(pair);
            }
        }
        facts.answers = answers
            .into_iter()
            .map(|(image, record, accepted)| Answer { image: ImageId(image), record: RecordId(record), accepted })
            .collect();
        facts
    })
}

/// What a decision says, without the ids that arrival gave.
type Said = (String, Vec<Vec<u8>>, Verdict, Option<u32>, String);

fn said(facts: &Facts) -> Vec<Said> {
    let image = |id: ImageId| facts.images.iter().find(|image| image.id == id).map(|image| image.paths.clone());
    let record = |id: RecordId| facts.records.iter().find(|r| r.id == id).map(|r| format!("{:?}", (r.bytes, r.size)));
    let mut all: Vec<_> = decide(facts, &Tier::ALL)
        .into_iter()
        .map(|d| {
            let image = image(d.image).unwrap_or_default();
            (record(d.record).unwrap_or_default(), image, d.verdict, d.rank, d.reason)
        })
        .collect();
    all.sort();
    all
}

proptest! {
    #[test]
    fn order_does_not_matter(facts in world(), seed in any::<u64>()) {
        let mut shuffled = facts.clone();
        let turn = |length: usize| if length == 0 { 0 } else { seed as usize % length };
        shuffled.records.rotate_left(turn(facts.records.len()));
        shuffled.images.rotate_left(turn(facts.images.len()));
        shuffled.candidates.reverse();
        shuffled.answers.reverse();
        prop_assert_eq!(decide(&facts, &Tier::ALL), decide(&shuffled, &Tier::ALL));
    }

    #[test]
    fn ids_do_not_matter(facts in world()) {
        let mut renamed = facts.clone();
        let (image, record) = (|id: ImageId| ImageId(100 - id.0), |id: RecordId| RecordId(100 - id.0));
        renamed.images.iter_mut().for_each(|i| i.id = image(i.id));
        renamed.records.iter_mut().for_each(|r| r.id = record(r.id));
        renamed.candidates.iter_mut().for_each(|c| (c.image, c.record) = (image(c.image), record(c.record)));
        renamed.answers.iter_mut().for_each(|a| (a.image, a.record) = (image(a.image), record(a.record)));
        prop_assert_eq!(said(&facts), said(&renamed));
    }

    #[test]
    fn a_record_gets_at_most_one_attachment_and_ranks_count_from_one(facts in world()) {
        let decisions = decide(&facts, &Tier::ALL);
        for record in &facts.records {
            let of = |verdict| decisions.iter().filter(move |d| d.record == record.id && d.verdict == verdict);
            prop_assert!(of(Verdict::Attach).count() <= 1);
            let ranks: Vec<_> = of(Verdict::Review).map(|d| d.rank).collect();
            prop_assert_eq!(&ranks, &(1..=ranks.len() as u32).map(Some).collect::<Vec<_>>());
            prop_assert!(of(Verdict::Attach).count() == 0 || ranks.is_empty());
        }
    }

    #[test]
    fn a_person_is_obeyed(facts in world()) {
        let decisions = decide(&facts, &Tier::ALL);
        for answer in &facts.answers {
            let same = |a: &&Answer| (a.image, a.record) == (answer.image, answer.record);
            let refused = facts.answers.iter().filter(same).any(|a| !a.accepted);
            let known = facts.images.iter().any(|i| i.id == answer.image)
                && facts.records.iter().any(|r| r.id == answer.record);
            let verdict = decisions
                .iter()
                .find(|d| (d.image, d.record) == (answer.image, answer.record))
                .map(|d| d.verdict);
            if known && refused {
                prop_assert_eq!(verdict, Some(Verdict::None));
            } else if known {
                let by_person = decisions
                    .iter()
                    .any(|d| d.record == answer.record && d.verdict == Verdict::Attach && d.method == Method::Person);
                prop_assert!(by_person);
            }
        }
    }

    #[test]
    fn an_unrelated_image_and_record_change_nothing(facts in world()) {
        let mut more = facts.clone();
        more.images.push(ImageFacts { bytes: 999_999, size: Some((77, 55)), ..image(50) });
        let stranger = RecordFacts { bytes: Some(888_888), filename: Some("DSC09999.JPG".into()), ..record(50) };
        more.records.push(stranger);
        prop_assert_eq!(decide(&facts, &Tier::ALL), decide(&more, &Tier::ALL));
    }

    #[test]
    fn two_contents_with_equal_claims_are_never_attached(z in 0.0f32..6.0) {
        let mut facts = whole();
        facts.candidates = vec![measured(1, 1, z), measured(2, 1, z)];
        facts.images.push(ImageFacts { bytes: 1_000_001, ..image(2) });
        prop_assert_eq!(attached(&facts), vec![]);
    }
}
