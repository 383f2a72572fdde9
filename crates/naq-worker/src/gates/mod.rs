//! What stands between a delivery and its handler, beside the retry policy: other jobs that it waits
//! for, keys, limits, breakers, budgets. A job that is held back burns no attempt and holds no slot.
//!
//! Each gate is one file here. A job that needs none of them passes without a request.

mod breaker;
mod budget;
mod depends;
mod limit;
mod pause;
mod unique;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use naq_core::flow::Limit;
use naq_core::retry::{Decision, Rule};
use naq_core::transport::{Stored, TransportError};
use naq_core::{Envelope, ErrorKind, Timestamp};

pub(crate) use self::breaker::BreakerGate;
pub(crate) use self::budget::BudgetGate;
pub(crate) use self::depends::DependsGate;
pub(crate) use self::limit::LimitGate;
pub(crate) use self::pause::PauseGate;
pub(crate) use self::unique::UniqueGate;

/// What a gate says to a job that wants to start.
#[allow(dead_code, reason = "the gates themselves follow")]
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Entry {
    /// Go on.
    Pass,
    /// Not now: look again then. It may be released earlier.
    Park {
        /// When.
        until: Timestamp,
        /// Which gate.
        rule: Rule,
        /// Why, in one sentence.
        reason: String,
    },
    /// Not now: the jobs that it depends on have ended, and it has to wait for its own time.
    Due {
        /// When.
        until: Timestamp,
    },
    /// Not now: a limit gave it a start of its own, which is written into it with these limits.
    Reserve {
        /// When.
        until: Timestamp,
        /// Why, in one sentence.
        reason: String,
        /// The job's limits, with the start.
        limits: Vec<Limit>,
    },
    /// It does not run at all: it is settled as decided.
    Stop(Decision),
}

/// How an attempt that had passed the gates ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Left {
    /// With success.
    Succeeded,
    /// With an error of this kind.
    Failed(ErrorKind),
    /// Without either: snoozed, cancelled, stopped, parked at a later gate, lease lost.
    Undecided,
}

/// One gate.
#[async_trait]
pub(crate) trait Gate: Send + Sync + fmt::Debug {
    /// Whether this job has to pass here. No I/O: it is asked of every job.
    fn guards(&self, job: &Envelope) -> bool;

    /// What a job that it holds back waits for.
    fn rule(&self) -> Rule;

    /// May it start? Called again after an error that may pass, for as long as the lease holds. With
    /// anything but [`Entry::Pass`] it keeps nothing for the job; dropped on its way, it is left.
    async fn enter(
        &self,
        job: &Envelope,
        stored: &Stored,
        now: Timestamp,
    ) -> Result<Entry, TransportError>;

    /// A job that had passed here runs no longer. Best effort: its worker may die before.
    async fn leave(&self, job: &Envelope, stored: &Stored, how: &Left, now: Timestamp);

    /// A job that was put aside, at this gate or another, without an attempt: its next message is
    /// stored. What changed between the look and now is to be looked at again. Best effort.
    async fn parked(&self, _job: &Envelope) {}

    /// What it has to do beside the jobs, for as long as the worker lives; on a task that no handler
    /// runs on.
    async fn keep(&self) {}

    /// The job has ended: its final fact is stored, and its delivery not yet acked. Called again
    /// when the job comes back because its ack was lost.
    async fn ended(&self, _job: &Envelope, _now: Timestamp) {}
}

/// All gates of a worker, in the order in which they are passed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gates(Vec<Arc<dyn Gate>>);

/// What came of asking all gates.
#[derive(Debug)]
pub(crate) enum Asked {
    /// Every gate let it pass.
    Pass,
    /// One did not; those before it have been left again.
    Held(Entry),
}

/// How long a job waits whose gate says what will not pass by itself: a right that is missing, say.
const TROUBLE: Duration = Duration::from_secs(30);

/// The gates that a job has entered and not left. Those that guard it may be others by the time it
/// leaves.
#[derive(Debug, Default)]
pub(crate) struct Entered(Vec<Arc<dyn Gate>>);

impl Entered {
    pub(crate) async fn leave(
        &mut self,
        job: &Envelope,
        stored: &Stored,
        how: &Left,
        now: Timestamp,
    ) {
        while let Some(gate) = self.0.pop() {
            gate.leave(job, stored, how, now).await;
        }
    }
}

impl Gates {
    pub(crate) fn new(gates: Vec<Arc<dyn Gate>>) -> Self {
        Self(gates)
    }

    fn of<'a>(&'a self, job: &'a Envelope) -> impl Iterator<Item = &'a Arc<dyn Gate>> {
        self.0.iter().filter(|gate| gate.guards(job))
    }

    /// Whether the job has to pass any.
    pub(crate) fn guard(&self, job: &Envelope) -> bool {
        self.0.iter().any(|gate| gate.guards(job))
    }

    /// What is in `entered` is left by the caller: also when this is dropped on its way.
    ///
    /// # Errors
    /// Those that may pass in a moment. The job waits after any other.
    pub(crate) async fn enter(
        &self,
        job: &Envelope,
        stored: &Stored,
        now: Timestamp,
        entered: &mut Entered,
    ) -> Result<Asked, TransportError> {
        for gate in self.of(job) {
            entered.0.push(gate.clone());
            let held = match gate.enter(job, stored, now).await {
                Ok(Entry::Pass) => continue,
                Err(err) if !err.is_transient() => {
                    let (rule, reason) = (gate.rule(), format!("its gate cannot be asked: {err}"));
                    Ok(Entry::Park { until: now + TROUBLE, rule, reason })
                }
                held => held,
            };
            // It has let go of whatever it took itself.
            entered.0.pop();
            entered.leave(job, stored, &Left::Undecided, now).await;
            return held.map(Asked::Held);
        }
        Ok(Asked::Pass)
    }

    pub(crate) async fn parked(&self, job: &Envelope) {
        for gate in self.of(job) {
            gate.parked(job).await;
        }
    }

    pub(crate) async fn keep(&self) {
        join_all(self.0.iter().map(|gate| gate.keep())).await;
    }

    pub(crate) async fn ended(&self, job: &Envelope, now: Timestamp) {
        for gate in self.of(job) {
            gate.ended(job, now).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

    use naq_client::Client;
    use naq_core::JobId;
    use naq_memory::MemoryTransport;

    use super::*;

    /// Guards every job, until nobody remembers it.
    #[derive(Debug, Default)]
    struct Forgotten {
        forgotten: AtomicBool,
        left: AtomicU32,
    }

    #[async_trait]
    impl Gate for Forgotten {
        fn guards(&self, _: &Envelope) -> bool {
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
        ) -> Result<Entry, TransportError> {
            Ok(Entry::Pass)
        }

        async fn leave(&self, _: &Envelope, _: &Stored, _: &Left, _: Timestamp) {
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
        let (gates, mut entered) = (Gates::new(vec![gate.clone()]), Entered::default());
        let asked = gates.enter(&job, &stored, now, &mut entered).await.expect("an answer");
        assert!(matches!(asked, Asked::Pass));
        gate.forgotten.store(true, Ordering::SeqCst);
        for _ in 0..2 {
            entered.leave(&job, &stored, &Left::Succeeded, now).await;
            assert_eq!(gate.left.load(Ordering::SeqCst), 1);
        }
    }
}
