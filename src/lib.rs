//! reunite gives people their lost pictures back.
//!
//! Customers upload everything they think may be relevant; reunite keeps every byte it acknowledged, finds the record
//! each picture belongs to by its surviving thumbnail, and puts the original back, never a wrong one.
//!
//! The modules below stand in reading order, and arrows point down, but for the few that ARCHITECTURE.md names with their
//! reasons. `decode`, `fingerprint`, `matcher` and `recipe` know no sockets, SQL, paths or settings; `endpoint` never matches; `web`
//! never touches the spool; only `store` spells object keys; only `catalogue` holds SQL.

pub mod cli;
pub mod config;
pub mod scan;
pub mod serve;

pub mod domain;
pub mod networks;
pub mod priority;

// The way of a file.
pub mod children;
pub mod decode;
pub mod endpoint;
pub mod fingerprint;
pub mod identify;
pub mod matcher;
pub mod pipeline;
pub mod placeholder;
pub mod reattach;
pub mod recipe;
pub mod spool;
pub mod tree;

// What they stand on.
pub mod catalogue;
pub mod store;

// What people look at.
pub mod condition;
pub mod notify;
pub mod report;
pub mod retiring;
pub mod web;

// For tests alone.
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
