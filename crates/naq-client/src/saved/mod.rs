//! What a handler saves while it runs, for the next attempt and for people who watch.

mod checkpoint;
mod load;
mod progress;

pub use checkpoint::{Checkpoint, CheckpointError, CheckpointInfo};
pub use progress::Progress;
