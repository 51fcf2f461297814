//! Learns which engines a shop uses at all, whatever the size and coding of its thumbnails.
//!
//! Some shops have more ways of making thumbnails than any partition has pairs to tell them by: sizes came and went, software
//! was exchanged. What made one of them may still be software that made others. An engine has a name and nothing to be
//! fitted, so that a few pairs which it explains to the rounding, and which nothing else explains, are evidence enough.

use std::collections::{BTreeMap, HashMap};

use super::family::{Recipe, Scaler, Sharpen, engines, sharpenings};
use super::frame::Frame;
use super::learn::{Learned, Measure, PAIRS_MIN, Refusal};
use super::reproduce::{D_NEAR, Fit, HZ_NEAR};
use super::statistic::Excess;

/// An engine has to explain at least so many pairs that no other one explains.
const EXPLAINED_MIN: usize = 3;
/// What an engine leaves unexplained of the luma of what it made, in levels: ImageMagick's and vips' emulations up to .05, the
/// others next to nothing. A wrong kernel may lie within the limit of a copy and leaves more.
const LOSS_MAX: f32 = 0.1;
/// Engines of which each pair that none explains is tried with sharpening: those that leave least.
const SHARPENED: usize = 4;

/// A way of making thumbnails, but for the frame, which each thumbnail shows by itself.
type Way = (Scaler, Sharpen);

/// The engines behind `pairs` thumbnails of any partitions, as recipes of any size ([`Recipe::sized`]), those that explain
/// most first; pairs come in a canonical order.
///
/// # Errors
/// [`Refusal`], when there is no engine to be sure of.
pub fn learn_engines(long_sides_px: &[usize], measure: &mut Measure) -> Result<Vec<Learned>, Refusal> {
    let pairs = long_sides_px.len();
    if pairs < PAIRS_MIN {
        return Err(Refusal::TooFewPairs { pairs });
    }
    let mut table = Table { long_sides_px, rows: vec![HashMap::new(); pairs] };
    let mut left: Vec<usize> = (0..pairs).collect();
    let plain: Vec<Way> = engines().into_iter().map(|scaler| (scaler, Sharpen::None)).collect();
    table.add(&left, &plain, &[Frame::Fit], measure);
    // A picture that fits as a whole has neither margins nor edges that were cut off.
    let framed: Vec<usize> = left.iter().copied().filter(|&pair| table.rows[pair].is_empty()).collect();
    table.add(&framed, &plain, &[Frame::Pad, Frame::CutThenScale, Frame::ScaleThenCut], measure);
    let mut learned = table.covering(&plain, &mut left);
    // What is sharpened is near to what its engine makes without.
    let mut nearest: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for &pair in &left {
        for near in table.nearest(pair, &plain) {
            nearest.entry(near).or_default().push(pair);
        }
    }
    let mut sharpened: Vec<Way> = Vec::new();
    for ((engine, frame), pairs) in nearest {
        let scaler = plain[engine].0;
        let ways: Vec<Way> = sharpenings(scaler).map(|sharpen| (scaler, sharpen)).collect();
        table.add(&pairs, &ways, &[Frame::ALL[frame]], measure);
        if !sharpened.contains(&ways[0]) {
            sharpened.extend(ways);
        }
    }
    learned.extend(table.covering(&sharpened, &mut left));
    if learned.is_empty() {
        return Err(Refusal::NothingFits { explained: pairs - left.len(), pairs });
    }
    Ok(learned)
}

/// For each pair, what the ways that were tried on it leave unexplained, each in the frame in which that is least.
struct Table<'a> {
    long_sides_px: &'a [usize],
    rows: Vec<HashMap<Way, (usize, Excess)>>,
}

impl Table<'_> {
    /// Tries ways on pairs.
    fn add(&mut self, pairs: &[usize], ways: &[Way], frames: &[Frame], measure: &mut Measure) {
        let of_way = |&(scaler, sharpen): &Way| frames.iter().map(move |&frame| (scaler, sharpen, frame));
        let tried: Vec<_> = ways.iter().flat_map(of_way).collect();
        let recipe = |&(scaler, sharpen, frame): &_| Recipe { frame, sharpen, ..Recipe::plain(0, scaler) };
        let measured = measure(pairs, &tried.iter().map(recipe).collect::<Vec<_>>());
        for (&pair, excesses) in pairs.iter().zip(measured) {
            for (&(scaler, sharpen, frame), excess) in tried.iter().zip(excesses) {
                let Some(excess) = excess else { continue };
                let known = self.rows[pair].get(&(scaler, sharpen)).map(|(_, known)| known.loss);
                if known.is_none_or(|known| excess.loss < known) {
                    let frame = Frame::ALL.iter().position(|one| *one == frame).unwrap_or_default();
                    self.rows[pair].insert((scaler, sharpen), (frame, excess));
                }
            }
        }
    }

    /// What a way leaves of a pair that it explains, and the frame.
    fn explained(&self, pair: usize, way: Way) -> Option<(usize, Excess)> {
        let long_side_px = self.long_sides_px[pair];
        let best = self.rows[pair].get(&way)?;
        let is_within = Fit::error(&best.1, long_side_px) <= Fit::limit(long_side_px);
        (is_within && best.1.loss <= LOSS_MAX).then_some(*best)
    }

    /// The ways, by number, that leave least of a pair, with their frames.
    fn nearest(&self, pair: usize, ways: &[Way]) -> Vec<(usize, usize)> {
        let tried = ways.iter().enumerate().filter_map(|(at, way)| Some((at, *self.rows[pair].get(way)?)));
        let mut tried: Vec<(usize, (usize, Excess))> = tried.collect();
        tried.sort_by(|(a, (_, left)), (b, (_, right))| left.loss.total_cmp(&right.loss).then(a.cmp(b)));
        tried.into_iter().take(SHARPENED).map(|(at, (frame, _))| (at, frame)).collect()
    }

    /// Of these ways the one that explains most of the pairs that are `left`, then the one that explains most of the
    /// others, and so on while it is worth it. What is explained is left no longer.
    fn covering(&self, ways: &[Way], left: &mut Vec<usize>) -> Vec<Learned> {
        let mut learned = Vec::new();
        loop {
            // By how many pairs, then by how well; of equals the one that is tried first.
            let weight = |way: &Way| {
                let losses = left.iter().filter_map(|&pair| self.explained(pair, *way)).map(|(_, excess)| excess.loss);
                losses.fold((0, 0.0), |(count, sum), loss| (count + 1, sum + loss))
            };
            let weights: Vec<(usize, f32)> = ways.iter().map(weight).collect();
            let better = |&a: &usize, &b: &usize| {
                weights[a].0.cmp(&weights[b].0).then(weights[b].1.total_cmp(&weights[a].1)).then(b.cmp(&a))
            };
            let best = (0..ways.len()).max_by(better).filter(|&way| weights[way].0 >= EXPLAINED_MIN);
            let Some(way) = best.map(|way| ways[way]) else { return learned };
            for (at, &frame) in Frame::ALL.iter().enumerate() {
                let explained = left.iter().filter_map(|&pair| self.explained(pair, way));
                let losses: Vec<f32> =
                    explained.filter(|(frame, _)| *frame == at).map(|(_, excess)| excess.loss).collect();
                if !losses.is_empty() {
                    learned.push(Learned {
                        recipe: Recipe { frame, sharpen: way.1, ..Recipe::plain(0, way.0) },
                        pairs: self.long_sides_px.len() as u32,
                        explained: losses.len() as u32,
                        loss: losses.iter().sum::<f32>() / losses.len() as f32,
                        d_max: D_NEAR,
                        hz_max: HZ_NEAR,
                    });
                }
            }
            left.retain(|&pair| self.explained(pair, way).is_none());
        }
    }
}
