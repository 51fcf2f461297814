//! Candidates, verification, verdict: is this upload the picture that this thumbnail was made from?
//!
//! In reading order: [`facts`] is everything the rule may know about one customer; [`metadata`] says which pairs agree
//! by what was recorded, file names ([`names`]) and times ([`taken`]) among it; [`index`] proposes pairs by fingerprint;
//! [`verify`] measures a pair in pixels (with [`geometry`], [`plane`] and [`quantise`] below it); [`content`] says which
//! images show one picture; [`verdict`] is the rule that decides.
//!
//! Pure: no sockets, SQL, paths or settings, and no clock. The decision about a customer is a function of the sets of
//! records, images, measurements and human answers, whatever their order. Nothing here compares two customers.

pub mod facts;
pub mod metadata;
pub mod names;
pub mod taken;

pub mod index;

pub mod geometry;
pub mod plane;
pub mod quantise;
mod residual;
pub mod verify;

pub mod content;

pub mod verdict;
