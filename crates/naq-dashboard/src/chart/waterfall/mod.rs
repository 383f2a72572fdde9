//! The attempt waterfall: a row an attempt, with what it waited, ran and came to.
//!
//! [`layout`] turns a job's history, policy and the time into [`Row`]s; [`Scale`] says where a moment
//! stands between left and right; [`lane`] draws a row.

mod draw;
mod future;
mod layout;
mod row;
mod scale;

pub(crate) use draw::{axis, lane};
pub(crate) use layout::{Story, layout};
#[cfg(test)]
pub(crate) use row::{Bar, Look};
pub(crate) use row::{Kind, Row};
pub(crate) use scale::Scale;
