//! Durable receive, partials, recovery at start.
