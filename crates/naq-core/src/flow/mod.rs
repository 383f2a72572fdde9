//! Besides the retry policy, these decide when a job may run: the jobs that it depends on, its unique
//! key, the limits that it shares with other jobs, breakers, budgets and pauses. They are plain data,
//! with pure decisions over that data.

mod apart;
pub mod breaker;
mod budget;
mod debounce;
mod depends;
mod follow_up;
mod follow_up_job;
mod graph;
mod limit;
mod limit_text;
mod pause;
mod rate;
mod run_list;
mod skew;
mod standing;
mod unique;

pub use apart::{Apart, ApartRun, CrashedJob, PROBATION, apart};
pub use budget::{RetryBudget, Tokens};
pub use debounce::{DEBOUNCE_MARGIN, Debounce, may_replace, read_throttle, throttle};
pub use depends::{Dependencies, Ends, MAX_DEPENDENCIES, RunWhen, Verdict};
pub use follow_up::FollowUp;
pub use graph::{Graph, GraphError};
pub use limit::{
    Holder, Limit, LimitKeys, MAX_CONCURRENCY, MAX_LIMIT_KEY, MAX_LIMITS, Slot, choose, look_again,
};
pub use pause::TaskPause;
pub use rate::{Gcra, MAX_RATE_COUNT, MAX_RATE_PERIOD, MIN_RATE_PERIOD, Rate, RateEntry};
pub use run_list::{
    Asker, ListedRun, MAX_LISTED_RUNS, Redelivery, RunEvidence, RunList, SeenRunList, run_evidence,
};
pub use standing::Standing;
pub use unique::{MAX_UNIQUE_KEY, Unique, UniqueScope, UniqueWithin};
