//! Jobs that wait for other jobs. Most often such a job comes here when it may run; now and then it
//! comes to look after those that it waits for, in case nobody told it of their end.

use async_trait::async_trait;
use naq_client::Client;
use naq_core::flow::{Dependencies, Verdict};
use naq_core::retry::{Action, Decision, Rule};
use naq_core::transport::{Stored, TransportError};
use naq_core::{Envelope, Timestamp};

use super::{Entry, Gate, Left};

#[derive(Debug)]
pub(crate) struct DependsGate(Client);

impl DependsGate {
    pub(crate) fn new(client: Client) -> Self {
        Self(client)
    }
}

#[async_trait]
impl Gate for DependsGate {
    fn guards(&self, job: &Envelope) -> bool {
        job.depends_on.is_some()
    }

    fn rule(&self) -> Rule {
        Rule::Dependencies
    }

    async fn enter(
        &self,
        job: &Envelope,
        _stored: &Stored,
        now: Timestamp,
    ) -> Result<Entry, TransportError> {
        // A job that has passed here once does not wait again, neither for others nor for its time.
        let waits = |depends: &&Dependencies| job.attempt == 1 && !depends.waived;
        let Some(depends) = job.depends_on.as_ref().filter(waits) else {
            return Ok(Entry::Pass);
        };
        let rule = Rule::Dependencies;
        Ok(match self.0.check_dependencies(job).await? {
            Verdict::Run => match depends.not_before.filter(|time| *time > now) {
                None => Entry::Pass,
                Some(until) => Entry::Due { until },
            },
            Verdict::Wait => Entry::Park {
                until: Dependencies::next_check(job.snoozes.saturating_add(1), now, job.deadline),
                rule,
                reason: format!("it waits for {} other jobs to end", depends.on.len()),
            },
            Verdict::Cancel(reason) => Entry::Stop(Decision::saying(Action::Cancel, rule, reason)),
        })
    }

    async fn leave(&self, _job: &Envelope, _stored: &Stored, _how: &Left, _now: Timestamp) {}

    /// The last of the others may have ended between the look and now: whoever ended it found this
    /// job in the queue, and left it to be looked at there.
    async fn parked(&self, job: &Envelope) {
        if let Err(err) = self.0.release_if_met(job).await {
            tracing::debug!(job = %job.id, "looks again later: {err}");
        }
    }

    async fn ended(&self, job: &Envelope, _now: Timestamp) {
        if let Err(err) = self.0.forget_dependencies(job).await {
            tracing::debug!(job = %job.id, "what it depended on is forgotten later: {err}");
        }
    }
}
