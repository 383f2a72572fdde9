//! Lets go of the key that a job holds: when it starts, or when it has ended.

use async_trait::async_trait;
use naq_client::Client;
use naq_core::flow::UniqueScope;
use naq_core::retry::Rule;
use naq_core::transport::{Stored, TransportError};
use naq_core::{Envelope, Timestamp};

use super::{Entry, Gate, Left};

/// Holds nobody back. It is the last of the gates: a job that one of them holds back has not
/// started, and keeps its key.
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
    fn guards(&self, job: &Envelope) -> bool {
        matches!(scope(job), Some(UniqueScope::UntilStarted | UniqueScope::UntilFinished))
    }

    fn rule(&self) -> Rule {
        Rule::Unique
    }

    /// With an error it does not start: who enqueues meanwhile must not be told that a job waits
    /// which runs already.
    async fn enter(
        &self,
        job: &Envelope,
        _stored: &Stored,
        _now: Timestamp,
    ) -> Result<Entry, TransportError> {
        if scope(job) == Some(UniqueScope::UntilStarted) && job.first_started_at.is_none() {
            self.client.free_unique(job).await?;
        }
        Ok(Entry::Pass)
    }

    async fn leave(&self, _job: &Envelope, _stored: &Stored, _how: &Left, _now: Timestamp) {}

    /// Not retried: whoever wants the key next finds that its holder has ended.
    async fn ended(&self, job: &Envelope, _now: Timestamp) {
        if let Err(err) = self.client.free_unique(job).await {
            tracing::debug!(job = %job.id, "its unique key is left to whoever wants it next: {err}");
        }
    }
}
