//! The kit for users' tests, used as a user would.
#![cfg(feature = "testing")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod app;
mod enqueued;
mod inline;
mod time;
