//! What holds jobs: a breaker, a limit, a budget, a pause, a missing worker, a queue at its bound.
//!
//! [`find_holds`] decides over plain data. [`Client::holds`](crate::Client::holds) reads the data first.

mod cause;
mod facts;
mod find;
mod hold;
mod needs;
mod read;
#[cfg(test)]
mod tests;

pub use cause::HoldCause;
pub use facts::HoldFacts;
pub use find::{find_holds, hold_of, idle_breakers};
pub use hold::Hold;
pub use needs::{Need, find_needs};
