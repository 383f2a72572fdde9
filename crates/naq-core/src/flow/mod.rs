//! What decides when a job may run beside its retry policy: jobs that it depends on, keys that make
//! it unique, limits that it shares with others. Plain data that travels in the job, and pure
//! decisions over it.

pub mod breaker;
mod budget;
mod depends;
mod limit;
mod unique;

pub use budget::{RetryBudget, Tokens};
pub use depends::{Dependencies, MAX_DEPENDENCIES, RunWhen};
pub use limit::{Limit, Rate};
pub use unique::{MAX_UNIQUE_KEY, Standing, Unique, UniqueScope};

/// Clocks of different machines may differ by this much before one of them is held to have been set.
const SKEW: std::time::Duration = std::time::Duration::from_secs(5);
