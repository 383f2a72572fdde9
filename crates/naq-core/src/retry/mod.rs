//! Retry policies: plain data that travels in the job, and pure functions from that data to a
//! [`Decision`]. No clock, no I/O, no randomness: the same inputs give the same answer everywhere.
//!
//! ```
//! use naq_core::retry::{RetryPolicy, preview};
//!
//! let policy: RetryPolicy = "exponential:2s,max_retries=4".parse()?;
//! let delays: Vec<_> = preview(&policy).map(|row| row.delay_min_ms).collect();
//! assert_eq!(delays, [2_000, 4_000, 8_000, 16_000]);
//! # Ok::<(), naq_core::retry::PolicyError>(())
//! ```

mod backoff;
mod builder;
mod decide;
mod decision;
mod duration;
mod error;
mod jitter;
mod policy;
mod presets;
mod preview;
mod reason;
mod rule;
mod summary;
mod text;
mod wire;

pub use builder::PolicyBuilder;
pub use decide::{AttemptFacts, Outcome, Start, decide, decide_start};
pub use decision::{Action, Decision};
pub use error::PolicyError;
pub use jitter::Jitter;
pub use jitter::{fnv1a, spread};
pub use policy::{Delay, RetryPolicy, Strategy};
pub use preview::{PreviewRow, preview, preview_from};
pub use rule::Rule;
