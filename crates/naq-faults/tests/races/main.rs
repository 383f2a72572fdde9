//! Two actions on one job at the same time, a thousand times, on a real broker with a real worker. One
//! of them wins, and both callers get the true result.

#![expect(clippy::unwrap_used, reason = "test helpers may panic, as tests do")]

mod batch_handlers;
mod cancel;
mod clocks;
mod debounce;
mod retry_now;
mod setup;

/// How often each race is repeated.
const TIMES: usize = 1_000;
