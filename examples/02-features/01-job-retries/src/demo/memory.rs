//! The same demo without a broker: client and worker in one process.

use std::sync::Arc;

use naq::memory::MemoryTransport;
use naq::{Client, Worker};

use crate::tasks;

/// A client and a worker with the demo's tasks, on a broker in this process's memory. The worker runs
/// jobs while the caller awaits its `run`.
pub fn in_memory() -> (Client, Worker) {
    let client = Client::new(Arc::new(MemoryTransport::new()));
    let worker = Worker::builder(client.clone(), tasks::registry())
        .queues(["default", "retry_queue"])
        .build();
    (client, worker)
}
