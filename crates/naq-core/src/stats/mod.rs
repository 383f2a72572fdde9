//! Statistics of attempts, as data: a worker counts in a [`Tally`] and writes [`StatsReport`]s, and a
//! reader adds them up in a [`History`]. The port is [`StatsStore`](crate::transport::StatsStore).
//!
//! A report has what one process has counted in one minute up to now. A newer report of the same process and
//! minute replaces it. So a report that is written several times counts once, and the broker stores one
//! message for each process and minute.

mod advice;
mod attempts;
mod error_group;
mod group_failures;
mod helped;
mod histogram;
mod history;
mod observation;
mod pattern;
mod report;
mod report_counts;
mod storm;
mod tally;
mod task_stats;
mod time_bucket;
mod totals;

pub use advice::FewerRetries;
pub use attempts::Attempts;
pub use error_group::{ErrorGroup, GroupId, SAMPLE_JOBS};
pub use helped::{Helped, grouped};
pub use histogram::{BOUNDS_MS, Histogram};
pub use history::reads::{GroupHistory, Point};
pub use history::{History, Pulse};
pub use observation::{Ending, Observation, ObservedError, Run, UNKNOWN_TASK};
pub use pattern::pattern;
pub use report::{Minute, StatsReport};
pub use storm::{Storm, StormRules, storms};
pub use tally::{MAX_ERROR_GROUPS, Tally, UNSENT_MINUTES, Unwritten};
pub use task_stats::{Counts, TaskStats};
pub use totals::Totals;
