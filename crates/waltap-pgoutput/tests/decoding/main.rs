//! What the decoder makes of real frames, of generated ones and of broken ones.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

mod malformed;
mod properties;
mod real_frames;
