//! The gauges that a dashboard sets from what it reads at the broker.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use super::{
    BOUND_UNITS, BROKER_CONNECTED, HELD_JOBS, OLDEST_JOB_AGE, QUEUE_BOUND, QUEUE_BYTES,
    QUEUE_DEPTH, WORKERS,
};
use crate::names::QueueName;
use crate::sync::lock;
use crate::transport::{QueueBound, QueueInfo, WorkerInfo};

/// The queues whose gauges are set. A gauge keeps its value until it is set again.
static KNOWN: Mutex<BTreeSet<QueueName>> = Mutex::new(BTreeSet::new());

/// Sets the gauges of the queues: depth by state, bound, bytes, age of the oldest
/// pending job, live workers. The gauges
/// of a queue that no longer exists become 0.
pub fn set_queues(queues: &[QueueInfo], workers: &[WorkerInfo]) {
    for queue in queues {
        let serving = workers.iter().filter(|worker| worker.queues.contains(&queue.name));
        let jobs = [queue.pending, queue.running, queue.waiting, queue.dead];
        set(&queue.name, jobs, queue.oldest.unwrap_or_default(), serving.count());
        set_bound(&queue.name, queue.bound, queue.bytes);
    }
    let now: BTreeSet<_> = queues.iter().map(|queue| queue.name.clone()).collect();
    let mut known = lock(&KNOWN);
    for gone in known.difference(&now) {
        set(gone, [0; 4], Duration::ZERO, 0);
        set_bound(gone, QueueBound::default(), 0);
    }
    *known = now;
}

fn set(queue: &QueueName, jobs: [u64; 4], oldest: Duration, workers: usize) {
    let name = queue.as_str();
    for (state, jobs) in ["pending", "running", "waiting", "dead"].into_iter().zip(jobs) {
        QUEUE_DEPTH.gauge(&[name, state]).set(jobs as f64);
    }
    OLDEST_JOB_AGE.gauge(&[name]).set(oldest.as_secs_f64());
    WORKERS.gauge(&[name]).set(workers as f64);
}

fn set_bound(queue: &QueueName, bound: QueueBound, bytes: u64) {
    let name = queue.as_str();
    for (of, max) in BOUND_UNITS.into_iter().zip([bound.max_jobs, bound.max_bytes]) {
        QUEUE_BOUND.gauge(&[name, of]).set(max.map_or(0.0, |max| max.get() as f64));
    }
    QUEUE_BYTES.gauge(&[name]).set(bytes as f64);
}

/// The series of held jobs that are not 0.
static HELD: Mutex<BTreeMap<(QueueName, &'static str), u64>> = Mutex::new(BTreeMap::new());

/// Sets the gauges of held jobs: the queue, what holds the jobs, and how many. Entries of the same queue
/// and cause add up. What is no longer among them becomes 0.
pub fn set_held(held: impl IntoIterator<Item = (QueueName, &'static str, u64)>) {
    let mut now = BTreeMap::<_, u64>::new();
    for (queue, by, jobs) in held {
        *now.entry((queue, by)).or_default() += jobs;
    }
    let mut known = lock(&HELD);
    for (queue, by) in known.keys().filter(|key| !now.contains_key(key)) {
        HELD_JOBS.gauge(&[queue.as_str(), by]).set(0.0);
    }
    for ((queue, by), jobs) in &now {
        HELD_JOBS.gauge(&[queue.as_str(), by]).set(*jobs as f64);
    }
    *known = now;
}

/// Sets the gauge that says whether this process is connected to the broker.
pub fn set_connected(is_connected: bool) {
    BROKER_CONNECTED.gauge(&[]).set(f64::from(u8::from(is_connected)));
}
