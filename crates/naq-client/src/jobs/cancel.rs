//! Cancel: end a job that has not ended.

use naq_core::names::JobKey;
use naq_core::retry::Rule;
use naq_core::state::JobState;
use naq_core::transport::{
    Fact, Place, SHORTEST_RECORD_TTL, Signal, Stored, TransportError, Written,
};
use naq_core::wire::{AttemptOutcome, AttemptRecord, CancelledAttempt, FinalRecord};

use crate::operate::audit_entry::operator_text;
use crate::{Client, ClientError, JobReport};

impl Client {
    /// Ends a job that has not ended. A pending or waiting job never starts. A running handler is
    /// notified by its cancellation token. However it ends, neither a retry nor another end follows.
    /// If the job ends at the same moment, it has one end: that of the process that stores the job's
    /// record first. (A job that keeps no record stores nothing when it completes, so it stays
    /// cancelled.)
    ///
    /// The cancel stores the record first, and then removes the messages. After a crash between the
    /// two, the record says that the job is cancelled, but its message may still run once. A second
    /// cancel completes the first. The reason is stored without secrets, and cut to 500 characters.
    ///
    /// # Errors
    /// [`ClientError::State`] with the job's end when it has ended; [`ClientError::NoJob`].
    pub async fn cancel(&self, key: &JobKey, reason: &str) -> Result<JobReport, ClientError> {
        let report = self.report(key).await?;
        if report.state.is_final() {
            // An earlier cancel may have crashed before its last steps.
            let completed =
                report.state == JobState::Cancelled && self.finish_cancel(&report).await?;
            return if completed { Ok(report) } else { Err(has_ended(&report)) };
        }
        self.write_cancelled(report, Rule::Cancel, reason).await
    }

    /// Stores the end of a job that had not ended when `report` was read.
    pub(crate) async fn write_cancelled(
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
        let mut record =
            FinalRecord { envelope, state: JobState::Cancelled, finished_at: now, result: None };
        self.fit_record(&mut record);
        let mut ended = false;
        let mut message = None;
        if let Some(mut fact) = Fact::record(&report.stored, &record)? {
            // Only the worker that runs the job knows since when.
            if report.stored.place == Place::Queue {
                fact.message = fact.message.with_cancelled_attempt(CancelledAttempt::Unknown);
            }
            let written = self.transport.write(&fact).await?;
            message = Some(fact.message);
            ended = matches!(written, Written::Stored | Written::Awaited);
            match written {
                Written::Stored | Written::Fenced => {}
                Written::Awaited => self.enqueue_wake(&report, JobState::Cancelled).await?,
                Written::Ended => return Err(self.already_ended(report).await?),
            }
        }
        self.remove_messages(&report).await?;
        if ended {
            let now = self.clock.now();
            self.cancel_tally.count_cancel(&*self.transport, &record.envelope, now).await;
        }
        match self.report(key).await {
            // A replica of a cluster may not have the record yet that was stored just now.
            Err(ClientError::NoJob(_)) if message.is_some() => {
                let place = Place::Record;
                let record = message.map(|message| Stored {
                    key: key.clone(),
                    place,
                    seq: 0,
                    stored_at: now,
                    due_at: None,
                    delivered: false,
                    message,
                });
                let found = record.and_then(|record| JobReport::resolve(&[record]));
                found.ok_or_else(|| ClientError::NoJob(key.id.clone()))
            }
            answer => answer,
        }
    }

    /// The error for a job that ended before the cancel.
    async fn already_ended(&self, report: JobReport) -> Result<ClientError, ClientError> {
        let life = report.stored.step().nonce;
        let mut messages = self.transport.locate(&report.key).await?;
        messages.retain(|message| message.step().nonce == life);
        // `None` when its record has expired at this moment.
        Ok(has_ended(&JobReport::resolve(&messages).unwrap_or(report)))
    }

    /// Completes a cancel that crashed before its last steps. True if there was a message to
    /// remove.
    async fn finish_cancel(&self, report: &JobReport) -> Result<bool, ClientError> {
        if report.stored.message.is_awaited() {
            self.enqueue_wake(report, JobState::Cancelled).await?;
        }
        Ok(self.remove_messages(report).await?)
    }

    /// Removes the messages of the reported life that could still run, and signals the worker that
    /// runs it. True if there was such a message. Reads again until none is left, because a
    /// schedule may become due meanwhile.
    async fn remove_messages(&self, report: &JobReport) -> Result<bool, TransportError> {
        let key = &report.key;
        let nonce = report.stored.step().nonce;
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
            self.forget_job(key, job).await;
        }
        let signal = Signal::Cancel {
            queue: key.queue.clone(),
            id: key.id.clone(),
            nonce: Some(nonce.to_string()),
        };
        self.transport.signal(&signal).await?;
        Ok(any)
    }
}

fn has_ended(report: &JobReport) -> ClientError {
    report.state_error("there is nothing to cancel")
}
