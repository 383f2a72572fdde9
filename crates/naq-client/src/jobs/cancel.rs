//! Cancel and retry-now: an operator's verbs on one job.

use naq_core::clock::Timestamp;
use naq_core::retry::Rule;
use naq_core::state::JobState;
use naq_core::transport::{
    Expect, Fact, JobKey, Place, SHORTEST_RECORD_TTL, Signal, TransportError, Written,
};
use naq_core::wire::{AttemptOutcome, AttemptRecord, FinalRecord};

use crate::operate::audit::operator_text;
use crate::{Checkpoint, Client, ClientError, JobReport};

impl Client {
    /// Ends a job that has not ended. Pending and waiting jobs never start; a running handler gets
    /// its cancellation token, and whatever it does then, neither a retry nor another end follows.
    /// One that ends in the very moment of the cancel has ended either way, never both: who writes
    /// the job's record first. (A job that keeps no record says nothing when it completes: it stays
    /// cancelled.)
    ///
    /// The record is written first, then the message goes: a crash between the two leaves a job
    /// that is known to be cancelled, never one that is gone without a trace. Its message may still
    /// be run once; cancelling again finishes what was broken off. The reason is kept without
    /// secrets, cut to 500 characters.
    ///
    /// # Errors
    /// [`ClientError::State`] when it has ended, with what it has ended as; [`ClientError::NoJob`].
    pub async fn cancel(&self, key: &JobKey, reason: &str) -> Result<JobReport, ClientError> {
        let report = self.report(key).await?;
        if report.state.is_final() {
            // Of a cancel that was broken off there may be something left to do.
            let left = report.state == JobState::Cancelled && self.finish(&report).await?;
            return if left { Ok(report) } else { Err(ended(&report)) };
        }
        self.end_as_cancelled(report, Rule::Cancel, reason).await
    }

    /// Ends a job of which `report` says that it has not ended.
    pub(crate) async fn end_as_cancelled(
        &self,
        report: JobReport,
        rule: Rule,
        reason: &str,
    ) -> Result<JobReport, ClientError> {
        let key = &report.key;
        let mut envelope = report
            .stored
            .envelope()
            .map_err(|source| ClientError::Decode { id: key.id.clone(), source })?;
        let now = self.clock.now();
        let mut entry = AttemptRecord::new(envelope.attempt, AttemptOutcome::Cancelled);
        entry.ended_at = Some(now);
        entry.decision = Some("cancel".into());
        entry.rule = Some(rule);
        entry.reason = Some(operator_text(reason));
        envelope.record(entry);
        envelope.record_ttl = envelope.record_ttl.max(SHORTEST_RECORD_TTL);
        let record =
            FinalRecord { envelope, state: JobState::Cancelled, finished_at: now, result: None };
        let mut ended = false;
        if let Some(fact) = Fact::record(&report.stored, &record)? {
            let written = self.transport.write(&fact).await?;
            ended = matches!(written, Written::Stored | Written::Awaited);
            match written {
                Written::Stored | Written::Fenced => {}
                Written::Awaited => self.wake(&report, JobState::Cancelled).await?,
                Written::Ended => return Err(self.ended_otherwise(report).await?),
            }
        }
        self.sweep(&report).await?;
        if ended {
            self.tell_of_cancel(&record.envelope).await;
        }
        self.report(key).await
    }

    /// What was ahead of a cancel.
    async fn ended_otherwise(&self, report: JobReport) -> Result<ClientError, ClientError> {
        let life = report.stored.step().nonce;
        let mut messages = self.transport.locate(&report.key).await?;
        messages.retain(|message| message.step().nonce == life);
        // None when its record has vanished in this very moment.
        Ok(ended(&JobReport::resolve(&messages).unwrap_or(report)))
    }

    /// Does what a cancel that was broken off had left to do. True if there was something to run.
    async fn finish(&self, report: &JobReport) -> Result<bool, ClientError> {
        if report.stored.message.is_awaited() {
            self.wake(report, JobState::Cancelled).await?;
        }
        Ok(self.sweep(report).await?)
    }

    /// Removes what is left to run of the reported life, and tells whoever runs it. True if there
    /// was something. Looks again until nothing is left: a schedule may fire meanwhile.
    async fn sweep(&self, report: &JobReport) -> Result<bool, TransportError> {
        let (key, nonce) = (&report.key, report.stored.step().nonce);
        let mut any = false;
        loop {
            let mut stored = self.transport.locate(key).await?;
            stored.retain(|s| matches!(s.place, Place::Queue | Place::Schedule));
            stored.retain(|s| s.step().nonce == nonce);
            if stored.is_empty() {
                break;
            }
            for stored in &stored {
                any |= self.transport.remove(stored).await?;
            }
        }
        if let Some(job) = &report.envelope {
            // Also free without this, for whoever wants it next: the record says that it is.
            let _ = self.free_unique(job).await;
            // What is left of it vanishes by itself.
            let _ = self.forget_dependencies(job).await;
            // A handler that runs now removes its own; what stays all the same expires.
            if Checkpoint::may_be_of(job) {
                let key = Checkpoint::key_of(job);
                let _ = self.transport.state_remove(&key, Expect::Any).await;
            }
        }
        let signal = Signal::Cancel {
            queue: key.queue.clone(),
            id: key.id.clone(),
            nonce: Some(nonce.to_string()),
        };
        self.transport.signal(&signal).await?;
        Ok(any)
    }

    /// Makes a waiting job due now. It starts exactly once, also when its time comes meanwhile.
    ///
    /// # Errors
    /// [`ClientError::State`] when it does not wait; [`ClientError::NoJob`].
    pub async fn retry_now(&self, key: &JobKey) -> Result<JobReport, ClientError> {
        let report = self.waiting(key).await?;
        // False: its time came meanwhile, and that is what was asked for.
        self.transport.release(&report.stored).await?;
        self.report(key).await
    }

    /// The job, if it waits for its time.
    async fn waiting(&self, key: &JobKey) -> Result<JobReport, ClientError> {
        let report = self.report(key).await?;
        match report.state {
            JobState::Scheduled | JobState::Retrying => {}
            JobState::Dead => return Err(state_error(&report, "use `naq dlq requeue`")),
            JobState::Blocked => {
                return Err(state_error(
                    &report,
                    "it waits for other jobs, and starts when they end",
                ));
            }
            _ => return Err(state_error(&report, "only a waiting job can be given another time")),
        }
        Ok(report)
    }

    /// Moves a waiting job to another due time; one that is past is now. It starts exactly once, and
    /// not before that; where its own time came meanwhile, the report says so.
    ///
    /// # Errors
    /// As [`retry_now`](Self::retry_now).
    pub async fn reschedule(
        &self,
        key: &JobKey,
        due_at: Timestamp,
    ) -> Result<JobReport, ClientError> {
        let report = self.waiting(key).await?;
        self.transport.reschedule(&report.stored, due_at).await?;
        self.report(key).await
    }
}

fn ended(report: &JobReport) -> ClientError {
    state_error(report, "there is nothing to cancel")
}

fn state_error(report: &JobReport, why: &'static str) -> ClientError {
    ClientError::State { id: report.key.id.clone(), state: report.state, why }
}
