//! Carries out settlements, one after the other, until a delivery is settled.

use naq_core::stats::Ending;
use naq_core::transport::{Fact, FactKind, TransportError, Written};
use naq_core::{Envelope, JobState};

use super::end::{ack_ended, end, finish_end};
use super::insist::{ack, insist};
use crate::decide::{
    DecidedSettlement, LargeResult, LargeResults, Settlement, Times, TooLarge, fit,
};
use crate::delivery::HeldJob;
use crate::engine::{Engine, PendingObservation, SettleRequest};
use crate::report::ending_of_state;

/// A delivery that is being settled.
struct Settling<'a> {
    engine: &'a Engine,
    held: &'a HeldJob,
    /// The job, for the gates that have to know when it ends.
    job: Option<&'a Envelope>,
    /// None once it is counted.
    observation: Option<PendingObservation>,
    /// The largest message that the broker takes, in bytes.
    max_payload: usize,
}

/// What comes after a fact.
enum Next {
    /// This settlement.
    Then(Settlement),
    /// The job has ended so.
    End { state: JobState, awaited: bool },
    /// The ack: the job goes on elsewhere.
    Ack,
    /// Nothing: another worker has the job.
    Abandon,
}

pub(super) async fn settle(engine: &Engine, request: SettleRequest) {
    let SettleRequest { queue, held, settlement, job, observation } = request;
    let max_payload = engine.transport.max_payload();
    let job = job.as_deref();
    let mut settling = Settling { engine, held: &held, job, observation, max_payload };
    let mut next = Some(settlement);
    while let Some(settlement) = next {
        next = settling.carry_out(settlement).await;
    }
    if let Some(uncounted) = &settling.observation {
        engine.count_unsettled(&held, uncounted);
    }
    queue.held.remove(&held);
}

impl Settling<'_> {
    /// The answer is the settlement that follows this one, or takes its place.
    async fn carry_out(&mut self, settlement: Settlement) -> Option<Settlement> {
        let (engine, held) = (self.engine, self.held);
        match settlement {
            Settlement::Abandon => None,
            Settlement::FinishEnd => finish_end(engine, held, self.job).await,
            Settlement::GiveBack => given_back(held).map(Settlement::Store),
            Settlement::Ack => {
                ack_ended(engine, held, self.job).await;
                held.saved.clear(&*engine.transport).await;
                self.count(|decided| decided);
                None
            }
            settlement => self.store(settlement).await,
        }
    }

    /// Stores the next fact of the settlement, and does what comes after it.
    async fn store(&mut self, settlement: Settlement) -> Option<Settlement> {
        let (engine, held) = (self.engine, self.held);
        let fact = settlement.next_fact()?;
        let size = fact.message.size();
        if size > self.max_payload {
            let err = TransportError::TooLarge { size, max: self.max_payload };
            return self.fit(settlement, err.to_string()).await;
        }
        let put_aside = self.job.filter(|job| waits_without_attempt(fact, job));
        let write = async || match engine.transport.write(fact).await {
            Err(err @ TransportError::TooLarge { .. }) => Ok(Err(err)),
            written => written.map(Ok),
        };
        let written = match insist(engine, held, write).await {
            None => {
                tracing::warn!(job = %held.id(), "lease lost before the outcome could be stored");
                return None;
            }
            Some(Err(err)) => {
                // With what the transport adds it is over the limit, or the limit was lowered.
                self.max_payload = lowered(size, &err);
                return self.fit(settlement, err.to_string()).await;
            }
            Some(Ok(written)) => written,
        };
        if !matches!(written, Written::Fenced | Written::Ended) {
            self.count(|decided| ending_of_fact(fact, decided));
        }
        match after(settlement, written) {
            Next::Then(settlement) => return Some(settlement),
            Next::End { state, awaited } => end(engine, held, state, awaited, self.job).await,
            Next::Ack => {
                ack(engine, held).await;
                if let Some(job) = put_aside {
                    engine.deps.gates.put_aside(job).await;
                }
            }
            Next::Abandon => {
                tracing::info!(job = %held.id(), "not stored: the job has gone on without this attempt");
            }
        }
        None
    }

    /// Counts the delivery once.
    fn count(&mut self, ending: impl FnOnce(Ending) -> Ending) {
        if let Some(pending) = self.observation.take() {
            let ending = ending(pending.ending());
            self.engine.count_settled(self.held, &pending, ending);
        }
    }

    /// What takes the place of a settlement whose fact is too large. A job of which nothing could be
    /// stored would come back for ever.
    async fn fit(&mut self, settlement: Settlement, reason: String) -> Option<Settlement> {
        if let Settlement::StoreResult(fact, times) = settlement {
            return self.fit_result(fact, times, reason).await;
        }
        let held = self.held;
        let limit = TooLarge { max: self.max_payload, reason };
        let stored = &held.delivery.stored;
        let fitted = fit(settlement, stored, || held.read_job().ok(), &limit, self.engine.now());
        let (job, reason) = (held.id(), &limit.reason);
        match fitted {
            Some(Settlement::Ack) => tracing::error!(%job, "ended without a record: {reason}"),
            Some(_) => tracing::warn!(%job, "stored in a smaller form: {reason}"),
            None => tracing::error!(%job, "the broker does not take the outcome: {reason}"),
        }
        fitted
    }

    /// Stores the result in a blob, and then the record that says where it is. A crash in between
    /// leaves a blob without a record: the attempt runs again, and the blob expires.
    async fn fit_result(&mut self, fact: Fact, times: Times, reason: String) -> Option<Settlement> {
        let (engine, held) = (self.engine, self.held);
        let stored = &held.delivery.stored;
        let large = match engine.large_results {
            LargeResults::Store => LargeResult::of(&fact, stored),
            LargeResults::Refuse => None,
        };
        let Some(large) = large else { return Some(self.refuse_result(times, &reason)) };
        let put = async || {
            let LargeResult { blob, data, ttl, .. } = &large;
            match engine.transport.blob_put(&stored.key, blob, data.clone(), *ttl).await {
                Err(err @ TransportError::TooLarge { .. }) => Ok(Err(err.to_string())),
                stored => stored.map(Ok),
            }
        };
        match insist(engine, held, put).await? {
            Ok(()) => Some(Settlement::Store(large.record)),
            Err(reason) => Some(self.refuse_result(times, &reason)),
        }
    }

    fn refuse_result(&mut self, times: Times, reason: &str) -> Settlement {
        let stored = &self.held.delivery.stored;
        let DecidedSettlement { settlement, ending } =
            self.engine.decider().result_too_large(stored, self.held.read_job(), times, reason);
        self.observation = self.observation.take().map(|pending| pending.with_ending(ending));
        settlement
    }
}

/// The limit for the message itself, after a message of this size was refused.
fn lowered(size: usize, refused: &TransportError) -> usize {
    let over = match refused {
        TransportError::TooLarge { size, max } => size.saturating_sub(*max),
        _ => 0,
    };
    size.saturating_sub(over.max(1))
}

/// How a delivery counts whose fact is stored. It may be another fact than was decided: a smaller one
/// for one that was too large.
fn ending_of_fact(fact: &Fact, decided: Ending) -> Ending {
    match (fact.kind, fact.ends()) {
        (_, Some(state)) => ending_of_state(state),
        (FactKind::Dead, None) => Ending::Dead,
        (FactKind::GiveBack, None) => Ending::Interrupted,
        (FactKind::Retry { .. } | FactKind::Record { .. }, None) => decided,
    }
}

/// Whether the job waits again, and no attempt was counted.
fn waits_without_attempt(fact: &Fact, job: &Envelope) -> bool {
    let next = fact.message.step();
    matches!(fact.kind, FactKind::Retry { .. }) && next.is_some_and(|n| n.attempt == job.attempt)
}

fn after(settlement: Settlement, written: Written) -> Next {
    match (settlement, written) {
        (_, Written::Fenced) => Next::Abandon,
        (_, Written::Ended) => Next::Then(Settlement::FinishEnd),
        (Settlement::Bury(death), written) if death.needs_record() => {
            Next::Then(Settlement::Bury(Box::new(death.recorded(written))))
        }
        (Settlement::Bury(death), _) => {
            Next::End { state: JobState::Dead, awaited: death.is_awaited() }
        }
        (Settlement::Store(fact) | Settlement::StoreResult(fact, _), written) => {
            let awaited = written == Written::Awaited;
            fact.ends().map_or(Next::Ack, |state| Next::End { state, awaited })
        }
        (settlement, _) => Next::Then(settlement),
    }
}

/// The job as it came; with the crashes that only the delivery count shows, if they fit.
fn given_back(held: &HeldJob) -> Option<Fact> {
    let delivery = &held.delivery;
    let counted = match delivery.delivered {
        0 | 1 => None,
        _ => held.read_job().ok(),
    };
    Fact::give_back(&delivery.stored, counted.as_ref())
        .or_else(|_| Fact::give_back(&delivery.stored, None))
        .inspect_err(|err| tracing::error!(job = %held.id(), "cannot be given back: {err}"))
        .ok()
}
