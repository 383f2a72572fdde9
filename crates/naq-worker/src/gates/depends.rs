//! Holds back jobs that depend on other jobs. Most often such a job comes here when it may run.
//! From time to time it comes to check its parents, in case a worker died before it could release
//! the job.

use async_trait::async_trait;
use naq_client::Client;
use naq_core::flow::{Dependencies, Verdict};
use naq_core::retry::{Action, Decision, Rule};
use naq_core::transport::{Stored, TransportError};
use naq_core::{Envelope, Timestamp};

use super::gate::Gate;
use super::gate_answer::{GateAnswer, GateExit};

#[derive(Debug)]
pub(crate) struct DependsGate(Client);

impl DependsGate {
    pub(crate) fn new(client: Client) -> Self {
        Self(client)
    }
}

#[async_trait]
impl Gate for DependsGate {
    fn applies_to(&self, job: &Envelope) -> bool {
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
    ) -> Result<GateAnswer, TransportError> {
        // A job that has passed once does not wait again, neither for its parents nor for its time.
        let waits = |depends: &&Dependencies| job.attempt == 1 && !depends.waived;
        let Some(depends) = job.depends_on.as_ref().filter(waits) else {
            return Ok(GateAnswer::Pass);
        };
        let rule = Rule::Dependencies;
        Ok(match self.0.check_dependencies(job).await? {
            Verdict::Run => match depends.not_before.filter(|time| *time > now) {
                None => GateAnswer::Pass,
                Some(until) => GateAnswer::WaitUntilDue { until },
            },
            Verdict::Wait => GateAnswer::HoldBack {
                until: Dependencies::next_check(job.snoozes.saturating_add(1), now, job.deadline),
                rule,
                by: None,
                reason: format!("it waits for {} other jobs to end", depends.on.len()),
            },
            Verdict::Cancel(reason) => {
                GateAnswer::Stop(Decision::saying(Action::Cancel, rule, reason))
            }
        })
    }

    async fn leave(&self, _job: &Envelope, _stored: &Stored, _call: &GateExit, _now: Timestamp) {}

    /// The last parent may have ended between the check and the store of the wait. The worker of
    /// that parent found this job in the queue, not waiting, and so did not release it.
    async fn held_back(&self, job: &Envelope) {
        if let Err(err) = self.0.release_if_met(job).await {
            tracing::debug!(job = %job.id, "its parents are checked again later: {err}");
        }
    }

    async fn job_ended(&self, job: &Envelope, _now: Timestamp) {
        if let Err(err) = self.0.forget_dependencies(job).await {
            tracing::debug!(job = %job.id, "its dependency entries expire later: {err}");
        }
    }
}
