//! What happens to a file, from top to bottom.
