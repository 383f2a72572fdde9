//! What two do to one job in the same moment, a thousand times over, on a real broker with a real
//! worker: one of the two happens, and everybody is told which.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod arena;
mod cancel;
mod run_now;

/// Races of each kind.
const TIMES: usize = 1_000;
