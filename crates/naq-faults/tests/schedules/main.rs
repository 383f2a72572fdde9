//! Recurring schedules with real processes and a real broker, which are killed in several ways. Each
//! tick makes one run, and missed ticks are caught up on as the schedule says.

#![expect(clippy::unwrap_used, reason = "test helpers may panic, as tests do")]

mod outage;
mod setup;
mod ten_processes;
