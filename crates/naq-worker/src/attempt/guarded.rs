//! Runs a handler behind a guard: panics, timeouts and stops all become a [`HandlerOutcome`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use naq_core::redact::Redactor;
use naq_core::{Failure, Payload, Timer};

use crate::delivery::{HeldDelivery, StopReason};
use crate::handler::HandlerFuture;
use crate::panics;

/// The time from the request to stop a handler until it is dropped.
pub(crate) const STOP_GRACE: Duration = Duration::from_secs(1);

/// How a call of a handler ended.
pub(super) enum HandlerOutcome {
    /// It returned this.
    Returned(Result<Payload, Failure>),
    /// It panicked with this message.
    Panicked(String),
    /// It took longer than its timeout, and was dropped.
    TimedOut,
    /// It was asked to stop, and then failed or was dropped.
    Stopped(StopReason),
}

/// Runs the handler until it returns, panics, times out, or has to stop.
pub(super) async fn run_guarded(
    handler: HandlerFuture,
    held: &HeldDelivery,
    timer: &dyn Timer,
    timeout: Option<Duration>,
) -> HandlerOutcome {
    let mut handler = GuardedHandler(Some(handler));
    // Biased: a handler that is ready at once needs neither a timer nor a waiter.
    let outcome = tokio::select! {
        biased;
        outcome = &mut handler => outcome,
        () = held.stop_token.cancelled() => stop_handler(&mut handler, timer).await,
        () = timeout_elapsed(timer, timeout) => HandlerOutcome::TimedOut,
    };
    handler.discard();
    match (held.stop_reason(), outcome) {
        (None, outcome) => outcome,
        // The handler finished during the shutdown. This worker still has the lease, so the result
        // counts.
        (Some(StopReason::Shutdown), HandlerOutcome::Returned(Ok(result))) => {
            HandlerOutcome::Returned(Ok(result))
        }
        // The error may be the handler's reaction to the request to stop.
        (Some(reason), _) => HandlerOutcome::Stopped(reason),
    }
}

async fn timeout_elapsed(timer: &dyn Timer, timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => timer.sleep_until(timer.now() + timeout).await,
        None => std::future::pending().await,
    }
}

/// Gives the handler time to return.
async fn stop_handler(handler: &mut GuardedHandler, timer: &dyn Timer) -> HandlerOutcome {
    tokio::select! {
        biased;
        outcome = handler => outcome,
        () = timer.sleep_until(timer.now() + STOP_GRACE) => HandlerOutcome::TimedOut,
    }
}

/// Polls and drops the handler, and catches its panics.
struct GuardedHandler(Option<HandlerFuture>);

impl GuardedHandler {
    fn discard(&mut self) {
        let handler = self.0.take();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(handler))) {
            let message = panics::panic_message(panic);
            let message = Redactor::default().redact_text(&message);
            tracing::warn!("the handler panicked while it was dropped: {message}");
        }
    }
}

impl Future for GuardedHandler {
    type Output = HandlerOutcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<HandlerOutcome> {
        let Some(handler) = self.0.as_mut() else { return Poll::Pending };
        let outcome = match catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(result)) => HandlerOutcome::Returned(result),
            Err(panic) => HandlerOutcome::Panicked(panics::panic_message(panic)),
        };
        self.discard();
        Poll::Ready(outcome)
    }
}

impl Drop for GuardedHandler {
    fn drop(&mut self) {
        self.discard();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::Arc;

    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("cannot log out with token=hunter2");
        }
    }

    #[test]
    fn a_panic_of_a_dropped_handler_is_logged_without_secrets() {
        let (mut log, writer) = std::io::pipe().expect("a pipe");
        let subscriber = tracing_subscriber::fmt().with_writer(Arc::new(writer)).finish();
        let bomb = Bomb;
        let handler: HandlerFuture = Box::pin(async move {
            let _bomb = bomb;
            std::future::pending().await
        });
        tracing::subscriber::with_default(subscriber, || drop(GuardedHandler(Some(handler))));
        let mut text = String::new();
        log.read_to_string(&mut text).expect("read");
        assert!(text.contains("cannot log out with token=[redacted]"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}
