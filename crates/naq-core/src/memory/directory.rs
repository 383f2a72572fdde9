//! The directory of workers.

use std::time::Duration;

use async_trait::async_trait;

use super::state::whole_seconds;
use super::transport::MemoryTransport;
use crate::names::WorkerId;
use crate::transport::{Directory, TransportError, WorkerInfo};

#[async_trait]
impl Directory for MemoryTransport {
    async fn heartbeat(&self, worker: &WorkerInfo, ttl: Duration) -> Result<(), TransportError> {
        let (mut state, now) = self.shared.state();
        let heard = WorkerInfo { heartbeat_at: now, ..worker.clone() };
        let entry = (now + whole_seconds(ttl), heard);
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
