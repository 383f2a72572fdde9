//! Which worker runs a job, since when, and how far it is.
//!
//! Workers store lists of the attempts that they run. [`Client::runs`](crate::Client::runs) reads the
//! lists. [`Runs`] answers questions about them without further reads.

mod find;
mod read;

pub use find::{Run, Runs};
