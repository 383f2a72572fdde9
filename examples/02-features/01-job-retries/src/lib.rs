//! Retries end to end: the tasks, and the three programs that enqueue them.
//!
//! Read [`programs::basic`] first, then the [`tasks`] that it enqueues. [`demo`] shows each
//! attempt, and compares it with what the program expects. You do not need it to use NAQ.

pub mod demo;
pub mod programs;
pub mod tasks;
