//! The pages about retries, error groups and dead letters, over HTTP: the numbers of a known history, and
//! the messages in the broker after each action.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod dead;
mod failures;
mod retry_help;
mod secrets;
mod site;
mod storm;
