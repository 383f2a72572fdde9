//! The attempt waterfall: one row for each attempt, with its wait, its run and its outcome.
//!
//! [`layout`] turns a [`JobTimeline`] into [`TimelineRow`]s, [`TimeScale`] maps times to places from left
//! to right, and [`draw_row`] draws a row.

mod draw;
mod future;
mod layout;
mod row;
mod scale;
mod timeline;

pub(crate) use draw::{axis, draw_row};
pub(crate) use layout::layout;
#[cfg(test)]
pub(crate) use row::{BarKind, TimelineBar};
pub(crate) use row::{RowKind, TimelineRow};
pub(crate) use scale::TimeScale;
pub(crate) use timeline::JobTimeline;
