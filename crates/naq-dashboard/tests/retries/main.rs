//! The pages about retries, error groups and dead letters, over HTTP: the numbers of a known history, and
//! the messages in the broker after each action.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

mod dead;
mod failures;
mod holds;
mod retry_help;
mod secrets;
mod storm;
mod test_dashboard;
