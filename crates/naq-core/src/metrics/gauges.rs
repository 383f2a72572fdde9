//! The gauges that a dashboard sets from what it reads at the broker.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use super::{BROKER_CONNECTED, OLDEST_JOB_AGE, QUEUE_DEPTH, WORKERS};
use crate::names::QueueName;
use crate::sync::lock;
use crate::transport::{QueueInfo, WorkerInfo};

/// The queues whose gauges are set. A gauge keeps its value until it is set again.
static KNOWN: Mutex<BTreeSet<QueueName>> = Mutex::new(BTreeSet::new());

/// Sets the gauges of the queues: depth by state, age of the oldest pending job, live workers. The gauges
/// of a queue that no longer exists become 0.
pub fn set_queues(queues: &[QueueInfo], workers: &[WorkerInfo]) {
    for queue in queues {
        let serving = workers.iter().filter(|worker| worker.queues.contains(&queue.name));
        let jobs = [queue.pending, queue.running, queue.waiting, queue.dead];
        set(&queue.name, jobs, queue.oldest.unwrap_or_default(), serving.count());
    }
    let now: BTreeSet<_> = queues.iter().map(|queue| queue.name.clone()).collect();
    let mut known = lock(&KNOWN);
    known.difference(&now).for_each(|gone| set(gone, [0; 4], Duration::ZERO, 0));
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

/// Sets the gauge that says whether this process is connected to the broker.
pub fn set_connected(is_connected: bool) {
    BROKER_CONNECTED.gauge(&[]).set(f64::from(u8::from(is_connected)));
}
