//! The metrics that NAQ exports: one table of names, labels and buckets, for the code that records
//! them, the exporter, the documentation, dashboards and alert rules alike.
//!
//! Base units, and no label that whoever enqueues can make up: a task that no handler is registered
//! for is [`UNKNOWN_TASK`](crate::stats::UNKNOWN_TASK), error kinds beyond the first
//! [`MAX_ERROR_KINDS`] are [`OTHER_ERROR_KIND`].

#[cfg(feature = "metrics")]
mod gauges;
mod metric;
#[cfg(feature = "metrics")]
mod record;
mod table;

#[cfg(feature = "metrics")]
pub use gauges::{set_connected, set_queues};
pub use metric::{Kind, Metric};
#[cfg(feature = "metrics")]
pub use record::describe;
pub use table::*;
