//! [`Gates`]: all gates of a worker, in the order in which a job passes them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use naq_core::transport::{Stored, TransportError};
use naq_core::{Envelope, Timestamp};

use super::gate::Gate;
use super::gate_answer::{GateAnswer, GateExit};

/// How long to hold a job back after a permanent gate error, such as a missing permission.
const PERMANENT_ERROR_WAIT: Duration = Duration::from_secs(30);

/// All gates of a worker, in the order in which a job passes them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gates(Vec<Arc<dyn Gate>>);

/// The gates that a job has entered and not left. A gate that no longer guards the job is left,
/// too.
#[derive(Debug, Default)]
pub(crate) struct EnteredGates(Vec<Arc<dyn Gate>>);

impl EnteredGates {
    pub(crate) async fn leave(
        &mut self,
        job: &Envelope,
        stored: &Stored,
        call: &GateExit,
        now: Timestamp,
    ) {
        while let Some(gate) = self.0.pop() {
            gate.leave(job, stored, call, now).await;
        }
    }
}

impl Gates {
    pub(crate) fn new(gates: Vec<Arc<dyn Gate>>) -> Self {
        Self(gates)
    }

    fn applying<'a>(&'a self, job: &'a Envelope) -> impl Iterator<Item = &'a Arc<dyn Gate>> {
        self.0.iter().filter(|gate| gate.applies_to(job))
    }

    /// Whether the job has to pass any gate.
    pub(crate) fn any_applies(&self, job: &Envelope) -> bool {
        self.0.iter().any(|gate| gate.applies_to(job))
    }

    /// Asks the gates in turn, up to the first that does not let the job pass; the gates before
    /// that one are left again. The caller leaves the gates in `entered`, also when this future is
    /// dropped.
    ///
    /// # Errors
    /// Transient errors only. After a permanent error the job is held back.
    pub(crate) async fn enter(
        &self,
        job: &Envelope,
        stored: &Stored,
        now: Timestamp,
        entered: &mut EnteredGates,
    ) -> Result<GateAnswer, TransportError> {
        for gate in self.applying(job) {
            entered.0.push(gate.clone());
            let answer = match gate.enter(job, stored, now).await {
                Ok(GateAnswer::Pass) => continue,
                Err(err) if !err.is_transient() => {
                    let reason = format!("its gate failed: {err}");
                    let (until, rule) = (now + PERMANENT_ERROR_WAIT, gate.rule());
                    Ok(GateAnswer::HoldBack { until, rule, by: None, reason })
                }
                answer => answer,
            };
            // This gate keeps nothing for the job.
            entered.0.pop();
            entered.leave(job, stored, &GateExit::Undecided, now).await;
            return answer;
        }
        Ok(GateAnswer::Pass)
    }

    pub(crate) async fn held_back(&self, job: &Envelope) {
        for gate in self.applying(job) {
            gate.held_back(job).await;
        }
    }

    pub(crate) async fn maintain(&self) {
        join_all(self.0.iter().map(|gate| gate.maintain())).await;
    }

    pub(crate) async fn job_ended(&self, job: &Envelope, now: Timestamp) {
        for gate in self.applying(job) {
            gate.job_ended(job, now).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use async_trait::async_trait;
    use naq_client::Client;
    use naq_core::JobId;
    use naq_core::retry::Rule;
    use naq_memory::MemoryTransport;

    use super::super::gate::Gate;
    use super::*;

    /// Guards every job until the test makes it forget.
    #[derive(Debug, Default)]
    struct Forgotten {
        forgotten: AtomicBool,
        left: AtomicU32,
    }

    #[async_trait]
    impl Gate for Forgotten {
        fn applies_to(&self, _: &Envelope) -> bool {
            !self.forgotten.load(Ordering::SeqCst)
        }

        fn rule(&self) -> Rule {
            Rule::Breaker
        }

        async fn enter(
            &self,
            _: &Envelope,
            _: &Stored,
            _: Timestamp,
        ) -> Result<GateAnswer, TransportError> {
            Ok(GateAnswer::Pass)
        }

        async fn leave(&self, _: &Envelope, _: &Stored, _: &GateExit, _: Timestamp) {
            self.left.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn a_gate_that_was_entered_is_left_once_also_when_it_guards_the_job_no_longer() {
        let client = Client::new(Arc::new(MemoryTransport::new()));
        client.enqueue_task("t", &()).expect("a name").id("job").await.expect("sent");
        let job = client.job(&JobId::new("job").expect("an id"), None).await.expect("a job");
        let (stored, job) = (job.stored, job.envelope.expect("readable"));
        let (gate, now) = (Arc::new(Forgotten::default()), Timestamp::from_millis(0));
        let (gates, mut entered) = (Gates::new(vec![gate.clone()]), EnteredGates::default());
        let answer = gates.enter(&job, &stored, now, &mut entered).await.expect("an answer");
        assert_eq!(answer, GateAnswer::Pass);
        gate.forgotten.store(true, Ordering::SeqCst);
        for _ in 0..2 {
            entered.leave(&job, &stored, &GateExit::Succeeded, now).await;
            assert_eq!(gate.left.load(Ordering::SeqCst), 1);
        }
    }
}
