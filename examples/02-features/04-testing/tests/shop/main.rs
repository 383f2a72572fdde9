//! The tests of the shop: no server, no waiting.

mod bank;
mod inline;
mod queue;
mod weeks;
