//! What is written about an attempt: its record in the history, and the dead letter.

use naq_core::clock::millis;
use naq_core::retry::Decision;
use naq_core::transport::Stored;
use naq_core::wire::{AttemptOutcome, AttemptRecord, EncodeError, headers};
use naq_core::{DeadLetter, Envelope, Failure};

use super::RunTimes;
use super::settle_planner::SettlePlanner;

impl SettlePlanner<'_> {
    pub(super) fn letter(
        &self,
        stored: &Stored,
        envelope: Option<&Envelope>,
        failure: &Failure,
        decision: &Decision,
    ) -> DeadLetter {
        // An envelope that cannot be written is stored unchanged.
        let body = envelope
            .map(Envelope::encode)
            .and_then(Result::<_, EncodeError>::ok)
            .unwrap_or_else(|| stored.message.body.clone());
        DeadLetter {
            step: stored.step(),
            task: envelope.map(|envelope| envelope.task.clone()),
            error_kind: failure.kind().clone(),
            message: failure.letter_message().to_owned(),
            rule: decision.rule,
            reason: decision.reason(),
            died_at: self.now,
            content_type: stored.message.header(headers::CONTENT_TYPE).map(str::to_owned),
            body,
        }
    }

    /// The record of an attempt whose handler ran.
    pub(super) fn record_of_run(
        &self,
        envelope: &Envelope,
        times: RunTimes,
        how: AttemptOutcome,
        decision: &Decision,
    ) -> AttemptRecord {
        let mut record = self.attempt_record(envelope, how, decision);
        record.started_at = Some(times.started_at);
        record.ended_at = Some(times.ended_at);
        // A timeout stops a handler where it waits. One that blocks its thread ends by itself, late.
        if let Some(limit) = envelope.timeout.filter(|limit| times.took() > *limit)
            && how == AttemptOutcome::Completed
        {
            let [took, limit] = [times.took(), limit].map(naq_core::retry::BriefDuration);
            let late = format!("; it took {took}, longer than its timeout, {limit}");
            record.reason.get_or_insert_default().push_str(&late);
        }
        record
    }

    pub(super) fn attempt_record(
        &self,
        envelope: &Envelope,
        how: AttemptOutcome,
        decision: &Decision,
    ) -> AttemptRecord {
        let mut record = AttemptRecord::new(envelope.attempt, how);
        record.due_at = envelope.due_at;
        record.ended_at = Some(self.now);
        record.worker = Some(self.worker_id.clone());
        record.decision = Some(decision.action.as_str().to_owned());
        record.rule = Some(decision.rule);
        record.reason = Some(decision.reason());
        record.delay_ms = decision.action.delay().map(millis);
        record
    }
}
