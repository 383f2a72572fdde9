//! The gauges of whoever looks at the broker from outside: a dashboard.

use super::{BROKER_CONNECTED, OLDEST_JOB_AGE, QUEUE_DEPTH, WORKERS};
use crate::transport::{QueueInfo, WorkerInfo};

/// Sets the gauges of the queues: depth by state, age of the oldest job, workers that are alive.
pub fn set_queues(queues: &[QueueInfo], workers: &[WorkerInfo]) {
    for queue in queues {
        let name = queue.name.as_str();
        let depth = [
            ("pending", queue.pending),
            ("running", queue.running),
            ("waiting", queue.waiting),
            ("dead", queue.dead),
        ];
        for (state, jobs) in depth {
            QUEUE_DEPTH.gauge(&[name, state]).set(jobs as f64);
        }
        OLDEST_JOB_AGE.gauge(&[name]).set(queue.oldest.unwrap_or_default().as_secs_f64());
        let serving = workers.iter().filter(|worker| worker.queues.contains(&queue.name));
        WORKERS.gauge(&[name]).set(serving.count() as f64);
    }
}

/// Sets the gauge of the connection.
pub fn set_connected(is: bool) {
    BROKER_CONNECTED.gauge(&[]).set(f64::from(u8::from(is)));
}
