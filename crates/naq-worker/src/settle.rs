//! Settle: the new fact first, awaited, then the ack. The only place that acks.

use std::future::Future;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use naq_client::Wake;
use naq_core::stats::Ending;
use naq_core::transport::{Evidence, Fact, FactKind, Place, TransportError, Unfinished, Written};
use naq_core::{Envelope, JobState};
use tokio::sync::mpsc;

use crate::conclude::{Conclusion, Judged};
use crate::death::Death;
use crate::engine::{Engine, Queue};
use crate::execute::{Times, decode};
use crate::held::Held;
use crate::large_results::{LargeResult, LargeResults};
use crate::observe::{self, Sighting};
use crate::outage::backoff;
use crate::smaller::smaller;
use crate::{chores, follow_up};

/// A delivery whose fate is decided.
#[derive(Debug)]
pub(crate) struct Settlement {
    pub(crate) queue: Arc<Queue>,
    pub(crate) held: Arc<Held>,
    pub(crate) conclusion: Conclusion,
    /// The job, where a gate has to hear of its end.
    pub(crate) job: Option<Box<Envelope>>,
    /// What there is to count.
    pub(crate) seen: Option<Sighting>,
}

/// Settles whatever comes, many at once, for as long as the worker lives.
pub(crate) async fn settle_all(
    engine: Arc<Engine>,
    mut inbox: mpsc::UnboundedReceiver<Settlement>,
) {
    let mut under_way = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(settlement) = inbox.recv() => under_way.push(settle(&engine, settlement)),
            Some(()) = under_way.next() => {}
            // The engine has a sender itself, so this is only for completeness.
            else => return,
        }
    }
}

async fn settle(engine: &Engine, settlement: Settlement) {
    let Settlement { queue, held, conclusion, job, mut seen } = settlement;
    let mut next = Some(conclusion);
    while let Some(conclusion) = next {
        next = carry_out(engine, &held, conclusion, job.as_deref(), &mut seen).await;
    }
    if let Some(lost) = seen {
        engine.count(&held, &lost, Ending::Interrupted, false);
    }
    queue.held.remove(&held);
}

/// Carries one conclusion out. The answer is the one that follows it, or takes its place.
async fn carry_out(
    engine: &Engine,
    held: &Held,
    conclusion: Conclusion,
    job: Option<&Envelope>,
    seen: &mut Option<Sighting>,
) -> Option<Conclusion> {
    let fact = match &conclusion {
        Conclusion::Write(fact) | Conclusion::WriteResult(fact, _) => fact,
        Conclusion::Die(death) => death.next(),
        Conclusion::Finish => return finish(engine, held, job).await,
        Conclusion::Drop => {
            drop_ended(engine, held, job).await;
            held.kept.clear(&*engine.transport).await;
            if let Some(seen) = seen.take() {
                engine.count(held, &seen, seen.ending(), true);
            }
            return None;
        }
        Conclusion::GiveBack => return give_back(held).map(Conclusion::Write),
        Conclusion::LetGo => return None,
    };
    let parked = job.filter(|job| puts_aside(fact, job));
    match write(engine, held, fact).await {
        Ok(written) => {
            if !matches!(written, Written::Fenced | Written::Ended)
                && let Some(seen) = seen.take()
            {
                engine.count(held, &seen, came_to(fact, &seen), true);
            }
            match follow(conclusion, written) {
                Next::Then(conclusion) => return Some(conclusion),
                Next::End { state, awaited } => end(engine, held, state, awaited, job).await,
                Next::Ack => {
                    ack(engine, held).await;
                    if let Some(job) = parked {
                        engine.stage.gates.parked(job).await;
                    }
                }
                Next::LetGo => {
                    tracing::info!(job = %held.id(), "it has gone on without this attempt");
                }
            }
        }
        Err(Unwritten::TooLarge(reason)) => {
            return match conclusion {
                Conclusion::WriteResult(fact, times)
                    if engine.large_results == LargeResults::Store =>
                {
                    store_result(engine, held, fact, times, &reason, seen).await
                }
                conclusion => instead(engine, held, conclusion, &reason, seen),
            };
        }
        Err(Unwritten::LeaseLost) => {
            tracing::warn!(job = %held.id(), "lease lost before the outcome could be written");
        }
    }
    None
}

/// What a delivery came to whose fact is stored. It is not always what was decided: of what the
/// broker finds too large something else is written.
fn came_to(fact: &Fact, seen: &Sighting) -> Ending {
    match (fact.kind, fact.ends()) {
        (_, Some(state)) => observe::ended(state),
        (FactKind::Dead, None) => Ending::Dead,
        (FactKind::GiveBack, None) => Ending::Interrupted,
        (FactKind::Retry { .. } | FactKind::Record { .. }, None) => seen.ending(),
    }
}

/// Whether the job waits again, and no attempt was counted.
fn puts_aside(fact: &Fact, job: &Envelope) -> bool {
    let next = fact.message.step();
    matches!(fact.kind, FactKind::Retry { .. }) && next.is_some_and(|n| n.attempt == job.attempt)
}

/// What comes after a fact.
#[derive(Debug)]
enum Next {
    /// This.
    Then(Conclusion),
    /// The job has ended so: those who wait for it, then the ack.
    End { state: JobState, awaited: bool },
    /// The ack: it goes on elsewhere.
    Ack,
    /// Nothing: it is no longer ours.
    LetGo,
}

fn follow(conclusion: Conclusion, written: Written) -> Next {
    match (conclusion, written) {
        (_, Written::Fenced) => Next::LetGo,
        (_, Written::Ended) => Next::Then(Conclusion::Finish),
        (Conclusion::Die(death), written) if death.is_open() => {
            Next::Then(Conclusion::Die(Box::new(death.decided(written))))
        }
        (Conclusion::Die(death), _) => {
            Next::End { state: JobState::Dead, awaited: death.is_awaited() }
        }
        (Conclusion::Write(fact) | Conclusion::WriteResult(fact, _), written) => {
            let awaited = written == Written::Awaited;
            fact.ends().map_or(Next::Ack, |state| Next::End { state, awaited })
        }
        (conclusion, _) => Next::Then(conclusion),
    }
}

/// What takes the place of a conclusion that the broker finds too large: a job that nothing can be
/// written of would come back for ever.
fn instead(
    engine: &Engine,
    held: &Held,
    conclusion: Conclusion,
    reason: &str,
    seen: &mut Option<Sighting>,
) -> Option<Conclusion> {
    let stored = &held.delivery.stored;
    if let Conclusion::WriteResult(_, times) = conclusion {
        let Judged { conclusion, verdict } =
            engine.judge(|judge| judge.result_too_large(&held.delivery, times, reason));
        *seen = seen.take().map(|seen| seen.judged(verdict));
        return Some(conclusion);
    }
    let less = smaller(conclusion, stored, reason, engine.now());
    match less {
        Some(Conclusion::Drop) => {
            tracing::error!(job = %held.id(), "ended without a record: {reason}")
        }
        Some(_) => tracing::warn!(job = %held.id(), "stored with less in it: {reason}"),
        None => tracing::error!(job = %held.id(), "the broker does not take the outcome: {reason}"),
    }
    less
}

/// The result on its own, and then the record that says where it is. A crash in between leaves the
/// result without a record: the attempt runs again, and what it left expires.
async fn store_result(
    engine: &Engine,
    held: &Held,
    fact: Fact,
    times: Times,
    reason: &str,
    seen: &mut Option<Sighting>,
) -> Option<Conclusion> {
    let stored = &held.delivery.stored;
    let Some(large) = LargeResult::of(&fact, stored) else {
        return instead(engine, held, Conclusion::WriteResult(fact, times), reason, seen);
    };
    let put = async || {
        let LargeResult { blob, data, ttl, .. } = &large;
        match engine.transport.blob_put(&stored.key, blob, data.clone(), *ttl).await {
            Err(err @ TransportError::TooLarge { .. }) => Ok(Err(err.to_string())),
            stored => stored.map(Ok),
        }
    };
    match insist(engine, held, put).await? {
        Ok(()) => Some(Conclusion::Write(large.record)),
        Err(reason) => instead(engine, held, Conclusion::WriteResult(fact, times), &reason, seen),
    }
}

/// As it came; but with the deaths that only its delivery count told of.
fn give_back(held: &Held) -> Option<Fact> {
    let delivery = &held.delivery;
    let counted = match delivery.delivered {
        0 | 1 => None,
        _ => decode(delivery).ok(),
    };
    Fact::give_back(&delivery.stored, counted.as_ref())
        .or_else(|_| Fact::give_back(&delivery.stored, None))
        .inspect_err(|err| tracing::error!(job = %held.id(), "cannot be given back: {err}"))
        .ok()
}

/// The job has ended, and this delivery has no part in it. Whoever ended it may have died over it:
/// what is left to do is done before the message, which tells of it, goes.
async fn finish(engine: &Engine, held: &Held, job: Option<&Envelope>) -> Option<Conclusion> {
    let stored = &held.delivery.stored;
    let life = stored.step().nonce;
    let messages = insist(engine, held, || engine.transport.locate(&stored.key)).await?;
    let traces: Vec<Evidence> = messages.iter().map(Evidence::from).collect();
    let unfinished = Unfinished::of(&life, &traces);
    let record = messages.iter().find(|m| m.place == Place::Record && m.step().nonce == life);
    if unfinished.letter
        && let Some(death) = record.and_then(|record| Death::left_behind(record, stored))
    {
        return Some(Conclusion::Die(Box::new(death)));
    }
    match record.and_then(|record| record.record().ok()) {
        Some(record) => end(engine, held, record.state, unfinished.wake, job).await,
        None if traces.iter().any(|e| e.step.nonce == life && e.place == Place::Dead) => {
            end(engine, held, JobState::Dead, false, job).await;
        }
        None if record.is_some() => {
            let state = match traces.iter().any(|e| e.step.nonce == life && e.died) {
                true => JobState::Dead,
                false => JobState::Completed,
            };
            tracing::warn!(job = %held.id(), "its record cannot be read; it counts as {state}");
            end(engine, held, state, unfinished.wake, job).await;
        }
        // Its record has vanished in this moment: it comes back, and nothing is known of its end.
        None => {}
    }
    None
}

/// After the record, and before the ack: a crash in between brings the message back, and with it
/// whoever does the rest.
async fn end(engine: &Engine, held: &Held, state: JobState, awaited: bool, job: Option<&Envelope>) {
    if awaited {
        let stored = &held.delivery.stored;
        let wake = Wake::new(stored.key.clone(), &stored.step().nonce, state);
        let Some(()) = insist(engine, held, || chores::wake(engine, &wake)).await else { return };
    }
    if state == JobState::Dead {
        let Some(()) = Box::pin(follow_up::send(engine, held)).await else { return };
    }
    drop_ended(engine, held, job).await;
    // What a dead job has kept is for its requeue.
    if state != JobState::Dead {
        held.kept.clear(&*engine.transport).await;
    }
}

/// Tells the gates that the job has ended, and acks.
async fn drop_ended(engine: &Engine, held: &Held, job: Option<&Envelope>) {
    if let Some(job) = job {
        engine.stage.gates.ended(job, engine.now()).await;
    }
    ack(engine, held).await;
}

/// Why a fact is not stored.
enum Unwritten {
    LeaseLost,
    TooLarge(String),
}

async fn write(engine: &Engine, held: &Held, fact: &Fact) -> Result<Written, Unwritten> {
    let write = async || match engine.transport.write(fact).await {
        Err(err @ TransportError::TooLarge { .. }) => Ok(Err(err.to_string())),
        written => written.map(Ok),
    };
    match insist(engine, held, write).await {
        Some(written) => written.map_err(Unwritten::TooLarge),
        None => Err(Unwritten::LeaseLost),
    }
}

/// A lost ack brings the message back as a suspect, so there is no harm in giving up.
async fn ack(engine: &Engine, held: &Held) {
    insist(engine, held, async || held.handle().ack().await).await;
}

/// Asks the broker until it answers, the same again after an error, for as long as the lease holds.
/// Also after errors that are not transient: permissions come back, and until then the job is at
/// least not run over and over. None when the lease is lost.
pub(crate) async fn insist<T, F>(
    engine: &Engine,
    held: &Held,
    mut ask: impl FnMut() -> F,
) -> Option<T>
where
    F: Future<Output = Result<T, TransportError>>,
{
    let mut failures = 0;
    while !held.is_lost() {
        match ask().await {
            Ok(answer) => {
                engine.settling.ok(engine.now());
                return Some(answer);
            }
            Err(err) => {
                engine.settling.failed(&err, engine.now());
                failures += 1;
                engine.sleep(backoff(failures)).await;
            }
        }
    }
    None
}
