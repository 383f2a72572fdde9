//! Against real servers: what a model of a broker cannot show.

mod support;

mod delivery;
