//! Proof by reproduction: how a shop made its thumbnails, and whether an upload makes the same one again.
//!
//! A shop made all its thumbnails by one recipe, or by a few. Pairs that are certain for other reasons (a recorded digest)
//! reveal it: [`learn()`] searches the [`Recipe`] that explains them. From then on a [`Reproducer`] makes a thumbnail again
//! from an upload and compares it with what the thumbnail's file says, coefficient by coefficient ([`Cells`]). What
//! quantisation cannot explain is another picture.
//!
//! Pure, like [`crate::decode`] and [`crate::matcher`]: no sockets, SQL, paths, settings or clock. Everything that is kept
//! or sent (recipes, partitions, fits) is plain data. It does not decide: a reproduction proves only as much as the rule
//! makes of it.

// What a thumbnail's file says.
mod cells;
mod coefficients;
mod partition;
mod webp;

// What an engine does.
mod family;
mod frame;
mod gd;
mod kernel;
mod magick;
mod mark;
mod opacity;
mod pillow;
mod predict;
mod taps;
mod upload;
mod vips;
mod words;

// The comparison of both.
mod burned;
mod compare;
mod engines;
mod forward;
mod learn;
mod reproduce;
mod statistic;
mod tone;
mod watch;

#[cfg(test)]
mod tests;

pub use cells::{Cells, Component, Stored};
pub use engines::learn_engines;
pub use family::{Opacity, Orientation, Recipe, Scaler, Sharpen};
pub use frame::Frame;
pub use gd::Build;
pub use kernel::{Kernel, Passes, Shrink};
pub use learn::{Learned, Maps, Measure, PAIRS_MIN, Refusal, explain_most, learn};
pub use magick::{Depth, Operator};
pub use mark::{Anchor, Area, Mark, Span};
pub use partition::{Coding, Partition};
pub use pillow::Filter;
pub use reproduce::{D_NEAR, Fit, HZ_NEAR, RELATIVE_FROM_PX, Reproducer, TURNS};
pub use statistic::{Excess, Map};
pub use upload::Upload;
pub use watch::{Watch, last};
