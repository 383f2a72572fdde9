//! The log lines of an attempt: one when it starts, and one when it ends, with the decision. Programs read
//! the decision from the fields of the line, people from its text. Payloads are never logged.

use std::fmt;
use std::time::Duration;

use naq_core::clock::millis;
use naq_core::retry::{Action, Decision, Rule};
use naq_core::{Delay, Envelope, Failure};

/// The span of one attempt. What the handler logs is inside it.
pub(crate) fn span(envelope: &Envelope) -> tracing::Span {
    tracing::info_span!(
        "attempt",
        job = %envelope.id,
        task = %envelope.task,
        queue = %envelope.queue,
        attempt = envelope.attempt,
    )
}

/// `attempt 2 of 4`, formatted only if the line is logged.
struct AttemptOfMax<'a>(&'a Envelope);

impl fmt::Display for AttemptOfMax<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attempt {} of {}", self.0.attempt, self.0.max_attempts())
    }
}

fn format_delay(delay: Duration) -> naq_core::retry::BriefDuration {
    naq_core::retry::BriefDuration(delay)
}

pub(crate) fn started(envelope: &Envelope) {
    tracing::debug!("{} started", AttemptOfMax(envelope));
}

pub(crate) fn succeeded(envelope: &Envelope, took: Duration) {
    tracing::debug!(
        took_ms = millis(took),
        "{} succeeded in {}",
        AttemptOfMax(envelope),
        format_delay(took)
    );
}

pub(crate) fn completed_by_fallback(decision: &Decision) {
    tracing::warn!(rule = %decision.rule, "{}", decision.reason());
}

pub(crate) fn failed(envelope: &Envelope, failure: &Failure, decision: &Decision) {
    let (kind, rule) = (failure.kind(), decision.rule);
    match decision.action {
        Action::Retry { delay, at } => tracing::info!(
            %kind,
            %rule,
            delay_ms = millis(delay),
            next_at = %at,
            "{} failed: {failure}; retrying in {} ({})",
            AttemptOfMax(envelope),
            format_delay(delay),
            delay_source(envelope, decision.rule)
        ),
        Action::Snooze { delay, at } => tracing::debug!(
            %rule,
            delay_ms = millis(delay),
            next_at = %at,
            "{} snoozed for {}",
            AttemptOfMax(envelope),
            format_delay(delay)
        ),
        Action::Cancel => {
            tracing::info!(%kind, %rule, "{} cancelled the job: {failure}", AttemptOfMax(envelope));
        }
        Action::Expire => tracing::info!(
            %kind,
            %rule,
            "{} failed: {failure}; expired: {}",
            AttemptOfMax(envelope),
            decision.reason()
        ),
        Action::Dead => tracing::error!(
            %kind,
            %rule,
            "dead after {}: {failure} (rule {}: {})",
            AttemptOfMax(envelope),
            decision.rule,
            decision.reason()
        ),
        Action::Complete => {}
    }
}

fn delay_source(envelope: &Envelope, rule: Rule) -> String {
    match (rule, envelope.policy.delay()) {
        (Rule::RetryAfter, _) => "as the handler asked".to_owned(),
        (_, Delay::List(_)) => "strategy: listed delays".to_owned(),
        _ => format!("strategy: {}", envelope.policy.strategy().as_str()),
    }
}

pub(crate) fn not_run(envelope: &Envelope, decision: &Decision) {
    let rule = decision.rule;
    if decision.action == Action::Dead {
        tracing::error!(%rule, "dead before {}: {}", AttemptOfMax(envelope), decision.reason());
    } else {
        tracing::info!(%rule, "not run: {}", decision.reason());
    }
}

pub(crate) fn held_back(envelope: &Envelope, decision: &Decision) {
    let wait = decision.action.delay().unwrap_or_default();
    tracing::debug!(
        rule = %decision.rule,
        delay_ms = millis(wait),
        "{} held back for {}: {}",
        AttemptOfMax(envelope),
        format_delay(wait),
        decision.reason()
    );
}

pub(crate) fn unknown_task(message: &str, decision: &Decision) {
    match decision.action.delay() {
        Some(delay) => tracing::warn!(
            rule = %decision.rule,
            delay_ms = millis(delay),
            "{message}; checking again in {}",
            format_delay(delay)
        ),
        None => tracing::error!(rule = %decision.rule, "dead: {message}"),
    }
}
