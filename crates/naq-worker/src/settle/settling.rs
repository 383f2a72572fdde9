//! [`Settling`]: carries out one settlement after the other, until a delivery is settled.

use std::sync::atomic::{AtomicU32, Ordering};

use naq_core::metrics::RECORDS_NOT_STORED;
use naq_core::stats::Ending;
use naq_core::transport::{Fact, FactKind, NO_TTL, TransportError, Written};
use naq_core::{Envelope, JobState};

use super::job_end::{ack_ended, end_job, finish_ended};
use super::until_answered::{ack, until_answered, until_refused};
use super::{cancelled, follow_up};
use crate::decide::{
    LargeArgs, LargeResult, LargeResults, RunTimes, SettlePlan, Settlement, SizeLimit, fit_result,
    fit_settlement,
};
use crate::delivery::HeldDelivery;
use crate::engine::{FullTime, PendingObservation, SettleRequest, WorkerQueue, WorkerState};
use crate::report::ending_of_state;

/// The target of the log line that says when the outcome of an attempt was stored.
const OUTCOME_STORED: &str = "naq_worker::outcome_stored";

/// A delivery that is being settled.
///
/// Hundreds are under way at once, and each has its future in memory of its own. What few jobs need is
/// in a box of its own (`Box::pin`), so that the future of every job is small.
struct Settling<'a> {
    worker: &'a WorkerState,
    queue: &'a WorkerQueue,
    held: &'a HeldDelivery,
    /// The job, for the gates that have to know when it ends.
    gated_job: Option<&'a Envelope>,
    /// None once it is counted.
    observation: Option<PendingObservation>,
    /// The largest message that the broker takes, in bytes.
    max_payload: usize,
}

/// What comes after a fact.
enum AfterFact {
    /// This settlement.
    Settle(Settlement),
    /// The end of the job: release the jobs that wait for it, then ack.
    JobEnded { state: JobState, awaited: bool },
    /// The ack: the job waits in the broker again.
    Ack,
    /// Nothing: another worker has the job.
    Abandon,
}

pub(super) async fn settle(worker: &WorkerState, request: SettleRequest) {
    let SettleRequest { queue, held, settlement, gated_job, observation } = request;
    let max_payload = worker.transport.max_payload();
    let gated_job = gated_job.as_deref();
    let mut settling =
        Settling { worker, queue: &queue, held: &held, gated_job, observation, max_payload };
    let mut next = Some(settlement);
    while let Some(settlement) = next {
        next = settling.settle_step(settlement).await;
    }
    if let Some(uncounted) = &settling.observation {
        worker.count_unsettled(&held, uncounted);
    }
    worker.apart_line.leave(&held);
    queue.held.remove(&held);
}

impl Settling<'_> {
    fn may_be_elsewhere(&self) -> bool {
        self.held.may_be_elsewhere() || self.queue.stood_still(self.worker.now())
    }

    /// The answer is the settlement that follows this one, or takes its place.
    async fn settle_step(&mut self, settlement: Settlement) -> Option<Settlement> {
        let (worker, held) = (self.worker, self.held);
        match settlement {
            Settlement::Abandon => None,
            Settlement::FinishEnded => Box::pin(finish_ended(worker, held, self.gated_job)).await,
            Settlement::EndCancelled => {
                Some(Box::pin(cancelled::record_cancelled(worker, held)).await)
            }
            // Another worker may have it, and then a second message would make it run twice. A job that
            // runs here is in the list of this worker, so no other worker has begun it.
            Settlement::GiveBack if self.may_be_elsewhere() && held.started_at().is_none() => {
                tracing::debug!(job = %held.job_id(), "not given back: its lease may be over");
                None
            }
            Settlement::GiveBack => give_back_fact(held).map(Settlement::Store),
            Settlement::AckOnly => {
                ack_ended(worker, held, self.gated_job).await;
                held.saved.remove(&*worker.transport).await;
                self.count(|decided| decided);
                None
            }
            Settlement::StoreDeath(death) if death.follow_up_pending() => {
                let reason =
                    Box::pin(follow_up::before_letter(worker, held, death.letter())).await?;
                let death = death.follow_up_decided(&held.delivery.stored, reason);
                Some(Settlement::StoreDeath(Box::new(death)))
            }
            settlement => self.store(settlement).await,
        }
    }

    /// Stores the next fact of the settlement, and does what comes after it.
    async fn store(&mut self, settlement: Settlement) -> Option<Settlement> {
        let (worker, held) = (self.worker, self.held);
        let fact = settlement.next_fact()?;
        let size = fact.message.size();
        if size > self.max_payload {
            let err = TransportError::TooLarge { size, max: self.max_payload };
            return Box::pin(self.fit(settlement, err.to_string())).await;
        }
        let held_back = self.gated_job.filter(|job| is_held_back(fact, job));
        let tries = AtomicU32::new(0);
        let write = async || match worker.transport.write(fact).await {
            Err(err @ TransportError::TooLarge { .. }) => Ok(Err(err)),
            Err(err) if can_do_without(fact, &err) => {
                let tries = tries.fetch_add(1, Ordering::Relaxed) + 1;
                match worker.full_store.gives_up(tries, worker.now()) {
                    true => Ok(Ok(self.give_up_record(&err))),
                    false => Err(err),
                }
            }
            Ok(written) => {
                self.record_stored(fact);
                Ok(Ok(written))
            }
            Err(err) => Err(err),
        };
        let written = match until_answered(worker, held, write).await {
            None => {
                tracing::warn!(job = %held.job_id(), "lease lost before the outcome could be stored");
                return None;
            }
            Some(Err(err)) => {
                // The transport's own headers make it too large, or the limit was lowered
                // meanwhile.
                self.max_payload = lower_limit(size, &err);
                return Box::pin(self.fit(settlement, err.to_string())).await;
            }
            Some(Ok(written)) => written,
        };
        if !matches!(written, Written::Fenced | Written::Ended) {
            tracing::debug!(target: OUTCOME_STORED, job = %held.job_id(), "outcome stored");
            self.count(|decided| counted_ending(fact, decided));
        }
        match after_fact(settlement, written) {
            AfterFact::Settle(settlement) => return Some(settlement),
            AfterFact::JobEnded { state, awaited } => {
                end_job(worker, held, state, awaited, self.gated_job).await
            }
            AfterFact::Ack => {
                ack(worker, held).await;
                if let Some(job) = held_back {
                    Box::pin(worker.deps.gates.held_back(job)).await;
                }
            }
            AfterFact::Abandon => {
                tracing::info!(job = %held.job_id(), "not stored: the job has left this worker");
            }
        }
        None
    }

    /// The job is acked without its record, as if it was stored. No job waits for it.
    fn give_up_record(&self, why: &TransportError) -> Written {
        let (worker, held) = (self.worker, self.held);
        let queue = &held.delivery.stored.key.queue;
        RECORDS_NOT_STORED.counter(&[queue.as_str()]).increment(1);
        let job = held.job_id();
        if worker.full_store.gave_up(worker.now()) {
            tracing::error!(%job, "acked without a record, as all jobs whose record does not fit: {why}");
        } else {
            tracing::debug!(%job, "acked without a record: {why}");
        }
        Written::Stored
    }

    fn record_stored(&self, fact: &Fact) {
        if !matches!(fact.kind, FactKind::Record { .. }) {
            return;
        }
        if let Some(FullTime { lasted, unrecorded }) =
            self.worker.full_store.stored(|| self.worker.now())
        {
            let lasted = naq_core::retry::BriefDuration(lasted);
            tracing::info!(
                "the store takes records again after {lasted}; {unrecorded} jobs ended without one"
            );
        }
    }

    /// Counts the delivery once.
    fn count(&mut self, ending: impl FnOnce(Ending) -> Ending) {
        if let Some(pending) = self.observation.take() {
            let ending = ending(pending.ending());
            self.worker.count_settled(self.held, &pending, ending);
        }
    }

    /// What takes the place of a settlement whose fact is too large. Without any fact the job would
    /// run again and again.
    async fn fit(&mut self, settlement: Settlement, reason: String) -> Option<Settlement> {
        if let Settlement::StoreResult(fact, times) = settlement {
            return self.fit_result(fact, times, reason).await;
        }
        let settlement = match self.move_args(settlement, &reason).await? {
            Ok(moved) => return Some(moved),
            Err(settlement) => settlement,
        };
        let held = self.held;
        let limit = SizeLimit { max: self.max_payload, reason };
        let stored = &held.delivery.stored;
        let fitted =
            fit_settlement(settlement, stored, || held.read_job().ok(), &limit, self.worker.now());
        let (job, reason) = (held.job_id(), &limit.reason);
        match fitted {
            Some(Settlement::AckOnly) => tracing::error!(%job, "ended without a record: {reason}"),
            Some(_) => tracing::warn!(%job, "stored in a smaller form: {reason}"),
            None => tracing::error!(%job, "the broker refuses every form of the outcome: {reason}"),
        }
        fitted
    }

    /// Stores the arguments in a blob; then comes the settlement that names the blob. A crash in between
    /// leaves a blob that no message names. The settlement comes back as the error if its arguments
    /// cannot be moved. None when the lease was lost meanwhile.
    async fn move_args(
        &mut self,
        settlement: Settlement,
        reason: &str,
    ) -> Option<Result<Settlement, Settlement>> {
        let (worker, held) = (self.worker, self.held);
        let stored = &held.delivery.stored;
        let Some(large) = LargeArgs::of(&settlement, stored, self.max_payload) else {
            return Some(Err(settlement));
        };
        let LargeArgs { blob, args, settlement: moved } = large;
        let put = || worker.transport.blob_put(&stored.key, &blob, args.clone(), NO_TTL);
        match until_refused(worker, held, put).await? {
            Ok(()) => {
                tracing::warn!(job = %held.job_id(), "its arguments are in a blob now: {reason}");
                Some(Ok(moved))
            }
            Err(err) => {
                tracing::error!(job = %held.job_id(), "its arguments cannot be moved to a blob: {err}");
                Some(Err(settlement))
            }
        }
    }

    /// Stores the result in a blob, and then the record that says where it is. A crash in between
    /// leaves a blob without a record: the attempt runs again, and the blob expires.
    async fn fit_result(
        &mut self,
        fact: Fact,
        times: RunTimes,
        reason: String,
    ) -> Option<Settlement> {
        let (worker, held) = (self.worker, self.held);
        let stored = &held.delivery.stored;
        let large = match worker.large_results {
            LargeResults::Store => LargeResult::of(&fact, stored),
            LargeResults::Refuse => None,
        };
        let Some(large) = large else { return Some(self.result_or_death(fact, times, &reason)) };
        let put = async || {
            let LargeResult { blob, data, ttl, .. } = &large;
            match worker.transport.blob_put(&stored.key, blob, data.clone(), *ttl).await {
                Err(err @ TransportError::TooLarge { .. }) => Ok(Err(err.to_string())),
                stored => stored.map(Ok),
            }
        };
        match until_refused(worker, held, put).await? {
            Ok(Ok(())) => Some(Settlement::Store(large.record)),
            Ok(Err(reason)) => Some(self.result_or_death(fact, times, &reason)),
            Err(err) => Some(self.result_or_death(fact, times, &err.to_string())),
        }
    }

    /// The result in a record without what is known elsewhere. If the result alone is too large, the
    /// job is dead.
    fn result_or_death(&mut self, fact: Fact, times: RunTimes, reason: &str) -> Settlement {
        let stored = &self.held.delivery.stored;
        if let Some(smaller) = fit_result(&fact, stored, self.max_payload) {
            let job = self.held.job_id();
            tracing::warn!(%job, "its record lacks the arguments: {reason}");
            return Settlement::StoreResult(smaller, times);
        }
        let SettlePlan { settlement, ending } = self.worker.settle_planner().result_too_large(
            stored,
            self.held.read_job(),
            times,
            reason,
        );
        self.observation = self.observation.take().map(|pending| pending.with_ending(ending));
        settlement
    }
}

/// Whether the job can be acked although this fact was not stored: the store is full, and the fact is the
/// record of an end that no other job waits for. Without a record the job ran, and is not known any more.
/// Without a retry or a dead letter it would be lost.
fn can_do_without(fact: &Fact, err: &TransportError) -> bool {
    let is_awaited = !matches!(err, TransportError::StoreFull { awaited: Some(false), .. });
    let ends = matches!(fact.kind, FactKind::Record { state, .. } if state != JobState::Dead);
    ends && !is_awaited
}

/// The limit for the message itself, after a message of this size was refused.
fn lower_limit(size: usize, refused: &TransportError) -> usize {
    let over = match refused {
        TransportError::TooLarge { size, max } => size.saturating_sub(*max),
        _ => 0,
    };
    size.saturating_sub(over.max(1))
}

/// How a delivery counts once its fact is stored. The fact may not be the decided one, which may
/// have been too large.
fn counted_ending(fact: &Fact, decided: Ending) -> Ending {
    match (fact.kind, fact.ends()) {
        (_, Some(state)) => ending_of_state(state),
        (FactKind::Dead, None) => Ending::Dead,
        (FactKind::GiveBack, None) => Ending::Interrupted,
        (FactKind::Retry { .. } | FactKind::Record { .. }, None) => decided,
    }
}

/// Whether the job waits again, and no attempt was counted.
fn is_held_back(fact: &Fact, job: &Envelope) -> bool {
    let next = fact.message.step();
    matches!(fact.kind, FactKind::Retry { .. }) && next.is_some_and(|n| n.attempt == job.attempt)
}

fn after_fact(settlement: Settlement, written: Written) -> AfterFact {
    match (settlement, written) {
        (_, Written::Fenced) => AfterFact::Abandon,
        (_, Written::Ended) => AfterFact::Settle(Settlement::FinishEnded),
        (Settlement::StoreDeath(death), written) if death.record_pending() => {
            AfterFact::Settle(Settlement::StoreDeath(Box::new(death.record_written(written))))
        }
        (Settlement::StoreDeath(death), _) => {
            AfterFact::JobEnded { state: JobState::Dead, awaited: death.is_awaited() }
        }
        (Settlement::Store(fact) | Settlement::StoreResult(fact, _), written) => {
            let awaited = written == Written::Awaited;
            fact.ends().map_or(AfterFact::Ack, |state| AfterFact::JobEnded { state, awaited })
        }
        (settlement, _) => AfterFact::Settle(settlement),
    }
}

/// The job unchanged, but with the crashes that were found.
fn give_back_fact(held: &HeldDelivery) -> Option<Fact> {
    let delivery = &held.delivery;
    let counted = match held.new_crashes() {
        0 => None,
        _ => held.read_job().ok(),
    };
    Fact::give_back(&delivery.stored, counted.as_ref())
        .or_else(|_| Fact::give_back(&delivery.stored, None))
        .inspect_err(|err| tracing::error!(job = %held.job_id(), "cannot be given back: {err}"))
        .ok()
}
