//! The directory of workers.

use std::time::Duration;

use async_trait::async_trait;
use naq_core::names::WorkerId;
use naq_core::transport::{Directory, TransportError, WorkerInfo};

use crate::broker_state::whole_seconds;
use crate::transport::MemoryTransport;

#[async_trait]
impl Directory for MemoryTransport {
    async fn heartbeat(&self, worker: &WorkerInfo, ttl: Duration) -> Result<(), TransportError> {
        let (mut state, now) = self.shared.state();
        let worker_info = WorkerInfo { heartbeat_at: now, ..worker.clone() };
        let entry = (now + whole_seconds(ttl), worker_info);
        state.workers.insert(worker.worker_id.clone(), entry);
        Ok(())
    }

    async fn leave(&self, worker: &WorkerId) -> Result<(), TransportError> {
        self.shared.state().0.workers.remove(worker);
        Ok(())
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>, TransportError> {
        Ok(self.shared.state().0.workers.values().map(|(_, worker)| worker.clone()).collect())
    }
}
