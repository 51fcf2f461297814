//! Perceptual hash with its quality. Pure.
