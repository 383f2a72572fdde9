//! Gate: passes the gates that guard the job, and leaves them when its attempt is over.

use naq_core::flow::Limit;
use naq_core::retry::Rule;
use naq_core::{Envelope, Timestamp};

use super::guarded::STOP_GRACE;
use crate::decide::DeliveryOutcome;
use crate::delivery::{HeldDelivery, StopReason};
use crate::engine::AttemptDeps;
use crate::gates::{EnteredGates, GateAnswer, GateExit, HoldBack};
use crate::outage::backoff;

/// The gates that the job has passed.
#[derive(Debug, Default)]
pub(super) struct PassedGates {
    entered: EnteredGates,
    /// The job as the gates saw it. None for a job that no gate guards.
    job: Option<Envelope>,
}

impl PassedGates {
    /// Leaves the gates, which learn how the call ended.
    pub(super) async fn leave(
        &mut self,
        deps: &AttemptDeps,
        held: &HeldDelivery,
        outcome: &DeliveryOutcome,
    ) {
        if let Some(job) = &self.job {
            let stored = &held.delivery.stored;
            self.entered.leave(job, stored, &outcome.gate_exit(), deps.timer.now()).await;
        }
    }
}

/// Waits until every gate lets the job start, or one holds it back.
pub(super) async fn pass_gates(
    deps: &AttemptDeps,
    held: &HeldDelivery,
    job: Envelope,
) -> Result<(Envelope, PassedGates), Box<DeliveryOutcome>> {
    if deps.gates.any_applies(&job) {
        Box::pin(pass_those_that_apply(deps, held, job)).await
    } else {
        Ok((job, PassedGates::default()))
    }
}

async fn pass_those_that_apply(
    deps: &AttemptDeps,
    held: &HeldDelivery,
    mut job: Envelope,
) -> Result<(Envelope, PassedGates), Box<DeliveryOutcome>> {
    let mut entered = EnteredGates::default();
    let answer =
        ask(deps, held, &job, &mut entered).await.map_err(|reason| Box::new(reason.into()))?;
    match (held.stop_reason(), &answer) {
        (None, _) => {}
        // The worker shuts down, and a gate holds the job back. That the job waits is stored all
        // the same.
        (Some(StopReason::Shutdown), answer) if *answer != GateAnswer::Pass => {}
        (Some(reason), _) => {
            leave_undecided(deps, held, &job, &mut entered).await;
            return Err(Box::new(reason.into()));
        }
    }
    match answer {
        GateAnswer::Pass => {
            let passed = PassedGates { entered, job: Some(job.clone()) };
            // A start time is for one attempt; the next one asks again.
            job.limits.iter_mut().for_each(Limit::started);
            Ok((job, passed))
        }
        GateAnswer::HoldBack { until, rule, by, reason } => {
            // The dependency gate is asked first: a job that another gate holds back has passed it.
            let dependencies_met = rule != Rule::Dependencies;
            Err(held_back(job, HoldBack { until, rule, by, reason, dependencies_met }))
        }
        GateAnswer::WaitUntilDue { until } => {
            let reason = "the jobs that it depends on have ended; it waits for its time".into();
            let rule = Rule::Dependencies;
            Err(held_back(job, HoldBack { until, rule, by: None, reason, dependencies_met: true }))
        }
        GateAnswer::Reserve { until, by, reason, limits } => {
            job.limits = limits;
            let (rule, by) = (Rule::Limit, Some(by));
            Err(held_back(job, HoldBack { until, rule, by, reason, dependencies_met: true }))
        }
        GateAnswer::Stop(decision) => {
            held.saved.mark_not_run(&job);
            Err(Box::new(DeliveryOutcome::NotRun(job, decision)))
        }
    }
}

fn held_back(job: Envelope, hold: HoldBack) -> Box<DeliveryOutcome> {
    Box::new(DeliveryOutcome::HeldBack(job, hold))
}

/// Asks the gates again after each error, until they answer. The error is the reason why the job
/// must stop.
async fn ask(
    deps: &AttemptDeps,
    held: &HeldDelivery,
    job: &Envelope,
    entered: &mut EnteredGates,
) -> Result<GateAnswer, StopReason> {
    let mut failures = 0;
    loop {
        if let Some(reason) = held.stop_reason() {
            return Err(reason);
        }
        let now: Timestamp = deps.timer.now();
        let answer = tokio::select! {
            biased;
            answer = deps.gates.enter(job, &held.delivery.stored, now, entered) => answer,
            () = stop_grace_over(deps, held) => {
                leave_undecided(deps, held, job, entered).await;
                continue;
            }
        };
        match answer {
            Ok(answer) => return Ok(answer),
            Err(err) => {
                failures += 1;
                tracing::warn!("a gate does not answer: {err}");
                let again = deps.timer.now() + backoff(failures);
                tokio::select! {
                    () = deps.timer.sleep_until(again) => {}
                    () = held.stop_token.cancelled() => {}
                }
            }
        }
    }
}

async fn leave_undecided(
    deps: &AttemptDeps,
    held: &HeldDelivery,
    job: &Envelope,
    entered: &mut EnteredGates,
) {
    let stored = &held.delivery.stored;
    entered.leave(job, stored, &GateExit::Undecided, deps.timer.now()).await;
}

/// Returns some time after the job has to stop. By then a request of a gate that was in flight has
/// been answered, so that the gate can give back what it got.
async fn stop_grace_over(deps: &AttemptDeps, held: &HeldDelivery) {
    held.stop_token.cancelled().await;
    deps.timer.sleep_until(deps.timer.now() + STOP_GRACE).await;
}
