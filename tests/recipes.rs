//! How the shop made its thumbnails is learned from the pairs that are certain, and proves pairs of which nothing else is
//! known. The thumbnails are made by a real engine, Pillow. Learning looks at many engines, so this is for the optimised
//! build: `cargo test --release --test recipes`, a part of `tests/all --full`.

#[path = "support/mod.rs"]
mod support;

use std::process::Command;

use support::{Shop, fixture, fixtures, sha256};

/// Frames of a series, and cards of a template: those of each look alike at a thumbnail's size.
const SERIES: [&str; 4] = ["card", "dog-run", "regatta", "smile"];

/// Makes a thumbnail of each picture of a folder, as a shop with Pillow does, in this format; in several sizes in turn, where
/// those are given. With a badge, half transparent and of one size for all, a little off the lower right corner, where that
/// is asked for.
const MAKE: &str = r#"
import os, sys
from PIL import Image, ImageDraw
marked, sides = 'marked' in sys.argv, [int(side) for side in sys.argv[4:] if side.isdigit()]
for at, name in enumerate(sorted(os.listdir(sys.argv[1]))):
    picture = Image.open(os.path.join(sys.argv[1], name)).convert('RGB')
    side = sides[at % len(sides)]
    picture.thumbnail((side, side), Image.LANCZOS, reducing_gap=None)
    if marked:
        badge = Image.new('RGBA', (64, 20), (235, 235, 235, 150))
        ImageDraw.Draw(badge).text((8, 4), 'SHOP 24', fill=(60, 60, 60, 255))
        picture.paste(badge, (picture.width - 70, picture.height - 26), badge)
    picture.save(os.path.join(sys.argv[2], name.rsplit('.', 1)[0] + '.' + sys.argv[3]), quality=75)
"#;

/// The photographs among the fixtures' originals: plain JPEG files that lie as they should.
fn photographs() -> Vec<String> {
    let names = fixtures("originals").into_iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    let plain = |name: &String| {
        let bytes = std::fs::read(fixture(&format!("originals/{name}"))).unwrap();
        let header = reunite::decode::read_header(&bytes, &reunite::decode::Limits::default()).unwrap();
        name.ends_with(".jpg") && header.orientation <= 1 && header.width.max(header.height) > 300
    };
    names.filter(plain).collect()
}

#[test]
fn a_learned_recipe_proves_what_nothing_else_can() {
    proves_with_digests_of(|at| at % 2 == 0, ("jpg", &["200"]), "auto");
}

#[test]
fn a_recipe_is_learned_of_lossy_webps_too() {
    proves_with_digests_of(|at| at % 2 == 0, ("webp", &["200"]), "auto");
}

#[test]
fn where_sizes_are_too_many_to_learn_each_the_engine_is_learned() {
    // Of no size are there ten pairs.
    let sides = ["140", "150", "160", "170", "180", "190", "200", "210"];
    proves_with_digests_of(|at| at % 2 == 0, ("jpg", &sides), "auto");
}

#[test]
fn without_any_certain_pair_the_likely_ones_teach() {
    proves_with_digests_of(|_| false, ("jpg", &["200"]), "auto");
}

#[test]
fn what_waits_for_a_person_teaches_as_well() {
    proves_with_digests_of(|at| at % 2 == 0, ("jpg", &["200"]), "propose");
}

#[test]
fn beside_a_mark_a_recipe_proves_as_well() {
    proves_with_digests_of(|at| at % 2 == 0, ("jpg", &["200", "marked"]), "auto");
}

#[test]
fn a_mark_is_learned_without_any_certain_pair() {
    proves_with_digests_of(|_| false, ("jpg", &["200", "marked"]), "auto");
}

/// A shop with thumbnails of this format and these sizes, perhaps marked, that recorded the digests of these of its pictures,
/// frames of series left out, and nothing else; with this `attach.mode`.
fn proves_with_digests_of(recorded: impl Fn(usize) -> bool, (format, sides): (&str, &[&str]), mode: &str) {
    let shop = Shop::new();
    shop.ok(["init"]);
    std::fs::write(shop.data().join("reunite.toml"), format!("[attach]\nmode = \"{mode}\"\n")).unwrap();
    let folder = fixture("originals/harbour.jpg").parent().unwrap().to_owned();
    let mut make = Command::new("/usr/bin/python3");
    let made = make.args(["-c", MAKE]).arg(&folder).arg(shop.thumbs()).arg(format).args(sides).output().unwrap();
    assert!(made.status.success(), "Pillow is needed (python3-pil): {}", String::from_utf8_lossy(&made.stderr));

    let dump = shop.scratch().join("dump");
    std::fs::create_dir(&dump).unwrap();
    let (mut csv, mut silent) = (String::from("record,customer,thumbnail,sha256\n"), Vec::new());
    for (at, name) in photographs().iter().enumerate() {
        let stem = name.split('.').next().unwrap();
        let is_frame = SERIES.iter().any(|series| stem.starts_with(series));
        // Of the frames nothing was recorded, and the first of each was not sent.
        let known = !is_frame && recorded(at);
        let digest = if known { sha256(&fixture(&format!("originals/{name}"))) } else { String::new() };
        csv += &format!("R-{stem},anna,{stem}.{format},{digest}\n");
        if !known {
            silent.push(stem.to_owned());
        }
        if !stem.ends_with("-1") {
            std::fs::copy(folder.join(name), dump.join(format!("{at:03}.jpg"))).unwrap();
        }
    }
    shop.import(&csv);
    shop.ok(["scan", dump.to_str().unwrap(), "--customer", "anna"]);

    let (placed, waits): (Vec<_>, Vec<_>) =
        shop.report("matches").into_iter().partition(|row| row["verdict"] == "attach");
    let waits = waits.into_iter().filter(|row| row["verdict"] == "review" && row["method"] != "pixels").collect();
    let rows: Vec<_> = if mode == "auto" { placed } else { waits };
    for row in &rows {
        let original = fixture(&format!("originals/{}.jpg", &row["record"][2..]));
        assert_eq!(row["sha256"], sha256(&original), "a wrong picture: {row:?}");
    }
    let by_recipe: Vec<_> = rows.iter().filter(|row| row["method"] == "recipe").collect();
    let sent = silent.iter().filter(|stem| !stem.ends_with("-1")).count();
    assert!(by_recipe.len() * 10 >= sent * 8, "{} of {sent} by the recipe: {by_recipe:?}", by_recipe.len());

    // What is known is told.
    assert!(shop.ok(["status"]).contains("recipes    known of "));
    let recipes = shop.report("recipes");
    let is_told = |recipe: &str| {
        recipe.starts_with("Pillow")
            && recipe.ends_with("; a mark at the lower right is left out") == sides.contains(&"marked")
    };
    assert!(recipes.iter().any(|row| is_told(&row["recipe"])), "{recipes:?}");

    // The same again, in one go with all records there, is the same.
    let before = shop.ok(["report", "matches", "--format", "csv", "--stable"]);
    shop.ok(["scan", dump.to_str().unwrap(), "--customer", "anna"]);
    assert_eq!(shop.ok(["report", "matches", "--format", "csv", "--stable"]), before);
}
