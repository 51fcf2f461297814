//! What is known of how a thumbnail was made: which of the recipes learned may have made it.

use crate::catalogue::PartitionRecipes;
use crate::domain::Digest;
use crate::recipe::{Learned, Mark, Partition, explain_most};

/// Counts up with each change of what is measured of a pair by a recipe, so that it is measured again.
const MEASURING: u8 = 1;

/// What is known of how a thumbnail was made.
#[derive(Debug)]
pub struct Known {
    /// Tells one state of knowledge from another, whatever the order in which it came; 0 where nothing is known.
    pub stamp: u64,
    /// Recipes that may have made it.
    pub learned: Vec<Learned>,
    /// Whether they do not hold any more: then they are tried, to see whether they do again, and prove nothing.
    pub is_withheld: bool,
    /// The marks that were burned into it: none where one of its partition's recipes has no mark.
    pub marks: Vec<Mark>,
}

impl Known {
    /// What the recipes learned say about thumbnails of a partition; nothing about those of none.
    pub fn of(partition: Option<&Partition>, recipes: &[PartitionRecipes]) -> Self {
        let learned = partition.map_or_else(Vec::new, |partition| learned_of(partition, recipes));
        let is_withheld =
            partition.is_some_and(|partition| of_partition(partition, recipes).any(PartitionRecipes::is_withheld));
        // Plain numbers always have a text.
        let mut text = serde_json::to_vec(&learned).unwrap_or_default();
        text.push(MEASURING);
        text.extend(if is_withheld { &b"withheld"[..] } else { &[] });
        let [a, b, c, d, e, f, g, h, ..] = Digest::of(&text).0;
        let stamp = if learned.is_empty() { 0 } else { u64::from_be_bytes([a, b, c, d, e, f, g, h]) };
        let marks = partition.map_or_else(Vec::new, |partition| marks_of(partition, recipes));
        Known { stamp, learned, is_withheld, marks }
    }
}

/// The recipes that may have made thumbnails of this partition: those of the partitions that may explain it and, unless
/// these say nearly all, the engines that the shop uses at all. A palette leaves so much open that too many engines would fit.
fn learned_of(partition: &Partition, recipes: &[PartitionRecipes]) -> Vec<Learned> {
    let mut learned: Vec<Learned> = own_recipes(partition, recipes).flatten().copied().collect();
    if partition.coding.is_exact() && !is_told(partition, recipes) {
        let any = recipes.iter().filter(|known| known.partition.is_none()).flat_map(|known| &known.learned);
        let sized = any.map(|one| Learned { recipe: one.recipe.sized(partition.long_side_px), ..*one });
        learned.extend(sized.filter(|one| !learned.iter().any(|known| known.recipe == one.recipe)).collect::<Vec<_>>());
    }
    learned
}

/// The marks that every thumbnail of this partition has one of.
fn marks_of(partition: &Partition, recipes: &[PartitionRecipes]) -> Vec<Mark> {
    let marks: Option<Vec<Mark>> = own_recipes(partition, recipes).flatten().map(|one| one.recipe.mark).collect();
    let mut distinct = Vec::new();
    for mark in marks.into_iter().flatten() {
        if !distinct.contains(&mark) {
            distinct.push(mark);
        }
    }
    distinct
}

/// Whether what partitions taught says nearly all about thumbnails of this one.
pub fn is_told(partition: &Partition, recipes: &[PartitionRecipes]) -> bool {
    let holding = of_partition(partition, recipes).filter(|known| !known.is_withheld());
    holding.into_iter().any(|known| explain_most(&known.learned))
}

fn own_recipes<'a>(partition: &Partition, recipes: &'a [PartitionRecipes]) -> impl Iterator<Item = &'a [Learned]> {
    of_partition(partition, recipes).map(|known| &known.learned[..])
}

fn of_partition<'a>(
    partition: &Partition,
    recipes: &'a [PartitionRecipes],
) -> impl Iterator<Item = &'a PartitionRecipes> {
    let may_explain =
        |known: &&PartitionRecipes| known.partition.as_ref().is_some_and(|known| known.may_explain(partition));
    recipes.iter().filter(may_explain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{Anchor, Coding, Frame, Recipe, Scaler, Sharpen, Span};

    fn learned(side_px: u32, scaler: Scaler, explained: u32) -> Learned {
        let frame = Frame::Fit;
        let recipe =
            Recipe { side_px, frame, scaler, sharpen: Sharpen::None, opacity: None, orientation: None, mark: None };
        Learned { recipe, pairs: 20, explained, loss: 0.0, d_max: 0.1, hz_max: 0.3 }
    }

    fn known(partition: Option<Partition>, learned: Vec<Learned>) -> PartitionRecipes {
        PartitionRecipes { partition, pairs: Digest([0; 32]), learned, refusal: None }
    }

    #[test]
    fn a_mark_is_left_out_of_what_is_seen_only_where_every_thumbnail_has_it() {
        let partition = |long_side_px| Partition { coding: Coding::Lossless, long_side_px };
        let span = Span { anchor: Anchor::End, from: -40, to: -4 };
        let mark = Mark { across: span, down: span };
        let plain = learned(200, Scaler::Vips { export: false }, 9);
        let marked = Learned { recipe: Recipe { mark: Some(mark), ..plain.recipe }, ..plain };
        let marks = |of: u32, learned: Vec<Learned>| {
            Known::of(Some(&partition(of)), &[known(Some(partition(200)), learned)]).marks
        };
        assert_eq!(marks(200, vec![marked, marked]), [mark]);
        assert_eq!(marks(180, vec![marked]), [mark], "a picture smaller than the side keeps its size");
        assert_eq!(marks(200, vec![marked, plain]), []);
        assert_eq!(marks(300, vec![marked]), []);
        assert_eq!(marks(200, vec![]), []);
    }

    #[test]
    fn what_does_not_hold_any_more_is_tried_and_told_from_what_does() {
        let of = Partition { coding: Coding::Lossless, long_side_px: 200 };
        let recipes = known(Some(of.clone()), vec![learned(200, Scaler::Vips { export: false }, 20)]);
        let withheld = PartitionRecipes { refusal: Some("too few".to_owned()), ..recipes.clone() };
        let engines = known(None, vec![learned(0, Scaler::Vips { export: true }, 5)]);
        let of_these = |recipes: &[PartitionRecipes]| Known::of(Some(&of), recipes);
        let (before, after) = (of_these(&[recipes, engines.clone()]), of_these(&[withheld, engines]));
        assert!(!before.is_withheld && after.is_withheld);
        assert_eq!((before.learned.len(), after.learned.len()), (1, 2), "then the shop's engines are tried, too");
        assert_ne!(before.stamp, after.stamp, "so that every pair is tried again");
    }

    #[test]
    fn engines_are_tried_where_a_partition_does_not_tell() {
        let (plain, export) = (Scaler::Vips { export: false }, Scaler::Vips { export: true });
        let partition = |coding, long_side_px| Partition { coding, long_side_px };
        let own = |explained| known(Some(partition(Coding::Lossless, 200)), vec![learned(200, plain, explained)]);
        let at_all = || known(None, vec![learned(0, plain, 5), learned(0, export, 4)]);
        let tried = |of: Partition, recipes: &[PartitionRecipes]| -> Vec<(u32, Scaler)> {
            learned_of(&of, recipes).iter().map(|one| (one.recipe.side_px, one.recipe.scaler)).collect()
        };
        // Another size has no recipe of its own: all engines, at its size.
        let both = [(300, plain), (300, export)];
        assert_eq!(tried(partition(Coding::Lossless, 300), &[own(20), at_all()]), both);
        // Its own recipe explains most of its pairs, or only a few.
        assert_eq!(tried(partition(Coding::Lossless, 200), &[own(20), at_all()]), [(200, plain)]);
        let with_own = [(200, plain), (200, export)];
        assert_eq!(tried(partition(Coding::Lossless, 200), &[own(8), at_all()]), with_own);
        // A palette is explained by too much.
        assert_eq!(tried(partition(Coding::Palette, 300), &[own(20), at_all()]), []);
    }
}
