//! The log lines of an attempt. Payloads are never logged.

use std::fmt;
use std::time::Duration;

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
    tracing::debug!("{} succeeded in {}", AttemptOfMax(envelope), format_delay(took));
}

pub(crate) fn completed_by_fallback(decision: &Decision) {
    tracing::warn!("{}", decision.reason());
}

pub(crate) fn failed(envelope: &Envelope, failure: &Failure, decision: &Decision) {
    match decision.action {
        Action::Retry { delay, .. } => {
            tracing::info!("{} failed: {failure}", AttemptOfMax(envelope));
            tracing::info!(
                "retrying in {} ({})",
                format_delay(delay),
                delay_source(envelope, decision.rule)
            );
        }
        Action::Snooze { delay, .. } => {
            tracing::debug!("{} snoozed for {}", AttemptOfMax(envelope), format_delay(delay));
        }
        Action::Cancel => tracing::info!("{} cancelled the job: {failure}", AttemptOfMax(envelope)),
        Action::Expire => tracing::info!("expired: {}", decision.reason()),
        Action::Dead => tracing::error!(
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
    if decision.action == Action::Dead {
        tracing::error!("dead before {}: {}", AttemptOfMax(envelope), decision.reason());
    } else {
        tracing::info!("not run: {}", decision.reason());
    }
}

pub(crate) fn held_back(envelope: &Envelope, decision: &Decision) {
    let wait = decision.action.delay().unwrap_or_default();
    tracing::debug!(
        "{} held back for {}: {}",
        AttemptOfMax(envelope),
        format_delay(wait),
        decision.reason()
    );
}

pub(crate) fn unknown_task(message: &str, decision: &Decision) {
    match decision.action.delay() {
        Some(delay) => tracing::warn!("{message}; checking again in {}", format_delay(delay)),
        None => tracing::error!("dead: {message}"),
    }
}
