//! Hooks: code of the user's that is told of a retry, a recovery, a death. It changes nothing of
//! what happens to the job.
//!
//! They run in the job's slot, when the decision is made and before it is written: a worker that
//! dies in between tells again. So at least once, and best effort: what must happen is a job of its
//! own (`on_exhausted_job`).

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use naq_core::Timer;

use crate::events::{Event, Exhausted, Recovered, Retrying};
use crate::guarded;
use crate::held::Held;

/// How long all hooks of one event have together. The job's lease is renewed meanwhile; its slot is
/// in use.
pub(crate) const HOOK_TIMEOUT: Duration = Duration::from_secs(3);

type Hook<E> = Arc<dyn Fn(E) -> BoxFuture<'static, ()> + Send + Sync>;

/// The hooks of a task, or of all.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    retry: Vec<Hook<Retrying>>,
    success_after_retry: Vec<Hook<Recovered>>,
    exhausted: Vec<Hook<Exhausted>>,
}

fn hook<E, F, Fut>(tell: F) -> Hook<E>
where
    F: Fn(E) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    Arc::new(move |event| Box::pin(tell(event)))
}

impl Hooks {
    pub(crate) fn on_retry<F, Fut>(&mut self, tell: F)
    where
        F: Fn(Retrying) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.retry.push(hook(tell));
    }

    pub(crate) fn on_success_after_retry<F, Fut>(&mut self, tell: F)
    where
        F: Fn(Recovered) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.success_after_retry.push(hook(tell));
    }

    pub(crate) fn on_exhausted<F, Fut>(&mut self, tell: F)
    where
        F: Fn(Exhausted) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.exhausted.push(hook(tell));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.retry.is_empty() && self.success_after_retry.is_empty() && self.exhausted.is_empty()
    }

    /// What the hooks for this event do about it.
    fn call(&self, event: &Event) -> Vec<BoxFuture<'static, ()>> {
        match event {
            Event::Retrying(event) => each(&self.retry, event),
            Event::Recovered(event) => each(&self.success_after_retry, event),
            Event::Exhausted(event) => each(&self.exhausted, event),
        }
    }
}

fn each<E: Clone>(hooks: &[Hook<E>], event: &E) -> Vec<BoxFuture<'static, ()>> {
    hooks.iter().filter_map(|hook| guarded(|| hook(event.clone()))).collect()
}

/// Tells all of `hooks`, and outlives whatever they do.
pub(crate) async fn tell(hooks: &[&Hooks], event: &Event, held: &Held, timer: &dyn Timer) {
    let mut told: Vec<_> = hooks.iter().flat_map(|hooks| hooks.call(event)).collect();
    if told.is_empty() {
        return;
    }
    let all = told.iter_mut().map(|hook| AssertUnwindSafe(hook).catch_unwind().map(note));
    tokio::select! {
        biased;
        _ = join_all(all) => {}
        () = timer.sleep_until(timer.now() + HOOK_TIMEOUT) => {
            tracing::warn!(job = %held.id(), "a hook was dropped: it took longer than {HOOK_TIMEOUT:?}");
        }
    }
    // One by one: whatever is dropped may panic, too.
    for hook in told {
        guarded(|| drop(hook));
    }
}

fn guarded<T>(call: impl FnOnce() -> T) -> Option<T> {
    guarded::call(call).map_err(|panic| warn(&panic)).ok()
}

fn note(end: Result<(), Box<dyn std::any::Any + Send>>) {
    if let Err(panic) = end {
        warn(&guarded::message(panic));
    }
}

fn warn(panic: &str) {
    tracing::warn!("a hook panicked: {panic}");
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("retry", &self.retry.len())
            .field("success_after_retry", &self.success_after_retry.len())
            .field("exhausted", &self.exhausted.len())
            .finish()
    }
}
