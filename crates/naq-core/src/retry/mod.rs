//! Retry policies as plain data, and [`decide`], a pure function from a policy and the facts of an
//! attempt to a [`Decision`]. It reads no clock, does no I/O and has no random state: the same inputs
//! give the same answer everywhere.
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
mod delay;
mod duration;
mod error;
mod jitter;
mod policy;
mod presets;
mod preview;
mod random;
mod reason;
mod rule;
mod summary;
mod text;
mod wire;

pub use builder::PolicyBuilder;
pub use decide::{AttemptFacts, Outcome, Start, decide, decide_start};
pub use decision::{Action, Decision};
pub use duration::{BriefDuration, read_duration};
pub use error::PolicyError;
pub use jitter::Jitter;
pub use policy::{Delay, RetryPolicy, Strategy};
pub use preview::{PreviewRow, preview, preview_from};
pub use random::{fnv1a, spread};
pub use rule::Rule;
