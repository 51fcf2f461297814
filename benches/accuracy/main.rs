//! Measures the pure rule on cases, without a server: decode, fingerprint, candidates, verification, verdict.
//!
//!     cargo bench --bench accuracy -- CASE... [--reuse | --candidates]
//!
//! A case is a folder with `records.csv` (columns `record_id, customer, filename, width, height, bytes, sha256, thumb`,
//! blank where unknown; `thumb` is a path in the folder) and `uploads/CUSTOMER/...`. For each case it writes
//! `matches.csv` (`record, path, verdict, rank` and the evidence) beside them, ready for a scorer, and `pairs.csv` with
//! every measured pair. `--reuse` decides again from the measurements of the run before, for work on the rule alone.
//!
//! Where the case also has `truth.csv` and `best.csv`, it says first how many recoverable records have a right upload among
//! the pairs to measure, and lists the others; `--candidates` stops there.

mod candidates;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rayon::prelude::*;
use reunite::decode::{Limits, Scale, decode};
use reunite::domain::{Digest, ImageId, RecordId, Verdict};
use reunite::fingerprint::{Fingerprint, SKETCH_PX, Views, of_thumbnail, of_upload};
use reunite::identify::Kind;
use reunite::matcher::facts::{CandidateFacts, Facts, ImageFacts, Measured, RecordFacts, Storage};
use reunite::matcher::index::{Entry, Index, NEAREST_MAX, RADIUS};
use reunite::matcher::metadata::Register;
use reunite::matcher::verdict::{Decision, Tier, decide};
use reunite::matcher::verify::{Coding, MASTER_SIDE, Master, Residual, Thumbnail, Verifier};
use serde::{Deserialize, Serialize};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Result<()> {
    let (mut cases, mut reuse, mut candidates_only) = (Vec::new(), false, false);
    for argument in std::env::args().skip(1) {
        match argument.as_str() {
            "--reuse" => reuse = true,
            "--candidates" => candidates_only = true,
            "--bench" => {} // cargo adds it
            case => cases.push(PathBuf::from(case)),
        }
    }
    if cases.is_empty() {
        println!(
            "no case given, nothing measured; usage: cargo bench --bench accuracy -- CASE... [--reuse | --candidates]"
        );
    }
    for case in &cases {
        if candidates_only {
            propose_case(case)?;
        } else {
            run(case, reuse)?;
        }
    }
    Ok(())
}

/// Measures (or reads the measurements of) one case, decides, and writes what a scorer reads.
fn run(case: &Path, reuse: bool) -> Result<()> {
    let started = Instant::now();
    let kept = case.join("measured.json");
    let customers: Vec<Customer> = if reuse {
        serde_json::from_slice(&fs::read(&kept)?)?
    } else {
        let proposed = propose_case(case)?;
        let customers: Vec<Customer> = proposed.into_iter().map(|proposed| measure(case, proposed)).collect();
        fs::write(&kept, serde_json::to_vec(&customers)?)?;
        customers
    };
    let measured_s = started.elapsed().as_secs_f64();
    let mut matches = csv::Writer::from_path(case.join("matches.csv"))?;
    matches.write_record(["record", "path", "verdict", "rank", "method", "grade", "residual", "margin", "reason"])?;
    let mut pairs = csv::Writer::from_path(case.join("pairs.csv"))?;
    pairs.write_record([
        "record",
        "path",
        "distance",
        "z_strict",
        "z_colour",
        "z_fine",
        "chroma",
        "zncc",
        "colour_deviation",
        "saturation",
        "contrast",
        "shift",
        "rms",
        "detail",
        "side",
        "frame",
        "turn",
        "rendering",
    ])?;
    let (mut attached, mut review) = (0, 0);
    for customer in &customers {
        let facts = customer.facts();
        for decision in decide(&facts, &Tier::ALL).iter().filter(|decision| decision.verdict != Verdict::None) {
            attached += usize::from(decision.verdict == Verdict::Attach);
            review += usize::from(decision.verdict == Verdict::Review);
            write_match(&mut matches, customer, decision)?;
        }
        for pair in &customer.pairs {
            write_pair(&mut pairs, customer, pair)?;
        }
    }
    matches.flush()?;
    pairs.flush()?;
    let total: usize = customers.iter().map(|customer| customer.pairs.len()).sum();
    println!(
        "{}: {total} pairs measured in {measured_s:.1} s; {attached} attached, {review} for review",
        case.display()
    );
    Ok(())
}

/// One customer's records, images and measurements.
#[derive(Serialize, Deserialize)]
struct Customer {
    records: Vec<Record>,
    images: Vec<Image>,
    pairs: Vec<Pair>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Record {
    record_id: String,
    customer: String,
    filename: String,
    width: Option<u32>,
    height: Option<u32>,
    bytes: Option<u64>,
    sha256: Option<String>,
    thumb: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Image {
    digest: String,
    bytes: u64,
    size: Option<(u32, u32)>,
    paths: Vec<String>,
    truncated: bool,
    storage: Storage,
}

#[derive(Serialize, Deserialize)]
struct Pair {
    image: usize,
    record: usize,
    distance: Option<u16>,
    residual: Option<Residual>,
}

impl Customer {
    fn records(&self) -> Vec<RecordFacts> {
        let records = self.records.iter().enumerate();
        records
            .map(|(at, record)| RecordFacts {
                id: RecordId(at as i64),
                sha256: record.sha256.as_ref().and_then(|digest| digest.parse().ok()),
                md5: None,
                etag: None,
                bytes: record.bytes,
                size: record.width.zip(record.height),
                taken: None,
                filename: Some(record.filename.clone()).filter(|name| !name.is_empty()),
            })
            .collect()
    }

    fn images(&self) -> Result<Vec<ImageFacts>> {
        let images = self.images.iter().enumerate();
        images
            .map(|(at, image)| {
                Ok(ImageFacts {
                    id: ImageId(at as i64),
                    digest: image.digest.parse()?,
                    md5: None,
                    etags: Vec::new(),
                    bytes: image.bytes,
                    page: 1,
                    size: image.size,
                    taken: None,
                    paths: image.paths.iter().map(|path| path.clone().into_bytes()).collect(),
                    truncated: image.truncated,
                    storage: image.storage,
                })
            })
            .collect()
    }

    fn facts(&self) -> Facts {
        let candidates = self.pairs.iter().map(|pair| CandidateFacts {
            image: ImageId(pair.image as i64),
            record: RecordId(pair.record as i64),
            distance: pair.distance,
            measured: vec![Measured {
                thumbnail: Digest::of(&pair.record.to_be_bytes()),
                residual: pair.residual,
                known: 0,
                fit: None,
                beside: None,
            }],
        });
        Facts {
            records: self.records(),
            images: self.images().unwrap_or_default(),
            candidates: candidates.collect(),
            answers: Vec::new(),
            compared: Vec::new(),
        }
    }
}

/// One customer's records and images, and the pairs of them (image, record) that are worth measuring, with their
/// distance where the fingerprint brought them near.
struct Proposed {
    name: String,
    customer: Customer,
    views: Vec<Option<Views>>,
    thumbnails: Vec<Option<(Vec<Fingerprint>, Thumbnail)>>,
    wanted: BTreeMap<(usize, usize), Option<u16>>,
}

/// The candidates of one case, and what is right among them where the case tells.
fn propose_case(case: &Path) -> Result<Vec<Proposed>> {
    let mut by_customer: BTreeMap<String, Vec<Record>> = BTreeMap::new();
    for record in csv::Reader::from_path(case.join("records.csv"))?.deserialize() {
        let record: Record = record?;
        by_customer.entry(record.customer.clone()).or_default().push(record);
    }
    let proposed = by_customer.into_iter().map(|(name, records)| propose(case, name, records));
    let proposed = proposed.collect::<Result<Vec<_>>>()?;
    if case.join("truth.csv").exists() {
        candidates::print_recall(case, &proposed)?;
    }
    Ok(proposed)
}

/// Reads everything of one customer and proposes pairs: near by fingerprint, or agreeing by metadata.
fn propose(case: &Path, name: String, records: Vec<Record>) -> Result<Proposed> {
    let root = case.join("uploads").join(&name);
    let mut files = Vec::new();
    if root.is_dir() {
        walk(&root, &mut files)?;
    }
    files.sort();
    let read: Vec<(Image, Option<Views>)> =
        files.par_iter().map(|file| read_upload(&root, file)).collect::<Result<_>>()?;
    let mut images: Vec<(Image, Option<Views>)> = Vec::new();
    for (image, views) in read {
        match images.iter_mut().find(|(known, _)| known.digest == image.digest) {
            Some((known, _)) => known.paths.extend(image.paths),
            None => images.push((image, views)),
        }
    }
    let thumbnails: Vec<Option<(Vec<Fingerprint>, Thumbnail)>> =
        records.par_iter().map(|record| read_thumbnail(&case.join(&record.thumb))).collect::<Result<_>>()?;

    let (images, views): (Vec<Image>, Vec<_>) = images.into_iter().unzip();
    let customer = Customer { records, images, pairs: Vec::new() };
    let entries = thumbnails.iter().enumerate().flat_map(|(at, thumbnail)| {
        let name = &customer.records[at].record_id;
        let fingerprints = thumbnail.iter().flat_map(|(fingerprints, _)| fingerprints);
        fingerprints.map(move |&fingerprint| Entry { name, record: RecordId(at as i64), fingerprint })
    });
    let index = Index::new(entries);
    let mut wanted = BTreeMap::new();
    for (image, views) in views.iter().enumerate() {
        let near = views.as_ref().map(|views| index.nearest(views, RADIUS, NEAREST_MAX));
        for near in near.into_iter().flatten() {
            wanted.insert((image, near.record.0 as usize), Some(near.distance));
        }
    }
    let records = customer.records();
    let register = Register::of(&records);
    for image in customer.images()? {
        for record in register.agreeing(&records, &image) {
            wanted.entry((image.id.0 as usize, record.0 as usize)).or_insert(None);
        }
    }
    Ok(Proposed { name, customer, views, thumbnails, wanted })
}

/// Measures the proposed pairs, each upload decoded once.
fn measure(case: &Path, proposed: Proposed) -> Customer {
    let Proposed { name, mut customer, thumbnails, wanted, .. } = proposed;
    let root = case.join("uploads").join(name);
    let wanted: Vec<((usize, usize), Option<u16>)> = wanted.into_iter().collect();
    let of_images: Vec<_> = wanted.chunk_by(|((one, _), _), ((other, _), _)| one == other).collect();
    let pairs = of_images.par_iter().flat_map_iter(|of_image| {
        let ((image, _), _) = of_image[0];
        let master = read_master(&root.join(&customer.images[image].paths[0]));
        let verifier = master.as_ref().map(Verifier::new);
        let pairs = of_image.iter().map(|&((image, record), distance)| {
            let residual = verifier.as_ref().zip(thumbnails[record].as_ref());
            let residual = residual.and_then(|(verifier, (_, thumbnail))| verifier.residual(thumbnail));
            Pair { image, record, distance, residual }
        });
        pairs.collect::<Vec<_>>()
    });
    customer.pairs = pairs.collect();
    customer
}

/// An upload as a decode child examines it.
fn read_upload(root: &Path, file: &Path) -> Result<(Image, Option<Views>)> {
    let bytes = fs::read(file)?;
    let decoded = decode(&bytes, Scale::Sketch(SKETCH_PX), &Limits::default()).ok();
    let image = Image {
        digest: Digest::of(&bytes).to_string(),
        bytes: bytes.len() as u64,
        size: decoded.as_ref().map(|decoded| decoded.header.upright_size()),
        paths: vec![file.strip_prefix(root)?.to_string_lossy().into_owned()],
        truncated: decoded.as_ref().is_some_and(|decoded| decoded.header.truncated),
        storage: Storage::of(Kind::of(&bytes), decoded.as_ref().is_some_and(|decoded| decoded.header.compressed)),
    };
    Ok((image, decoded.map(|decoded| of_upload(&decoded.renderings))))
}

fn read_master(file: &Path) -> Option<Master> {
    let decoded = decode(&fs::read(file).ok()?, Scale::AtLeast(MASTER_SIDE), &Limits::default()).ok()?;
    Some(Master::new(&decoded.renderings, decoded.header.upright_size()))
}

fn read_thumbnail(file: &Path) -> Result<Option<(Vec<Fingerprint>, Thumbnail)>> {
    let bytes = fs::read(file)?;
    let decoded = decode(&bytes, Scale::Full, &Limits::default()).ok();
    Ok(decoded.and_then(|decoded| {
        let pixels = decoded.renderings.first()?;
        Some((of_thumbnail(pixels), Thumbnail::new(pixels, Coding::of(&bytes))))
    }))
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn write_match(out: &mut csv::Writer<fs::File>, customer: &Customer, decision: &Decision) -> Result<()> {
    let number = |value: Option<f32>| value.map(|value| format!("{value:.3}")).unwrap_or_default();
    let image = &customer.images[decision.image.0 as usize];
    out.write_record([
        &customer.records[decision.record.0 as usize].record_id,
        image.paths.iter().min().ok_or("an image without a path")?,
        decision.verdict.word(),
        &decision.rank.map(|rank| rank.to_string()).unwrap_or_default(),
        decision.method.word(),
        decision.grade.word(),
        &number(decision.residual),
        &number(decision.margin),
        &decision.reason,
    ])?;
    Ok(())
}

fn write_pair(out: &mut csv::Writer<fs::File>, customer: &Customer, pair: &Pair) -> Result<()> {
    let record = &customer.records[pair.record].record_id;
    let path = &customer.images[pair.image].paths[0];
    let distance = pair.distance.map(|distance| distance.to_string()).unwrap_or_default();
    let mut row = vec![record.clone(), path.clone(), distance];
    if let Some(r) = &pair.residual {
        let numbers = [
            r.z_strict,
            r.z_colour,
            r.z_fine,
            r.chroma,
            r.zncc,
            r.colour_deviation,
            r.saturation,
            r.contrast,
            r.shift,
            r.rms,
            r.detail,
        ];
        row.extend(numbers.iter().map(|number| format!("{number:.4}")));
        row.extend([r.side.to_string(), format!("{:?}", r.frame), r.turn.to_string(), r.rendering.to_string()]);
    } else {
        row.resize(18, String::new());
    }
    Ok(out.write_record(row)?)
}
