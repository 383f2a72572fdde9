//! Charts, drawn as SVG without styles or scripts in it: colours come from classes.

mod bars;
mod curve;
pub(crate) mod dag;
mod histogram;
mod label;
mod spark;
mod stacked;
pub(crate) mod waterfall;

pub(crate) use bars::bar;
pub(crate) use curve::curve;
pub(crate) use histogram::{Bin, histogram};
pub(crate) use spark::spark;
pub(crate) use stacked::{Part, stacked};
