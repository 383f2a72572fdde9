//! Waits until a condition is true, with a time limit.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Calls `probe` every 10 ms until it succeeds, and returns its value.
///
/// A probe returns a `bool`, an `Option` (`Some` is success) or a `Result` (the panic shows the
/// last error). The wait uses tokio's clock, which a test may pause.
///
/// # Panics
///
/// `within` has passed. The message contains `what` and the last result.
///
/// ```
/// # use std::time::Duration;
/// # use naq_testing::eventually;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut calls = 0;
/// let found = eventually("a third call", Duration::from_secs(5), async || {
///     calls += 1;
///     (calls == 3).then_some(calls)
/// });
/// assert_eq!(found.await, 3);
/// # }
/// ```
pub async fn eventually<F, A>(what: &str, within: Duration, mut probe: F) -> A::Value
where
    F: AsyncFnMut() -> A,
    A: ProbeResult,
{
    let mut last = "none".to_owned();
    let polling = async {
        let mut ticks = interval(POLL_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match probe().await.into_result() {
                Ok(value) => return value,
                Err(why) => last = why,
            }
        }
    };
    match timeout(within, polling).await {
        Ok(value) => value,
        Err(_) => panic!("timed out after {within:?} waiting for {what}; last result: {last}"),
    }
}

/// A result that a probe of [`eventually`] may return.
pub trait ProbeResult {
    /// The value of a success.
    type Value;

    /// The value, or a description of the failure.
    ///
    /// # Errors
    ///
    /// The probe has not succeeded yet.
    fn into_result(self) -> Result<Self::Value, String>;
}

impl ProbeResult for bool {
    type Value = ();

    fn into_result(self) -> Result<(), String> {
        self.then_some(()).ok_or_else(|| "false".to_owned())
    }
}

impl<T> ProbeResult for Option<T> {
    type Value = T;

    fn into_result(self) -> Result<T, String> {
        self.ok_or_else(|| "none".to_owned())
    }
}

impl<T, E: Display> ProbeResult for Result<T, E> {
    type Value = T;

    fn into_result(self) -> Result<T, String> {
        self.map_err(|error| format!("{error:#}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn the_probe_is_repeated_until_it_succeeds() {
        let mut left = 100;
        eventually("a countdown", MINUTE, async || {
            left -= 1;
            left == 0
        })
        .await;
        assert_eq!(left, 0);
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "timed out after 60s waiting for a condition; last result: not yet")]
    async fn the_panic_names_the_last_result() {
        eventually("a condition", MINUTE, async || Err::<(), _>("not yet")).await;
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "timed out after 60s waiting for a probe that hangs")]
    async fn a_probe_that_hangs_is_given_up() {
        eventually("a probe that hangs", MINUTE, async || std::future::pending::<bool>().await)
            .await;
    }
}
