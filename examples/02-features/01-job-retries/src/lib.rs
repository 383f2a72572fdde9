//! Retries end to end: the tasks, and the three programs that enqueue them.
//!
//! Read [`programs::basic`] first, then the [`tasks`] that it enqueues. [`stage`] only shows what
//! happens, and compares it with what was expected.

pub mod programs;
pub mod stage;
pub mod tasks;
