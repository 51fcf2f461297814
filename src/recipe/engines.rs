//! Learns which engines a shop uses at all, whatever the size and coding of its thumbnails.
//!
//! Some shops have more ways of making thumbnails than any partition has pairs to tell them by: sizes came and went, software
//! was exchanged. What made one of them may still be software that made others. An engine has a name and nothing to be
//! fitted, so that a few pairs which it explains to the rounding, and which nothing else explains, are evidence enough.

use super::family::{Recipe, Scaler, Sharpen, engines, sharpenings};
use super::frame::Frame;
use super::learn::{Learned, Measure, PAIRS_MIN, Refusal};
use super::reproduce::{D_NEAR, Fit, HZ_NEAR};
use super::statistic::Excess;

/// An engine has to explain at least so many pairs that no other one explains.
const EXPLAINED_MIN: usize = 3;

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
    let mut left: Vec<usize> = (0..pairs).collect();
    let plain: Vec<Way> = engines().into_iter().map(|scaler| (scaler, Sharpen::None)).collect();
    let mut learned = covering(&plain, &mut left, long_sides_px, measure);
    // Sharpening follows an engine that was seen without it, or any, where none was.
    let seen: Vec<Scaler> = learned.iter().map(|one| one.recipe.scaler).collect();
    let sharpened: Vec<Way> = engines()
        .into_iter()
        .filter(|scaler| seen.is_empty() || seen.contains(scaler))
        .flat_map(|scaler| sharpenings(scaler).map(move |sharpen| (scaler, sharpen)))
        .collect();
    learned.extend(covering(&sharpened, &mut left, long_sides_px, measure));
    if learned.is_empty() {
        return Err(Refusal::NothingFits { explained: pairs - left.len(), pairs });
    }
    Ok(learned)
}

/// Of these ways the one that explains most of the pairs that are `left`, then the one that explains most of the others,
/// and so on while it is worth it. What is explained is left no longer.
fn covering(ways: &[Way], left: &mut Vec<usize>, long_sides_px: &[usize], measure: &mut Measure) -> Vec<Learned> {
    let framed =
        |&(scaler, sharpen): &Way| Frame::ALL.map(|frame| Recipe { frame, sharpen, ..Recipe::plain(0, scaler) });
    let recipes: Vec<Recipe> = ways.iter().flat_map(framed).collect();
    let measured = measure(left, &recipes);
    // For each pair and way, the frame in which it explains the pair best, if it does.
    let explained = |row: usize, way: usize| -> Option<(usize, Excess)> {
        let long_side_px = long_sides_px[left[row]];
        let frames =
            (0..Frame::ALL.len()).filter_map(|frame| Some((frame, measured[row][way * Frame::ALL.len() + frame]?)));
        let best =
            frames.min_by(|(_, a), (_, b)| Fit::error(a, long_side_px).total_cmp(&Fit::error(b, long_side_px)))?;
        (Fit::error(&best.1, long_side_px) <= Fit::limit(long_side_px)).then_some(best)
    };
    let table: Vec<Vec<Option<(usize, Excess)>>> =
        (0..left.len()).map(|row| (0..ways.len()).map(|way| explained(row, way)).collect()).collect();
    let mut rows: Vec<usize> = (0..left.len()).collect();
    let mut learned = Vec::new();
    loop {
        // By how many pairs, then by how well; of equals the one that is tried first.
        let weight = |way: usize| {
            let losses = rows.iter().filter_map(|&row| table[row][way]).map(|(_, excess)| excess.loss);
            losses.fold((0, 0.0), |(count, sum), loss| (count + 1, sum + loss))
        };
        let weights: Vec<(usize, f32)> = (0..ways.len()).map(weight).collect();
        let better = |&a: &usize, &b: &usize| {
            weights[a].0.cmp(&weights[b].0).then(weights[b].1.total_cmp(&weights[a].1)).then(b.cmp(&a))
        };
        let Some(way) = (0..ways.len()).max_by(better).filter(|&way| weights[way].0 >= EXPLAINED_MIN) else { break };
        for (at, frame) in Frame::ALL.into_iter().enumerate() {
            let of_frame = rows.iter().filter_map(|&row| table[row][way]).filter(|&(frame, _)| frame == at);
            let losses: Vec<f32> = of_frame.map(|(_, excess)| excess.loss).collect();
            if !losses.is_empty() {
                learned.push(Learned {
                    recipe: Recipe { frame, ..recipes[way * Frame::ALL.len()] },
                    pairs: long_sides_px.len() as u32,
                    explained: losses.len() as u32,
                    loss: losses.iter().sum::<f32>() / losses.len() as f32,
                    d_max: D_NEAR,
                    hz_max: HZ_NEAR,
                });
            }
        }
        rows.retain(|&row| table[row][way].is_none());
    }
    *left = rows.into_iter().map(|row| left[row]).collect();
    learned
}
