//! Charts as SVG, without styles or scripts: their colours come from CSS classes.

mod bar;
mod curve;
pub(crate) mod dag;
mod histogram;
mod label;
mod spark;
mod stacked;
pub(crate) mod waterfall;

pub(crate) use bar::bar;
pub(crate) use curve::curve;
pub(crate) use histogram::{HistogramBin, histogram};
pub(crate) use spark::spark;
pub(crate) use stacked::{StackedPart, stacked};
