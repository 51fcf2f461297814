//! What tier 4 proves and what stands in its way.

use std::collections::BTreeSet;

use super::*;

#[test]
fn the_file_that_makes_the_thumbnail_is_the_picture() {
    assert_eq!(attached(&silent(1, 1, vec![made(1, 1, true)])), [(1, 1, Method::Recipe)]);
    assert_eq!(attached(&silent(1, 1, vec![made(1, 1, false)])), [], "resemblance is no proof");
    let sibling = silent(1, 2, vec![made(1, 1, true), made(2, 1, false)]);
    assert_eq!(attached(&sibling), [(1, 1, Method::Recipe)], "a sibling that does not make it is no rival");
    let mut next_shot = silent(1, 1, vec![made(1, 1, true)]);
    next_shot.records[0].filename = Some("IMG_0042.JPG".into());
    next_shot.images[0].paths = vec![b"IMG_0043.JPG".to_vec()];
    assert_eq!(attached(&next_shot), [], "frames of a film can make one thumbnail");
    let mut truncated = silent(1, 1, vec![made(1, 1, true)]);
    truncated.images[0].truncated = true;
    assert_eq!(attached(&truncated), []);
}

#[test]
fn two_contents_that_make_one_thumbnail_leave_it_open() {
    let mut facts = silent(1, 2, vec![made(1, 1, true), made(2, 1, true)]);
    let keys = (image(1).digest, image(2).digest);
    let asked = ((keys.0.min(keys.1), 1), (keys.0.max(keys.1), 1));
    assert_eq!(attached(&facts), []);
    assert_eq!(rivals(&facts), BTreeSet::from([asked]));
    for likeness in [Likeness::Unknown, Likeness::Different] {
        facts.compared = vec![compared(1, 2, likeness)];
        assert_eq!(attached(&facts), [], "{likeness:?}");
        assert_eq!(rivals(&facts), BTreeSet::new(), "asked once");
    }
    facts.compared = vec![compared(1, 2, Likeness::Same)];
    facts.images[1].size = Some((2000, 1500));
    assert_eq!(attached(&facts), [(1, 1, Method::Recipe)], "of two copies the one with more pixels");
}

#[test]
fn a_file_that_makes_two_records_thumbnails_proves_neither() {
    let mut facts = silent(2, 1, vec![made(1, 1, true), made(1, 2, true)]);
    assert_eq!(attached(&facts), []);
    for record in &mut facts.records {
        (record.bytes, record.filename) = (Some(77), Some("IMG_0042.JPG".into()));
    }
    assert_eq!(
        attached(&facts),
        [(1, 1, Method::Recipe), (1, 2, Method::Recipe)],
        "one picture that was ordered twice"
    );
    let mut facts = silent(2, 1, vec![made(1, 1, true), made(1, 2, false)]);
    assert_eq!(attached(&facts), [(1, 1, Method::Recipe)]);
    facts.candidates[1].measured[0].fit.as_mut().unwrap().alike = true;
    assert_eq!(attached(&facts), [], "of frames of a film that hardly moved it may be the one that nobody knows of");
}

#[test]
fn of_files_that_dispute_the_recorded_length_the_one_that_makes_the_thumbnail_is_meant() {
    let mut facts = whole();
    facts.records[0].filename = None;
    facts.images.push(image(2));
    facts.candidates = vec![made(1, 1, true), measured(2, 1, 2.0)];
    assert_eq!(attached(&facts), [(1, 1, Method::Recipe)]);
    facts.candidates = vec![made(1, 1, true), made(2, 1, true)];
    assert_eq!(attached(&facts), [], "both make it");
    facts.candidates = vec![made(1, 1, false), made(2, 1, true)];
    assert_eq!(attached(&facts), [], "the one that has the recorded length does not make it");
    facts.candidates[0] = measured(1, 1, 40.0);
    assert_eq!(attached(&facts), [(2, 1, Method::Recipe)], "another picture has the recorded length by chance");
    facts.records[0].filename = Some("IMG_0042.JPG".into());
    facts.images[0].paths = vec![b"IMG_0042.jpg".to_vec()];
    assert_eq!(attached(&facts), [], "and the recorded name: the thumbnail may be another's");
}

#[test]
fn of_frames_of_a_film_that_hardly_moved_name_and_size_tell_which() {
    let mut facts = silent(2, 2, vec![made(1, 1, true), made(1, 2, true), made(2, 1, true), made(2, 2, true)]);
    // Too far for tier 3.
    for candidate in &mut facts.candidates {
        candidate.measured[0].residual = Some(residual(3.5));
    }
    for at in 0..2 {
        facts.images[at].paths = vec![format!("IMG_004{at}.JPG").into_bytes()];
        let record = &mut facts.records[at];
        (record.filename, record.size) = (Some(format!("IMG_004{at}.JPG")), Some((4000, 3000)));
    }
    facts.compared = vec![compared(1, 2, Likeness::Different)];
    assert_eq!(attached(&facts), [(1, 1, Method::Recipe), (2, 2, Method::Recipe)]);
    let mut sized_otherwise = facts.clone();
    sized_otherwise.records[0].size = Some((2000, 1500));
    assert_eq!(attached(&sized_otherwise), [(2, 2, Method::Recipe)]);
    let mut unnamed = facts.clone();
    unnamed.images[1].paths = vec![b"upload.jpg".to_vec()];
    assert_eq!(attached(&unnamed), [], "either may be what record 1 lost");
    facts.records[1].filename = None;
    assert_eq!(attached(&facts), [], "either may be what a record without a name lost");
}

#[test]
fn a_name_may_attach_what_agrees_beside_the_mark() {
    let mut facts = whole();
    facts.records[0].bytes = None;
    facts.images[0].paths = vec![b"IMG_0042.jpg".to_vec()];
    let badge = residual(40.0);
    facts.candidates[0].measured[0].residual = Some(badge);
    assert_eq!(attached(&facts), []);
    facts.candidates[0].measured[0].beside = Some(Beside { marks: Vec::new(), residual: Some(residual(1.0)) });
    assert_eq!(attached(&facts), [(1, 1, Method::Name)]);
}

#[test]
fn a_file_that_resembles_a_record_of_unknown_recipe_may_be_that_ones() {
    let mut facts = silent(2, 2, vec![made(1, 1, true), measured(1, 2, 2.0)]);
    assert_eq!(attached(&facts), []);
    facts.candidates[1] = measured(1, 2, 9.0);
    assert_eq!(attached(&facts), [(1, 1, Method::Recipe)], "too far to be its own");
    facts.candidates[1] = measured(1, 2, 2.0);
    facts.records[1].sha256 = Some(facts.images[1].digest);
    assert_eq!(
        attached(&facts),
        [(1, 1, Method::Recipe), (2, 2, Method::Digest)],
        "that one's is another, for certain"
    );
}

#[test]
fn a_copy_beside_the_exact_file_is_no_rival() {
    let mut facts = whole();
    facts.records[0].filename = None;
    facts.images.push(image(2));
    facts.candidates.push(measured(2, 1, 1.0));
    assert_eq!(attached(&facts), []);
    assert_eq!(rivals(&facts).len(), 1);
    facts.compared = vec![compared(1, 2, Likeness::Same)];
    assert_eq!(attached(&facts), [(1, 1, Method::Bytes)]);
    facts.compared = vec![compared(1, 2, Likeness::Different)];
    assert_eq!(attached(&facts), []);
}

#[test]
fn a_tier_that_may_not_attach_hands_over_to_one_that_may_and_proves_the_same() {
    let by_digest_bytes_and_name = || {
        let mut facts = whole();
        facts.records[0].sha256 = Some(facts.images[0].digest);
        facts.images[0].paths = vec![b"IMG_0042.jpg".to_vec()];
        facts
    };
    let method = |tiers: &[Tier]| {
        let decisions = decide(&by_digest_bytes_and_name(), tiers);
        (decisions[0].verdict, decisions[0].method)
    };
    assert_eq!(method(&Tier::ALL), (Verdict::Attach, Method::Digest));
    assert_eq!(method(&[Tier::Name, Tier::Bytes]), (Verdict::Attach, Method::Bytes));
    assert_eq!(method(&[Tier::Name]), (Verdict::Attach, Method::Name));
    // Proven it is, but by nothing that may attach.
    assert_eq!(method(&[Tier::Recipe]), (Verdict::Attach, Method::Digest));
    assert_eq!(method(&[]), (Verdict::Attach, Method::Digest));
}

#[test]
fn what_makes_the_thumbnail_may_be_smaller_than_it_but_not_as_large() {
    let with = |side: u32| {
        let mut facts = silent(1, 1, vec![made(1, 1, true)]);
        facts.images[0].size = Some((side, side));
        attached(&facts).len()
    };
    // The compared part has 150 pixels.
    assert_eq!([100, 120, 130, 150, 180, 200].map(with), [1, 1, 0, 0, 0, 1]);
}

#[test]
fn of_files_that_resemble_the_one_that_makes_the_thumbnail_is_shown_first() {
    let mut facts = silent(1, 2, vec![made(1, 1, true), measured(2, 1, 1.0)]);
    first(&mut facts).z_strict = 2.0;
    // Another record that it makes as well leaves the question open.
    facts.records.push(record(2));
    facts.candidates.push(made(1, 2, true));
    assert_eq!(attached(&facts), []);
    let shown: Vec<_> = decide(&facts, &Tier::ALL).into_iter().filter(|d| d.record == RecordId(1)).collect();
    assert_eq!(shown.iter().find(|d| d.rank == Some(1)).map(|d| d.image), Some(ImageId(1)));
}
