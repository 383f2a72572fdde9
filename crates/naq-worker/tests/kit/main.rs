//! `naq_worker::testing`, used as users do.
#![cfg(feature = "testing")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod app;
mod enqueued;
mod inline;
mod time;
