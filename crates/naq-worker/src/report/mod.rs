//! What a worker reports about its deliveries: log lines, metrics, statistics, traces.

pub(crate) mod attempt_log;
mod metrics;
mod observed_ending;
mod stats;
mod trace;

pub(crate) use self::metrics::WorkerMetrics;
pub(crate) use self::observed_ending::{ObservedEnding, ending_of_action, ending_of_state};
pub(crate) use self::stats::Stats;
pub(crate) use self::trace::Trace;
