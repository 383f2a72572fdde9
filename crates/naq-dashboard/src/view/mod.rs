//! Values as people read them: moments, durations, numbers, and text that comes from jobs.

mod moment;
mod number;
mod payload;
mod rate;
mod text;

pub(crate) use moment::{Moment, span};
pub(crate) use number::{count, percent};
pub(crate) use payload::Shown;
pub(crate) use rate::{bytes, covered, rate};
pub(crate) use text::{clean, clip, said};
