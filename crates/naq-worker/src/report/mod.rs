//! What a worker tells people about its deliveries: log lines, metrics, statistics, traces.

mod counted_ending;
pub(crate) mod log;
mod metrics;
mod stats;
mod trace;

pub(crate) use self::counted_ending::{CountedEnding, ending_of_action, ending_of_state};
pub(crate) use self::metrics::Meters;
pub(crate) use self::stats::Stats;
pub(crate) use self::trace::Trace;
