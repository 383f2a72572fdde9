//! Recurring schedules over real processes and a real broker, both of which go away in all the ways
//! in which they can: one run a tick, and what was missed is made up for as it was asked for.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod outage;
mod scene;
mod ten_processes;
