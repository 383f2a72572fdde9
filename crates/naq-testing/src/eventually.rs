//! Waiting for something to become true, instead of sleeping and hoping.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

const EVERY: Duration = Duration::from_millis(10);

/// Asks `probe` every 10 ms until it says yes, and returns what it found.
///
/// A probe answers with a `bool`, an `Option` (some = found) or a `Result` (its last error is shown
/// if time runs out). Time is tokio's, so it may be paused.
///
/// # Panics
///
/// `within` has passed: the message names `what`, and the last answer.
///
/// ```
/// # use std::time::Duration;
/// # use naq_testing::eventually;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut tries = 0;
/// let found = eventually("a third try", Duration::from_secs(5), async || {
///     tries += 1;
///     (tries == 3).then_some(tries)
/// });
/// assert_eq!(found.await, 3);
/// # }
/// ```
pub async fn eventually<F, A>(what: &str, within: Duration, mut probe: F) -> A::Value
where
    F: AsyncFnMut() -> A,
    A: Observed,
{
    let mut last = "no answer at all".to_owned();
    let asking = async {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match probe().await.observed() {
                Ok(value) => return value,
                Err(why) => last = why,
            }
        }
    };
    match timeout(within, asking).await {
        Ok(value) => value,
        Err(_) => panic!("waited {within:?} in vain for {what}; last answer: {last}"),
    }
}

/// What a probe of [`eventually`] may answer.
pub trait Observed {
    /// What was waited for.
    type Value;

    /// The value, or why it is not there yet.
    ///
    /// # Errors
    ///
    /// Not there yet.
    fn observed(self) -> Result<Self::Value, String>;
}

impl Observed for bool {
    type Value = ();

    fn observed(self) -> Result<(), String> {
        self.then_some(()).ok_or_else(|| "false".to_owned())
    }
}

impl<T> Observed for Option<T> {
    type Value = T;

    fn observed(self) -> Result<T, String> {
        self.ok_or_else(|| "none".to_owned())
    }
}

impl<T, E: Display> Observed for Result<T, E> {
    type Value = T;

    fn observed(self) -> Result<T, String> {
        self.map_err(|error| format!("{error:#}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn asks_again_until_the_answer_is_yes() {
        let mut left = 100;
        eventually("a countdown", MINUTE, async || {
            left -= 1;
            left == 0
        })
        .await;
        assert_eq!(left, 0);
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "waited 60s in vain for a miracle; last answer: not today")]
    async fn gives_up_in_words() {
        eventually("a miracle", MINUTE, async || Err::<(), _>("not today")).await;
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "waited 60s in vain for a probe that hangs")]
    async fn gives_up_on_a_probe_that_hangs() {
        eventually("a probe that hangs", MINUTE, async || std::future::pending::<bool>().await)
            .await;
    }
}
