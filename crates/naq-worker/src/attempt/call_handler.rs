//! Calls a handler or a fallback.

use std::sync::Arc;

use naq_core::seal::SealKind;
use naq_core::{ErrorKind, Failure, Payload};

use super::guarded::{HandlerOutcome, run_guarded};
use crate::delivery::{HeldDelivery, StopReason};
use crate::engine::AttemptDeps;
use crate::handler::{AttemptContext, Context, Handler, TaskTable};
use crate::panics;

/// Calls a handler or a fallback once. The outer error names why it had to stop. `blocks` says that it
/// runs on a thread for blocking calls.
pub(super) async fn call_handler(
    deps: &AttemptDeps,
    held: &HeldDelivery,
    handler: &Handler,
    blocks: bool,
    running: &Arc<AttemptContext>,
) -> Result<Result<Payload, Failure>, StopReason> {
    let timeout = running.envelope.timeout;
    // The call clones the state, which is the user's code as well.
    let outcome = match panics::catch_panic(|| handler(Context::new(running.clone()))) {
        Ok(future) => run_guarded(future, held, &*deps.timer, timeout).await,
        Err(message) => HandlerOutcome::Panicked(message),
    };
    let result = match outcome {
        HandlerOutcome::Returned(result) => {
            let result = result.map_err(|failure| classify(&deps.tasks, failure));
            result.and_then(|result| as_stored(running, result))
        }
        HandlerOutcome::Panicked(message) => Err(Failure::new(ErrorKind::PANIC, message)),
        HandlerOutcome::TimedOut => {
            let limit = naq_core::retry::BriefDuration(timeout.unwrap_or_default());
            let runs_on =
                if blocks { "; its thread cannot be stopped, and may still run" } else { "" };
            let text = format!("took longer than its timeout, {limit}{runs_on}");
            Err(Failure::new(ErrorKind::TIMEOUT, text))
        }
        HandlerOutcome::Stopped(reason) => return Err(reason),
    };
    // Before it is stored, logged or counted anywhere.
    Ok(result.map_err(|failure| protected(running, failure.redacted(&deps.redactor))))
}

/// The failure of a job whose arguments are encrypted has its message encrypted, too, if the client does that.
fn protected(running: &AttemptContext, failure: Failure) -> Failure {
    let Some(job) = &running.encrypted else { return failure };
    let (kind, advice) = (failure.kind().clone(), failure.advice());
    job.seal_failure(failure).unwrap_or_else(|_| {
        Failure::new(kind, "the message could not be encrypted").with_advice(advice)
    })
}

/// A large result is stored compressed, if the client does that. The result of a job whose arguments are encrypted
/// is stored encrypted, too.
fn as_stored(running: &AttemptContext, result: Payload) -> Result<Payload, Failure> {
    match &running.encrypted {
        None => running.client.compressed(&result).map_err(|err| {
            Failure::new(ErrorKind::VALUE, format!("the handler's result: {err}")).fatal()
        }),
        Some(job) => job.seal(SealKind::Result, &result).map_err(|err| {
            Failure::new(ErrorKind::ENCRYPTION, format!("the handler's result: {err}")).fatal()
        }),
    }
}

/// A classifier is the user's code too.
fn classify(tasks: &TaskTable, failure: Failure) -> Failure {
    panics::catch_panic(|| tasks.classify(failure)).unwrap_or_else(|message| {
        Failure::new(ErrorKind::PANIC, format!("while the error was classified: {message}"))
    })
}
