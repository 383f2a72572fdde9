//! Frees the unique key of a job when the job starts, or when it has ended.

use async_trait::async_trait;
use naq_client::Client;
use naq_core::flow::UniqueScope;
use naq_core::retry::Rule;
use naq_core::transport::{Stored, TransportError};
use naq_core::{Envelope, Timestamp};

use super::gate::Gate;
use super::gate_answer::{GateAnswer, GateExit};

/// Frees unique keys. It holds no job back. It is the last gate: a job that another gate holds back
/// has not started, and keeps its key.
#[derive(Debug)]
pub(crate) struct UniqueGate {
    client: Client,
}

impl UniqueGate {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }
}

fn scope(job: &Envelope) -> Option<UniqueScope> {
    job.unique.as_ref().map(|unique| unique.scope)
}

#[async_trait]
impl Gate for UniqueGate {
    fn applies_to(&self, job: &Envelope) -> bool {
        matches!(scope(job), Some(UniqueScope::UntilStarted | UniqueScope::UntilFinished))
    }

    fn rule(&self) -> Rule {
        Rule::Unique
    }

    /// After an error the job does not start, because it still holds the key: a client would refuse
    /// a new job with that key although this job runs.
    async fn enter(
        &self,
        job: &Envelope,
        _stored: &Stored,
        _now: Timestamp,
    ) -> Result<GateAnswer, TransportError> {
        if scope(job) == Some(UniqueScope::UntilStarted) && job.first_started_at.is_none() {
            self.client.free_unique(job).await?;
        }
        Ok(GateAnswer::Pass)
    }

    async fn leave(&self, _job: &Envelope, _stored: &Stored, _call: &GateExit, _now: Timestamp) {}

    /// Tries once. After an error the key stays in the store, and the next job with this key finds
    /// that its holder has ended.
    async fn job_ended(&self, job: &Envelope, _now: Timestamp) {
        if let Err(err) = self.client.free_unique(job).await {
            tracing::debug!(job = %job.id, "its unique key is not freed; the next job with the key takes it: {err}");
        }
    }
}
