//! Settle: the new fact first, awaited, then the ack. The only place that acks.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use naq_core::Envelope;
use naq_core::transport::{Fact, FactKind, TransportError, Written};
use tokio::sync::mpsc;

use crate::conclude::Conclusion;
use crate::engine::{Engine, Queue};
use crate::execute::decode;
use crate::held::Held;
use crate::outage::backoff;
use crate::smaller::smaller;

/// A delivery whose fate is decided.
#[derive(Debug)]
pub(crate) struct Settlement {
    pub(crate) queue: Arc<Queue>,
    pub(crate) held: Arc<Held>,
    pub(crate) conclusion: Conclusion,
    /// The job, where a gate has to hear of its end.
    pub(crate) job: Option<Box<Envelope>>,
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
    let Settlement { queue, held, conclusion, job } = settlement;
    let job = job.as_deref();
    match conclusion {
        Conclusion::Write(fact) => write_then_ack(engine, &held, fact, job).await,
        Conclusion::WriteResult(fact, times) => {
            let written = write(engine, &held, &fact).await;
            if let Err(Unwritten::TooLarge(reason)) = written {
                let delivery = &held.delivery;
                let instead =
                    engine.judge(|judge| judge.result_too_large(delivery, times, &reason));
                if let Conclusion::Write(fact) = instead {
                    write_then_ack(engine, &held, fact, job).await;
                }
            } else {
                ack_if_stored(engine, &held, written, job).await;
            }
        }
        Conclusion::Drop => {
            ended(engine, job).await;
            ack(engine, &held).await;
        }
        Conclusion::GiveBack => {
            if let Some(fact) = give_back(&held) {
                write_then_ack(engine, &held, fact, None).await;
            }
        }
        Conclusion::LetGo => {}
    }
    queue.held.remove(&held);
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

/// What the broker finds too large is written with less in it: a job that nothing can be written of
/// would come back for ever.
async fn write_then_ack(engine: &Engine, held: &Held, mut fact: Fact, job: Option<&Envelope>) {
    // Only a job that ends has a gate that hears of it.
    let job = job.filter(|_| fact.ends().is_some());
    loop {
        let written = write(engine, held, &fact).await;
        let Err(Unwritten::TooLarge(reason)) = &written else {
            return ack_if_stored(engine, held, written, job).await;
        };
        match smaller(&fact, &held.delivery.stored, reason, engine.now()) {
            Some(less) => {
                tracing::warn!(job = %held.id(), "stored with less in it: {reason}");
                fact = less;
            }
            None if matches!(fact.kind, FactKind::Record { .. }) => {
                tracing::error!(job = %held.id(), "ended without a record: {reason}");
                ended(engine, job).await;
                return ack(engine, held).await;
            }
            None => return ack_if_stored(engine, held, written, job).await,
        }
    }
}

/// Tells the gates that the job has ended.
async fn ended(engine: &Engine, job: Option<&Envelope>) {
    if let Some(job) = job {
        engine.stage.gates.ended(job, engine.now()).await;
    }
}

async fn ack_if_stored(
    engine: &Engine,
    held: &Held,
    written: Result<Written, Unwritten>,
    job: Option<&Envelope>,
) {
    match written {
        Ok(Written::Stored | Written::Awaited | Written::Ended) => {
            ended(engine, job).await;
            ack(engine, held).await;
        }
        Ok(Written::Fenced) => {
            tracing::info!(job = %held.id(), "the job has gone on without this attempt");
        }
        Err(Unwritten::LeaseLost) => {
            tracing::warn!(job = %held.id(), "lease lost before the outcome could be written");
        }
        Err(Unwritten::TooLarge(reason)) => {
            tracing::error!(job = %held.id(), "the broker does not take the outcome: {reason}");
        }
    }
}

/// Why a fact is not stored.
enum Unwritten {
    LeaseLost,
    TooLarge(String),
}

/// Writes the fact, the same one again after an error, for as long as the lease holds. Also after
/// errors that are not transient: permissions come back, and until then the job is at least not run
/// over and over.
async fn write(engine: &Engine, held: &Held, fact: &Fact) -> Result<Written, Unwritten> {
    let mut failures = 0;
    loop {
        if held.is_lost() {
            return Err(Unwritten::LeaseLost);
        }
        match engine.transport.write(fact).await {
            Ok(written) => {
                engine.settling.ok(engine.now());
                return Ok(written);
            }
            Err(err @ TransportError::TooLarge { .. }) => {
                return Err(Unwritten::TooLarge(err.to_string()));
            }
            Err(err) => again(engine, &err, &mut failures).await,
        }
    }
}

/// A lost ack brings the message back as a suspect, so there is no harm in giving up.
async fn ack(engine: &Engine, held: &Held) {
    let mut failures = 0;
    while !held.is_lost() {
        match held.handle().ack().await {
            Ok(()) => return,
            Err(err) => again(engine, &err, &mut failures).await,
        }
    }
}

async fn again(engine: &Engine, err: &TransportError, failures: &mut u32) {
    engine.settling.failed(err, engine.now());
    *failures += 1;
    engine.sleep(backoff(*failures)).await;
}
