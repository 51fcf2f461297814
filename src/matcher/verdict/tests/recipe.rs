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
    facts.candidates[1].measured[0].fit.as_mut().unwrap().d = 0.6;
    assert_eq!(attached(&facts), [(1, 1, Method::Recipe)], "what makes one wholly would make its own as well");
    facts.candidates[0].measured[0].fit.as_mut().unwrap().d = 0.02;
    assert_eq!(attached(&facts), [], "a copy may be of either");
}

#[test]
fn of_files_that_dispute_the_recorded_length_the_one_that_makes_the_thumbnail_is_meant() {
    let mut facts = whole();
    facts.records[0].filename = None;
    facts.images.push(image(2));
    facts.candidates = vec![made(1, 1, true), measured(2, 1, 2.0)];
    assert_eq!(attached(&facts), [(1, 1, Method::Recipe)]);
    facts.candidates = vec![made(1, 1, true), made(2, 1, true)];
    assert_eq!(attached(&facts), [(1, 1, Method::Recipe)], "both make it, and one has the recorded length");
    let mut uncompressed = facts.clone();
    uncompressed.images.iter_mut().for_each(|image| image.storage = Storage::Uncompressed);
    assert_eq!(attached(&uncompressed), [], "which says nothing where all are as long");
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

/// A pair that the recipe makes as closely as from a copy that has lost much, which proves nothing alone.
fn close(image: i64, record: i64) -> CandidateFacts {
    let mut candidate = made(image, record, false);
    candidate.measured[0].fit = candidate.measured[0].fit.map(|fit| Fit { d: 2.0, hz: 1.0, close: true, ..fit });
    // Too far for tier 3.
    candidate.measured[0].residual = Some(residual(3.5));
    candidate
}

/// One record with this name and image 1 under another, of the recorded size, close to its thumbnail.
fn named(recorded: &str, sent: &str) -> Facts {
    let mut facts = silent(1, 1, vec![close(1, 1)]);
    (facts.records[0].filename, facts.records[0].size) = (Some(recorded.into()), Some((4000, 3000)));
    facts.images[0].paths = vec![sent.as_bytes().to_vec()];
    facts
}

#[test]
fn a_copy_that_lost_much_is_proven_with_its_recorded_name() {
    let facts = named("IMG_0042.JPG", "Kopie von IMG_0042.jpg");
    assert_eq!(attached(&facts), [(1, 1, Method::Recipe)]);
    assert_eq!(attached(&named("IMG_0042.JPG", "upload.jpg")), [], "alone it proves nothing");
    assert_eq!(attached(&named("IMG_0042.JPG", "IMG_0042-edited.jpg")), []);
    let changed = |change: fn(&mut Facts)| {
        let mut facts = facts.clone();
        change(&mut facts);
        attached(&facts)
    };
    assert_eq!(changed(|facts| facts.images[0].size = Some((2000, 1500))), [(1, 1, Method::Recipe)], "a smaller one");
    assert_eq!(changed(|facts| facts.images[0].size = Some((2000, 1000))), [], "another cut");
    assert_eq!(changed(|facts| facts.images[0].size = Some((200, 150))), [], "it may be the thumbnail");
    assert_eq!(changed(|facts| facts.images[0].truncated = true), []);
    let edited = |facts: &mut Facts| {
        let fit = facts.candidates[0].measured[0].fit.as_mut().unwrap();
        (fit.tone, fit.close) = (Some(2.0), false);
    };
    assert_eq!(changed(edited), [], "its tone was changed");
    let rival = |facts: &mut Facts| {
        facts.images.push(image(2));
        facts.candidates.push(made(2, 1, true));
    };
    assert_eq!(changed(rival), [(2, 1, Method::Recipe)], "another file makes the very thumbnail");
    let another_shot = |facts: &mut Facts| {
        facts.images.push(ImageFacts { paths: vec![b"IMG_0043.JPG".to_vec()], ..image(2) });
        facts.candidates.push(made(2, 1, true));
    };
    assert_eq!(changed(another_shot), [(1, 1, Method::Recipe)], "and its name says another shot");
    let whole = |facts: &mut Facts| {
        facts.records[0].bytes = Some(1_000_002);
        facts.images.push(image(2));
        facts.candidates.push(measured(2, 1, 3.5));
    };
    assert_ne!(changed(whole), [(1, 1, Method::Recipe)], "another file has the recorded length and size");
}

#[test]
fn an_empty_page_is_known_by_its_name_and_size() {
    let mut facts = named("20220625_112891.png", "20220625_112891.png");
    let measured = &mut facts.candidates[0].measured[0];
    measured.residual.as_mut().unwrap().detail = 0.0;
    measured.fit.as_mut().unwrap().detail = 0.0;
    assert_eq!(attached(&facts), [(1, 1, Method::Recipe)]);
    facts.images[0].size = Some((2000, 1500));
    assert_eq!(attached(&facts), [], "of another size it may be another page");
}

#[test]
fn a_plain_name_needs_a_closer_copy_and_must_be_the_only_one() {
    let facts = named("logo.png", "logo.jpg");
    assert_eq!(attached(&facts), [(1, 1, Method::Recipe)]);
    let mut farther = facts.clone();
    farther.candidates[0].measured[0].fit.as_mut().unwrap().d = 4.0;
    assert_eq!(attached(&farther), []);
    let mut unsized_record = facts.clone();
    unsized_record.records[0].size = None;
    assert_eq!(attached(&unsized_record), []);
    let mut flat = facts.clone();
    flat.candidates[0].measured[0].residual.as_mut().unwrap().detail = 5.0;
    flat.candidates[0].measured[0].fit.as_mut().unwrap().detail = 5.0;
    assert_eq!(attached(&flat), []);
    let mut twice = facts;
    twice.records.push(RecordFacts { filename: Some("logo.png".into()), ..record(2) });
    assert_eq!(attached(&twice), []);
}

#[test]
fn frames_that_hardly_differ_are_told_apart_by_recorded_lengths() {
    let mut facts = silent(2, 1, vec![made(1, 1, true), made(1, 2, true)]);
    for (record, bytes) in facts.records.iter_mut().zip([1_000_001, 1_000_077]) {
        (record.bytes, record.size) = (Some(bytes), Some((4000, 3000)));
    }
    let first = |facts: &Facts| attached(facts).contains(&(1, 1, Method::Recipe));
    // The pixels leave tier 2 in doubt.
    facts.candidates.iter_mut().for_each(|one| one.measured[0].residual = Some(residual(9.0)));
    assert!(first(&facts));
    facts.records[1].bytes = None;
    assert!(!first(&facts), "the other may have lost it");
}

#[test]
fn a_picture_that_was_ordered_twice_is_put_on_both_records_whose_thumbnails_it_makes() {
    let mut facts = silent(2, 1, vec![made(1, 1, true), made(1, 2, true)]);
    assert_eq!(attached(&facts), []);
    let name = |facts: &mut Facts, name: &str| {
        facts.records.iter_mut().for_each(|record| record.filename = Some(name.to_owned()));
    };
    name(&mut facts, "IMG_0042.JPG");
    assert_eq!(attached(&facts), [(1, 1, Method::Recipe), (1, 2, Method::Recipe)]);
    name(&mut facts, "logo.png");
    assert_eq!(attached(&facts), [], "a name that many pictures have");
    facts.records.iter_mut().for_each(|record| record.size = Some((4000, 3000)));
    assert_eq!(attached(&facts), [(1, 1, Method::Recipe), (1, 2, Method::Recipe)], "and the size");
    facts.records[1].bytes = Some(7);
    facts.records[0].bytes = Some(8);
    assert_eq!(attached(&facts), [], "of two lengths they are two pictures");
}

#[test]
fn where_siblings_are_about_a_copy_proves_nothing_and_an_original_does() {
    let as_a_copy = |image, record| {
        let mut candidate = made(image, record, true);
        candidate.measured[0].fit.as_mut().unwrap().hz = 0.17;
        candidate
    };
    let alone = silent(2, 2, vec![as_a_copy(1, 1), measured(2, 1, 40.0), measured(1, 2, 40.0)]);
    assert_eq!(attached(&alone), [(1, 1, Method::Recipe)]);
    let siblings = |of: [CandidateFacts; 2]| silent(2, 2, of.into());
    let of_the_record = measured(2, 1, 9.0);
    let of_the_file = measured(1, 2, 9.0);
    assert_eq!(
        attached(&siblings([as_a_copy(1, 1), of_the_record.clone()])),
        [],
        "the right frame may not have been sent"
    );
    assert_eq!(attached(&siblings([as_a_copy(1, 1), of_the_file.clone()])), [], "it may be another record's frame");
    for sibling in [of_the_record, of_the_file] {
        let mut facts = siblings([made(1, 1, true), sibling.clone()]);
        assert_eq!(attached(&facts), [(1, 1, Method::Recipe)], "as an original makes it");
        facts.candidates[0] = as_a_copy(1, 1);
        (facts.records[0].filename, facts.records[0].size) = (Some("IMG_0042.JPG".into()), Some((4000, 3000)));
        facts.images[0].paths = vec![b"IMG_0042.JPG".to_vec()];
        assert_eq!(attached(&facts), [(1, 1, Method::Recipe)], "by its name it is this one");
    }
}

#[test]
fn a_copy_may_be_of_the_record_whose_thumbnail_it_only_comes_close_to() {
    let as_a_copy = |d| {
        let mut candidate = made(1, 1, true);
        candidate.measured[0].fit.as_mut().unwrap().d = d;
        candidate
    };
    let beside = |of: CandidateFacts| silent(2, 1, vec![of, close(1, 2)]);
    assert_eq!(attached(&beside(as_a_copy(0.03))), []);
    assert_eq!(attached(&beside(as_a_copy(0.0))), [(1, 1, Method::Recipe)], "the very pixels of an original");
    assert_eq!(attached(&silent(2, 1, vec![as_a_copy(0.03)])), [(1, 1, Method::Recipe)], "of no other record");
    let mut named = beside(as_a_copy(0.03));
    (named.records[0].filename, named.records[0].size) = (Some("logo.png".into()), Some((4000, 3000)));
    named.images[0].paths = vec![b"logo.jpg".to_vec()];
    assert_eq!(attached(&named), [(1, 1, Method::Recipe)], "the recorded name and size");
}

#[test]
fn of_two_copies_the_one_that_proves_it_is_attached() {
    // Image 1 comes first by its digest or image 2 does; in each case one of them makes the thumbnail as copies do.
    for lossy in [1, 2] {
        let mut facts = silent(2, 2, vec![made(1, 1, true), made(2, 1, true), measured(1, 2, 9.0)]);
        facts.candidates[lossy - 1].measured[0].fit.as_mut().unwrap().hz = 0.17;
        facts.candidates.push(measured(2, 2, 9.0));
        facts.compared = vec![compared(1, 2, Likeness::Same)];
        let exact = 3 - lossy as i64;
        assert_eq!(attached(&facts), [(exact, 1, Method::Recipe)]);
    }
}

#[test]
fn a_file_whose_tone_was_changed_is_no_copy_however_near_it_comes() {
    let mut facts = silent(1, 1, vec![made(1, 1, true)]);
    assert_eq!(attached(&facts), [(1, 1, Method::Recipe)]);
    let measured = &mut facts.candidates[0].measured[0];
    let fit = measured.fit.as_mut().unwrap();
    (fit.d, fit.tone, fit.close) = (2.9, Some(0.8), false);
    measured.residual.as_mut().unwrap().contrast = 1.09;
    assert_eq!(attached(&facts), []);
    assert_eq!(for_review(&facts), [1]);
    let mut coarse = facts.clone();
    coarse.candidates[0].measured[0].residual.as_mut().unwrap().contrast = 1.0;
    assert_eq!(attached(&coarse), [(1, 1, Method::Recipe)], "its colours are as they were, only few of them are left");
    facts.candidates[0].measured[0].fit.as_mut().unwrap().d = 0.0;
    assert_eq!(attached(&facts), [(1, 1, Method::Recipe)], "nothing is left that an edit could have done");
}
