//! How values are shown: times, durations, numbers, and text from jobs.

mod number;
mod payload_view;
mod rate;
mod relative_time;
mod text;

pub(crate) use number::{count, percent};
pub(crate) use payload_view::PayloadView;
pub(crate) use rate::{bytes, covered, rate};
pub(crate) use relative_time::{RelativeTime, span};
pub(crate) use text::{clean, clip, redacted};
