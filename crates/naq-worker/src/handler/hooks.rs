//! [`Hooks`]: the user's callbacks after a retry, a recovery, a death. They do not change what
//! happens to the job.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::events::{Exhausted, HookEvent, Recovered, Retrying};
use crate::panics;

type Hook<E> = Arc<dyn Fn(E) -> BoxFuture<'static, ()> + Send + Sync>;

/// The hooks of one task, or of all tasks.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    retry: Vec<Hook<Retrying>>,
    success_after_retry: Vec<Hook<Recovered>>,
    exhausted: Vec<Hook<Exhausted>>,
}

fn hook<E, F, Fut>(call: F) -> Hook<E>
where
    F: Fn(E) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    Arc::new(move |event| Box::pin(call(event)))
}

impl Hooks {
    pub(crate) fn on_retry<F, Fut>(&mut self, call: F)
    where
        F: Fn(Retrying) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.retry.push(hook(call));
    }

    pub(crate) fn on_success_after_retry<F, Fut>(&mut self, call: F)
    where
        F: Fn(Recovered) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.success_after_retry.push(hook(call));
    }

    pub(crate) fn on_exhausted<F, Fut>(&mut self, call: F)
    where
        F: Fn(Exhausted) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.exhausted.push(hook(call));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.retry.is_empty() && self.success_after_retry.is_empty() && self.exhausted.is_empty()
    }

    /// Starts the hooks for this event.
    pub(super) fn start(&self, event: &HookEvent) -> Vec<BoxFuture<'static, ()>> {
        match event {
            HookEvent::Retrying(event) => for_each(&self.retry, event),
            HookEvent::Recovered(event) => for_each(&self.success_after_retry, event),
            HookEvent::Exhausted(event) => for_each(&self.exhausted, event),
        }
    }
}

fn for_each<E: Clone>(hooks: &[Hook<E>], event: &E) -> Vec<BoxFuture<'static, ()>> {
    hooks.iter().filter_map(|hook| panics::catch_or_log("a hook", || hook(event.clone()))).collect()
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
