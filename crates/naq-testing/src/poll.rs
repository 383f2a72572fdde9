//! Waits for another process, with a time limit.

use std::time::{Duration, Instant};

use anyhow::Result;

/// How long a server may take to stop, or to start, which includes the recovery of its store.
pub(crate) const TIME_LIMIT: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Calls `probe` until it returns a value or the time limit is over.
#[expect(
    clippy::disallowed_methods,
    reason = "the wait is for another process, which runs in real time"
)]
pub(crate) fn poll<T>(mut probe: impl FnMut() -> Result<Option<T>>) -> Result<Option<T>> {
    let start = Instant::now();
    loop {
        let answer = probe()?;
        if answer.is_some() || start.elapsed() > TIME_LIMIT {
            return Ok(answer);
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}
