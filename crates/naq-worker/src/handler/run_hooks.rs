//! [`run_hooks`]: runs the hooks of one event.
//!
//! They run in the job's slot, after the decision and before it is stored. If the worker dies in
//! between, another worker calls them again. So they run at least once, and best effort. Work that
//! must happen needs a job of its own (`on_exhausted_job`).

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use naq_core::{JobId, Timer};

use super::events::HookEvent;
use super::hooks::Hooks;
use crate::panics;

/// How long all hooks of one event have together. The job's lease is renewed meanwhile, and its
/// slot is in use.
const HOOK_TIMEOUT: Duration = Duration::from_secs(3);

/// Runs all hooks of an event. Hooks that panic or take too long are logged and dropped.
pub(crate) async fn run_hooks(hooks: &[&Hooks], event: &HookEvent, job: &JobId, timer: &dyn Timer) {
    let mut started: Vec<_> = hooks.iter().flat_map(|hooks| hooks.start(event)).collect();
    if started.is_empty() {
        return;
    }
    let all = started.iter_mut().map(|hook| AssertUnwindSafe(hook).catch_unwind().map(log_panic));
    tokio::select! {
        biased;
        _ = join_all(all) => {}
        () = timer.sleep_until(timer.now() + HOOK_TIMEOUT) => {
            tracing::warn!(%job, "a hook was dropped: it took longer than {HOOK_TIMEOUT:?}");
        }
    }
    // One by one: each may panic when it is dropped.
    for hook in started {
        panics::catch_or_log("a hook", || drop(hook));
    }
}

fn log_panic(end: Result<(), Box<dyn Any + Send>>) {
    if let Err(panic) = end {
        panics::log_panic("a hook", &panics::panic_message(panic));
    }
}
