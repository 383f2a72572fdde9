//! What the calls do, one noun a file.

mod audit;
mod dead_letters;
mod enqueue;
mod job;
mod job_answer;
mod lists;
mod openapi;
mod schedule;
mod schedule_view;

pub(crate) use dead_letters::{list as dead_letters, requeue};
pub(crate) use enqueue::enqueue;
pub(crate) use job::{cancel, retry_now, show};
pub(crate) use lists::{queues, schedules, workers};
pub(crate) use openapi::openapi;
pub(crate) use schedule::{put as put_schedule, remove as remove_schedule};
