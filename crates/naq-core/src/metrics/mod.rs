//! The metrics of NAQ: one table of names, labels and buckets. The recording code, the exporter, the
//! documentation, dashboards and alert rules all use it.
//!
//! Units are base units. A program that enqueues jobs cannot create label values: a task without a
//! handler is [`UNKNOWN_TASK`](crate::stats::UNKNOWN_TASK), and error kinds after the first
//! [`MAX_ERROR_KINDS`] are [`OTHER_ERROR_KIND`].

#[cfg(feature = "metrics")]
mod gauges;
mod metric;
#[cfg(feature = "metrics")]
mod record;
mod table;

#[cfg(feature = "metrics")]
pub use gauges::{set_connected, set_held, set_queues};
pub use metric::{Kind, Metric};
#[cfg(feature = "metrics")]
pub use record::describe;
pub use table::*;
