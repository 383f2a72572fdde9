//! The data that a handler saves while it runs: a checkpoint for the next attempt, and its progress
//! for people who watch.

mod checkpoint;
mod key;
mod progress;
pub(crate) mod size;

pub use checkpoint::{Checkpoint, CheckpointError, CheckpointInfo};
pub use progress::Progress;
