//! Lossy WebP thumbnails: what their files say, and what libwebp makes of a picture before it quantises.
//!
//! A lossy WebP is a key frame of VP8 (RFC 6386). Its levels stand for the difference between the picture and what was
//! predicted from blocks before, so they cannot be compared with a transform of the picture alone: [`Quantised::read`]
//! reconstructs the frame and keeps, for every block, what was predicted and which coefficients its levels allow.
//! [`Quantised::errors`] does to another picture what the encoder would have done in that place, in whole numbers and to
//! the bit. Which way of predicting the encoder chose is read, not guessed.

mod bits;
mod diffusion;
mod frame;
mod header;
mod intra;
mod quantise;
mod quantised;
mod riff;
mod source;
mod tables;
mod transform;

#[cfg(test)]
mod tests;

pub(super) use quantised::Quantised;
pub(super) use riff::is_lossy;
