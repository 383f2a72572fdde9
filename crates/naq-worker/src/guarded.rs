//! A handler under guard: whatever it does, one [`End`] comes out, and the worker lives.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use naq_core::redact::Redactor;
use naq_core::{Failure, Payload, Timer};

use crate::handler::HandlerFuture;
use crate::held::{Held, StopReason};

/// How long a handler that was told to stop has until it is dropped.
pub(crate) const STOP_GRACE: Duration = Duration::from_secs(1);

/// How a handler ended.
pub(crate) enum End {
    /// By itself.
    Returned(Result<Payload, Failure>),
    /// With a panic, whose message this is.
    Panicked(String),
    /// Dropped: it took longer than its timeout.
    TimedOut,
    /// Told to stop, and then it failed or was dropped.
    Stopped(StopReason),
}

/// Runs the handler until it returns, panics, times out, or has to stop.
pub(crate) async fn run(
    handler: HandlerFuture,
    held: &Held,
    timer: &dyn Timer,
    timeout: Option<Duration>,
) -> End {
    let mut handler = Guarded(Some(handler));
    // A handler that is ready at once costs neither a timer nor a waiter.
    let end = tokio::select! {
        biased;
        end = &mut handler => end,
        () = held.cancel.cancelled() => stopped(&mut handler, timer).await,
        () = time_out(timer, timeout) => End::TimedOut,
    };
    handler.discard();
    match (held.stop_reason(), end) {
        (None, end) => end,
        // What it has finished counts, if the job is still ours.
        (Some(StopReason::Shutdown), End::Returned(Ok(result))) => End::Returned(Ok(result)),
        // An error may be no more than the handler's answer to being told to stop.
        (Some(reason), _) => End::Stopped(reason),
    }
}

async fn time_out(timer: &dyn Timer, timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => timer.sleep_until(timer.now() + timeout).await,
        None => std::future::pending().await,
    }
}

/// Gives the handler a moment to end well.
async fn stopped(handler: &mut Guarded, timer: &dyn Timer) -> End {
    tokio::select! {
        biased;
        end = handler => end,
        () = timer.sleep_until(timer.now() + STOP_GRACE) => End::TimedOut,
    }
}

/// Runs code of the user's that returns at once; the message of its panic if it panics.
pub(crate) fn call<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(message)
}

/// Polls and drops the handler behind a wall that no panic passes.
struct Guarded(Option<HandlerFuture>);

impl Guarded {
    fn discard(&mut self) {
        let handler = self.0.take();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(handler))) {
            let message = message(panic);
            let message = Redactor::default().redact_text(&message);
            tracing::warn!("the handler panicked while it was dropped: {message}");
        }
    }
}

impl Future for Guarded {
    type Output = End;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<End> {
        let Some(handler) = self.0.as_mut() else { return Poll::Pending };
        let end = match catch_unwind(AssertUnwindSafe(|| handler.as_mut().poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(result)) => End::Returned(result),
            Err(panic) => End::Panicked(message(panic)),
        };
        self.discard();
        Poll::Ready(end)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.discard();
    }
}

/// What a panic says.
pub(crate) fn message(panic: Box<dyn Any + Send>) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned());
    // A payload may panic in its own drop.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(panic)));
    text
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
    fn what_a_handler_says_when_it_is_dropped_is_logged_without_secrets() {
        let (mut log, writer) = std::io::pipe().expect("a pipe");
        let subscriber = tracing_subscriber::fmt().with_writer(Arc::new(writer)).finish();
        let bomb = Bomb;
        let handler: HandlerFuture = Box::pin(async move {
            let _bomb = bomb;
            std::future::pending().await
        });
        tracing::subscriber::with_default(subscriber, || drop(Guarded(Some(handler))));
        let mut text = String::new();
        log.read_to_string(&mut text).expect("read");
        assert!(text.contains("cannot log out with token=[redacted]"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}
