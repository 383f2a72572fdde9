//! A job whose signature is missing or not accepted, in a queue that takes only signed jobs.

use naq_core::retry::{Action, Decision, Rule};
use naq_core::sign::SignatureFault;
use naq_core::stats::Ending;
use naq_core::transport::Stored;
use naq_core::wire::{Nonce, Step, headers};
use naq_core::{DeadLetter, Envelope, ErrorKind, Failure};

use super::settle_planner::{SettlePlan, SettlePlanner};
use super::{DeathFacts, Settlement};
use crate::report::ObservedEnding;

impl SettlePlanner<'_> {
    /// The message becomes a dead letter with its bytes, and has no record, like a message that is not a
    /// job. A forged job may name the life of another job of this id. So its letter is that of a life of
    /// its own, named after the message: it ends nothing of the other job.
    pub(super) fn unverified(
        &self,
        stored: &Stored,
        job: &Envelope,
        fault: &SignatureFault,
    ) -> SettlePlan {
        let failure = Failure::new(ErrorKind::SIGNATURE, fault.to_string()).redacted(self.redactor);
        let decision = Decision::new(Action::Dead, Rule::Signature);
        tracing::error!(job = %stored.key, "dead: {}: {}", decision.reason(), failure.message());
        let nonce = Nonce::of_message(stored.seq, stored.stored_at);
        let letter = DeadLetter {
            step: Step { nonce, attempt: 1, snoozes: 0 },
            task: Some(job.task.clone()),
            error_kind: failure.kind().clone(),
            message: failure.message().to_owned(),
            rule: decision.rule,
            reason: decision.reason(),
            died_at: self.now,
            content_type: stored.message.header(headers::CONTENT_TYPE).map(str::to_owned),
            body: stored.message.body.clone(),
        };
        let death = DeathFacts::new(stored, None, &letter);
        let ending = ObservedEnding::of(Ending::Dead).with_error(&failure, decision.rule);
        SettlePlan::new(Settlement::StoreDeath(Box::new(death)), ending)
    }
}
