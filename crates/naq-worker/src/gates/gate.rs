//! [`Gate`]: what may keep a delivery from its handler.

use std::fmt;

use async_trait::async_trait;
use naq_core::retry::Rule;
use naq_core::transport::{Stored, TransportError};
use naq_core::{Envelope, Timestamp};

use super::gate_answer::{GateAnswer, GateExit};

/// One gate.
#[async_trait]
pub(crate) trait Gate: Send + Sync + fmt::Debug {
    /// Whether this job has to pass the gate. Asked for every job, so no I/O.
    fn applies_to(&self, job: &Envelope) -> bool;

    /// The rule in the record of a job that the gate holds back.
    fn rule(&self) -> Rule;

    /// May the job start? Called again after a transient error, for as long as the lease holds.
    /// With any other answer than [`GateAnswer::Pass`], the gate keeps nothing for the job. If this
    /// future is dropped, the caller must call [`leave`](Self::leave).
    async fn enter(
        &self,
        job: &Envelope,
        stored: &Stored,
        now: Timestamp,
    ) -> Result<GateAnswer, TransportError>;

    /// The attempt of a job that had passed is over. Best effort: a worker may die before.
    async fn leave(&self, job: &Envelope, stored: &Stored, call: &GateExit, now: Timestamp);

    /// The job was held back, by this gate or another, and its next message is stored. What the
    /// gate read in [`enter`](Self::enter) may have changed since then. Best effort.
    async fn held_back(&self, _job: &Envelope) {}

    /// Work beside the jobs, for as long as the worker lives. It runs on a task that no handler can
    /// block.
    async fn maintain(&self) {}

    /// The job has ended: its last fact is stored, and its delivery not yet acked. Called again
    /// when the delivery comes back after a lost ack.
    async fn job_ended(&self, _job: &Envelope, _now: Timestamp) {}
}
