//! Puts originals back, in two transactions.
