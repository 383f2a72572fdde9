//! Jobs that run later, and recurring jobs: the tasks, the schedules, and a program that shows both.
//!
//! Read [`schedules`] first. [`tasks`] are jobs like any other, and do not know the schedules.

pub mod demo;
pub mod schedules;
pub mod tasks;
