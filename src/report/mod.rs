//! What came back, what is missing, and why: the reports that command line, pages and files show.
//!
//! Each report is one function from a consistent state of the catalogue to a [`Sheet`]. The order of rows is decided here,
//! by bytes, so that two engines and two runs agree. Nothing is decided here about a picture.

mod contradictions;
mod customers;
pub mod files;
mod in_tree;
mod matches;
mod missing;
mod orders;
mod recipes;
mod sheet;
pub mod text;
mod tiers;

pub use contradictions::contradictions;
pub use customers::customers;
pub use files::{files, unmatched};
pub use in_tree::{IN_TREE, InTreeError, in_tree, spreadsheet};
pub use matches::{matches, review};
pub use missing::missing;
pub use orders::{Order, one_order, orders};
pub use recipes::recipes;
pub use sheet::{Cell, Format, Sheet};
pub use tiers::tiers;
