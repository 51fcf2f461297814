//! Finds the mark that a shop burned into its thumbnails: the place at which nearly all of them disagree with what an
//! engine makes of their originals, while the rest of each agrees to the rounding.
//!
//! The pairs vote, each with its disagreeing blocks, once for every way in which a mark may be anchored; what most of them
//! disagree about is where it lies by that way. Its edges are then moved until it explains most pairs with the least of
//! their frames. It decides nothing: whoever asks confirms the mark on pairs that did not vote.

use super::learn::is_explained;
use super::mark::{Anchor, Mark, SHARE_MAX, Span};
use super::reproduce::{D_NEAR, HZ_NEAR, RELATIVE_FROM_PX};
use super::statistic::{Layer, Map};

/// Fewer pairs than this have no vote.
const VOTERS_MIN: usize = 6;
/// A pair that disagrees about more of its frame than this was not made so, or not from this original.
const DISAGREED_MAX: f32 = 0.5;
/// Two thumbnails are of different contents when their luma differs this much somewhere, in levels...
const CONTENT_LEVELS: f32 = 6.0;
/// ...among the means over so many parts of each side.
const CONTENT_PARTS: usize = 4;
/// How far an edge is moved at a time, in pixels.
const STEPS_PX: [i32; 9] = [4, 8, 12, 16, 24, -4, -8, -12, -16];
/// Ways of anchoring whose edges are moved: the most promising.
const MOVED: usize = 4;
/// An edge may lie anywhere in a block, and is moved out by at most so many pixels for that.
const BLOCK_PX: usize = 8;

/// The mark that explains most of these pairs, mapped by the recipe that agrees best beside it; nothing where the pairs do
/// not disagree about one place.
pub(super) fn find(maps: &[Map]) -> Option<Mark> {
    let voters: Vec<&Map> = maps.iter().filter(|map| !map.disagreeing().is_empty()).collect();
    let voters: Vec<&Map> = voters.into_iter().filter(|map| map.disagreeing_share() <= DISAGREED_MAX).collect();
    if voters.len() < VOTERS_MIN {
        return None;
    }
    let ways = Anchor::ALL.iter().flat_map(|&across| Anchor::ALL.iter().map(move |&down| (across, down)));
    let voted = ways.filter_map(|way| vote(&voters, way));
    let mut weighed: Vec<(Weight, Mark)> = voted.map(|mark| (weight(&voters, &mark), mark)).collect();
    // Stable, so that of equals the way that is tried first stays first.
    weighed.sort_by(|(a, _), (b, _)| better(a, b));
    weighed.truncate(MOVED);
    for (weight, mark) in &mut weighed {
        (*weight, *mark) = moved(&voters, *weight, *mark);
    }
    weighed.sort_by(|(a, _), (b, _)| better(a, b));
    let mark = weighed.first().filter(|(weight, _)| weight.explained >= VOTERS_MIN)?.1;
    Some(widened(mark, &voters))
}

/// How many contents these thumbnails show: of two that hardly differ anywhere, one counts.
pub(super) fn contents(maps: &[&Map]) -> usize {
    let mut known: Vec<Vec<f32>> = Vec::new();
    for map in maps {
        let sketch = map.sketch();
        let alike = |other: &Vec<f32>| sketch.iter().zip(other).all(|(a, b)| (a - b).abs() <= CONTENT_LEVELS);
        if !known.iter().any(alike) {
            known.push(sketch);
        }
    }
    known.len()
}

/// What speaks for a mark.
#[derive(Clone, Copy)]
struct Weight {
    /// Pairs that nothing speaks against beside it.
    explained: usize,
    /// The mean share of the frame that it takes.
    share: f32,
}

/// First the one that explains more, then the one that takes less.
fn better(a: &Weight, b: &Weight) -> std::cmp::Ordering {
    b.explained.cmp(&a.explained).then(a.share.total_cmp(&b.share))
}

fn weight(voters: &[&Map], mark: &Mark) -> Weight {
    let share = |map: &&Map| map.share(&map.area(mark));
    let explained = voters
        .iter()
        .filter(|map| map.excess(Some(mark)).is_some_and(|excess| is_explained(&excess, map.width.max(map.height))));
    Weight { explained: explained.count(), share: voters.iter().map(share).sum::<f32>() / voters.len() as f32 }
}

/// Moves one edge after the other as long as that makes the mark better.
fn moved(voters: &[&Map], mut weight: Weight, mut mark: Mark) -> (Weight, Mark) {
    for _ in 0..3 {
        let before = mark;
        for edge in 0..4 {
            for step in STEPS_PX {
                let other = with_edge(mark, edge, step, voters);
                let weighed = self::weight(voters, &other);
                if weighed.share <= SHARE_MAX && better(&weighed, &weight).is_lt() {
                    (weight, mark) = (weighed, other);
                }
            }
        }
        if mark == before {
            break;
        }
    }
    (weight, mark)
}

/// The mark with one of its edges, left, right, top or bottom, so many pixels further out.
fn with_edge(mark: Mark, edge: usize, by_px: i32, voters: &[&Map]) -> Mark {
    let mut mark = mark;
    let span = if edge < 2 { &mut mark.across } else { &mut mark.down };
    let by = match span.anchor {
        // Thousandths of the longest side that was seen.
        Anchor::Share => by_px * 1000 / longest(voters) as i32,
        _ => by_px,
    };
    match edge % 2 {
        0 => span.from -= by,
        _ => span.to += by,
    }
    mark
}

/// The mark with each edge as far out as it may lie without touching more blocks of these pairs: nothing tells where in its
/// block it lies, and in a frame of another size that makes a difference.
fn widened(mark: Mark, voters: &[&Map]) -> Mark {
    let share = weight(voters, &mark).share;
    (0..4).fold(mark, |mark, edge| {
        let further = std::iter::successors(Some(mark), |mark| Some(with_edge(*mark, edge, 1, voters)));
        let as_small = further.take(BLOCK_PX).take_while(|mark| weight(voters, mark).share <= share);
        as_small.last().unwrap_or(mark)
    })
}

fn longest(voters: &[&Map]) -> usize {
    voters.iter().map(|map| map.width.max(map.height)).max().unwrap_or(1).max(1)
}

/// What at least half of the voters disagree about, as a rectangle, by these anchors; nothing where they do not.
fn vote(voters: &[&Map], (across, down): (Anchor, Anchor)) -> Option<Mark> {
    let side = longest(voters);
    let mut canvas = Canvas { side, counts: vec![0; 4 * side * side] };
    for map in voters {
        let to_canvas = |anchor: Anchor, at: usize, length: usize| match anchor {
            Anchor::Share => (at * side / length) as i64,
            Anchor::Start => at as i64,
            Anchor::End => at as i64 - length as i64,
            Anchor::Middle => at as i64 - (length / 2) as i64,
        };
        for (left, top) in map.disagreeing() {
            let (right, bottom) = ((left + 8).min(map.width), (top + 8).min(map.height));
            let columns = to_canvas(across, left, map.width)..to_canvas(across, right, map.width);
            let rows = to_canvas(down, top, map.height)..to_canvas(down, bottom, map.height);
            canvas.add(columns, rows);
        }
    }
    let (columns, rows) = canvas.bounds(voters.len().div_ceil(2) as u16)?;
    let span = |anchor: Anchor, range: std::ops::Range<i64>| {
        let thousandths = |at: i64| at * 1000 / side as i64;
        let (from, to) = match anchor {
            Anchor::Share => (thousandths(range.start), thousandths(range.end)),
            _ => (range.start, range.end),
        };
        Span { anchor, from: from as i32, to: to as i32 }
    };
    Some(Mark { across: span(across, columns), down: span(down, rows) })
}

/// Votes for pixels, counted from an anchor: twice as long as the longest side each way, since some lie before it.
struct Canvas {
    side: usize,
    counts: Vec<u16>,
}

impl Canvas {
    fn add(&mut self, columns: std::ops::Range<i64>, rows: std::ops::Range<i64>) {
        let (side, long) = (self.side as i64, 2 * self.side);
        for y in rows {
            for x in columns.clone() {
                if let Some(count) = self.counts.get_mut((y + side) as usize * long + (x + side) as usize) {
                    *count += 1;
                }
            }
        }
    }

    /// The rectangle around all that has this many votes.
    fn bounds(&self, votes_min: u16) -> Option<(std::ops::Range<i64>, std::ops::Range<i64>)> {
        let (side, long) = (self.side as i64, 2 * self.side);
        let elected = self.counts.iter().enumerate().filter(|(_, count)| **count >= votes_min);
        let places = elected.map(|(at, _)| ((at % long) as i64 - side, (at / long) as i64 - side));
        places.fold(None, |bounds: Option<(std::ops::Range<i64>, std::ops::Range<i64>)>, (x, y)| {
            let (columns, rows) = bounds.unwrap_or((x..x, y..y));
            Some((columns.start.min(x)..columns.end.max(x + 1), rows.start.min(y)..rows.end.max(y + 1)))
        })
    }
}

impl Map {
    /// The top left pixels of the blocks of luma that no rounding explains.
    fn disagreeing(&self) -> Vec<(usize, usize)> {
        let luma = &self.layers[0];
        let large = self.width.max(self.height) >= RELATIVE_FROM_PX;
        let disagrees = |&at: &usize| match large {
            true => luma.relative_at(at) > HZ_NEAR,
            false => luma.energy[at].sqrt() / 8.0 > D_NEAR,
        };
        let blocks = (0..luma.energy.len()).filter(disagrees);
        blocks.map(|at| (at % luma.columns * 8, at / luma.columns * 8)).collect()
    }

    fn disagreeing_share(&self) -> f32 {
        self.disagreeing().len() as f32 / self.layers[0].energy.len() as f32
    }

    /// The mean levels of luma over [`CONTENT_PARTS`] parts of each side.
    fn sketch(&self) -> Vec<f32> {
        let Layer { columns, rows, .. } = &self.layers[0];
        let mut parts = vec![(0f32, 0f32); CONTENT_PARTS * CONTENT_PARTS];
        for (at, (mean, _)) in self.levels.iter().enumerate() {
            let (column, row) = (at % columns * CONTENT_PARTS / columns, at / columns * CONTENT_PARTS / rows);
            let part = &mut parts[row * CONTENT_PARTS + column];
            *part = (part.0 + mean, part.1 + 1.0);
        }
        parts.into_iter().map(|(sum, count)| sum / count.max(1.0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(width: usize, height: usize) -> Map {
        let (columns, rows) = (width.div_ceil(8), height.div_ceil(8));
        let nothing = vec![0.0; columns * rows];
        let layer = Layer { columns, rows, block_px: (8, 8), energy: nothing.clone(), gradient: nothing };
        Map { width, height, unit_px: 8, layers: vec![layer], levels: vec![(0.0, 0.0); columns * rows] }
    }

    #[test]
    fn an_edge_may_lie_anywhere_in_its_block() {
        let (landscape, portrait) = (map(320, 240), map(240, 320));
        let span = |from, to| Span { anchor: Anchor::Share, from, to };
        // What pairs of landscapes need of a mark that ends at 970 thousandths.
        let needed = Mark { across: span(620, 966), down: span(840, 960) };
        let widened = widened(needed, &[&landscape]);
        assert_eq!(landscape.share(&landscape.area(&widened)), landscape.share(&landscape.area(&needed)));
        assert!(portrait.area(&needed).columns.end < 233 && portrait.area(&widened).columns.end >= 233);
    }
}
