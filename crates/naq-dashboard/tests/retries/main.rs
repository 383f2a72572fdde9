//! Retries, what they save, error groups and dead letters over HTTP: the numbers that a known history
//! makes, and what the broker holds after each action.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod dead;
mod failures;
mod helping;
mod secrets;
mod site;
mod storm;
