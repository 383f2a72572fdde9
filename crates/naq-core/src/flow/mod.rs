//! What decides when a job may run beside its retry policy: jobs that it depends on, keys that make
//! it unique, limits that it shares with others. Plain data that travels in the job, and pure
//! decisions over it.

pub mod breaker;
mod budget;
mod depends;
mod follow_up;
mod graph;
mod limit;
mod pause;
mod rate;
mod unique;

pub use budget::{RetryBudget, Tokens};
pub use depends::{Dependencies, Ends, MAX_DEPENDENCIES, RunWhen, Verdict};
pub use follow_up::FollowUp;
pub use graph::{Graph, GraphError};
pub use limit::{
    Holder, Limit, LimitKeys, MAX_CONCURRENCY, MAX_LIMIT_KEY, MAX_LIMITS, Slot, choose, look_again,
};
pub use pause::TaskPause;
pub use rate::{Gcra, MAX_RATE_COUNT, MAX_RATE_PERIOD, MIN_RATE_PERIOD, Rate, RateEntry};
pub use unique::{MAX_UNIQUE_KEY, Standing, Unique, UniqueScope};

/// Clocks of different machines may differ by this much before one of them is held to have been set.
const SKEW: std::time::Duration = std::time::Duration::from_secs(5);
