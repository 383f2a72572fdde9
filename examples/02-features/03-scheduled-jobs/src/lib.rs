//! Jobs that run later, and again and again: the tasks, the schedules, and a program that shows both.
//!
//! Read [`schedules`] first; [`tasks`] are jobs like any other, which know nothing of it.

pub mod demo;
pub mod schedules;
pub mod tasks;
