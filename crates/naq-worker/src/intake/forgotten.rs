//! Jobs of a queue that the broker has forgotten: they are in the queue, and no worker gets them.
//! Every worker looks for them once a lease, and stores them again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use naq_core::names::StateKey;
use naq_core::transport::{Delivery, Expect, Fact, Stored, TransportError, Written};

use crate::delivery::MessageId;
use crate::engine::{WorkerQueue, WorkerState};
use crate::outage::Outage;

/// The shortest time between two rounds, whatever lease the broker has.
const MIN_WAIT: Duration = Duration::from_secs(1);
/// In how many rounds a job must be found before it is stored again. All workers of the queue have the
/// same lease, so each has had a whole round to say that it holds the job.
const ROUNDS: u32 = 3;
/// For how many rounds a worker's word that it holds a job counts.
const WORD_LASTS: u32 = 3;

/// Looks for forgotten jobs for as long as the worker lives.
pub(crate) async fn repair_loop(worker: Arc<WorkerState>, queue: Arc<WorkerQueue>) {
    let mut outage = Outage::new(format!("the search for lost jobs of queue {}", queue.name));
    let mut rounds = HashMap::new();
    loop {
        let wait = queue.lease().max(MIN_WAIT);
        worker.sleep(wait).await;
        match repair(&worker, &queue, wait * WORD_LASTS, &mut rounds).await {
            Ok(()) => outage.recovered(worker.now()),
            // The next round comes in time.
            Err(err) => drop(outage.failed(&err, worker.now())),
        }
    }
}

/// One round. `rounds` has the jobs that no worker is known to hold, by message, and how often each was
/// found.
async fn repair(
    worker: &WorkerState,
    queue: &WorkerQueue,
    word_lasts: Duration,
    rounds: &mut HashMap<MessageId, u32>,
) -> Result<(), TransportError> {
    let forgotten = worker.transport.forgotten(&queue.name).await?;
    let mut before = std::mem::take(rounds);
    for delivery in forgotten {
        let Ok(word) = word_of(queue, &delivery) else { continue };
        if is_held(queue, &delivery) {
            let name = worker.deps.worker_id.to_string().into();
            worker.transport.state_put(&word, name, Expect::Any, Some(word_lasts)).await?;
            continue;
        }
        let message = MessageId::of(&delivery.stored);
        let found = before.remove(&message).unwrap_or(0) + 1;
        if found < ROUNDS {
            rounds.insert(message, found);
            continue;
        }
        // Another worker may run it. The ack of that worker removes the job.
        let held_elsewhere = worker.transport.state_get(&[word]).await?;
        if held_elsewhere.iter().all(Option::is_none) {
            store_again(worker, &delivery).await?;
        }
    }
    Ok(())
}

/// The state-store key at which a worker says that it holds the job.
fn word_of(queue: &WorkerQueue, delivery: &Delivery) -> Result<StateKey, ()> {
    let Stored { seq, stored_at, .. } = &delivery.stored;
    let message = format!("{seq}-{}", stored_at.as_millis());
    StateKey::new(["forgotten", queue.name.as_str(), &message]).map_err(drop)
}

/// Whether this worker holds the job, and may still settle it.
fn is_held(queue: &WorkerQueue, delivery: &Delivery) -> bool {
    let life = delivery.step().nonce;
    let held = queue.held.find(&delivery.stored.key.id);
    held.iter().any(|held| !held.is_lease_lost() && held.delivery.step().nonce == life)
}

/// Stores the job at the end of its queue as a suspect, and then removes the forgotten message. After a
/// crash between the two, the next round finds that it is stored, and removes the old message.
async fn store_again(worker: &WorkerState, delivery: &Delivery) -> Result<(), TransportError> {
    let key = &delivery.stored.key;
    let Ok(mut fact) = Fact::give_back(&delivery.stored, None) else { return Ok(()) };
    fact.message = fact.message.as_suspect();
    if worker.transport.write(&fact).await? != Written::Fenced {
        tracing::warn!(job = %key, "the broker had lost track of this job: it is stored again");
    }
    // Fenced: a newer message of the job is in the queue.
    delivery.handle.ack().await
}
