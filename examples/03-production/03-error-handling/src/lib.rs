//! Errors in production: what a program can do about them in addition to retries.
//!
//! [`bank`] gives each error a kind. [`tasks`] has the handlers, with a breaker, a fallback and a budget.
//! [`dead`] decides about dead letters. [`alert`] fires when too many jobs die. [`patterns`] runs all of
//! it.

pub mod alert;
pub mod bank;
pub mod dead;
pub mod patterns;
pub mod tasks;

/// The queue of this example. The example touches only dead letters of this queue.
pub const QUEUE: &str = "shop";
