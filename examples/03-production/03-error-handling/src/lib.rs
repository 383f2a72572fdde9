//! Errors in production: what a program can do about them beside trying again.
//!
//! Read [`bank`] for how errors are classified, [`tasks`] for the handlers and what each has beside
//! its handler, [`dead`] for what becomes of dead letters, [`alert`] for who is told. [`story`]
//! plays all of it.

pub mod alert;
pub mod bank;
pub mod dead;
pub mod story;
pub mod tasks;

/// The queue of this example: what it decides about dead letters is about its own.
pub const QUEUE: &str = "shop";
