//! Charts, drawn as SVG without styles or scripts in it: colours come from classes.

mod spark;

pub(crate) use spark::spark;
