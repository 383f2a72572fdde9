//! The planned attempts, up to the last one that the policy allows.

use std::time::Duration;

use naq_core::Timestamp;
use naq_core::retry::{Jitter, Rule, preview_from};

use super::row::{BarKind, RowKind, TimelineRow};
use super::timeline::JobTimeline;
use crate::view::{count, span};

/// The most planned attempts with a row; a last row counts the others.
const MAX_SHOWN: u32 = 8;
const TOO_LATE: &str = "its next retry would start after retry_for";

/// What follows if the attempt that starts at `from` fails, and each one after it. Each attempt counts as
/// failing immediately, because its duration is unknown. The delays have this job's own jitter.
pub(super) fn rows(timeline: &JobTimeline<'_>, from: Timestamp) -> Vec<TimelineRow> {
    let job = timeline.job;
    let policy = timeline.policy();
    let first = job.first_started_at.unwrap_or(from);
    let mut at = from;
    let mut earliest = from;
    let mut latest = from;
    let mut rows = Vec::new();
    for retry in preview_from(policy, job.attempt).take(MAX_SHOWN as usize) {
        let delay = policy.retry_delay(&job.id, retry.retry);
        let next = at + delay;
        if policy.retry_for().is_some_and(|limit| next > first + limit) {
            rows.push(last_row(at, Rule::RetryFor, TOO_LATE));
            return rows;
        }
        if job.deadline.is_some_and(|deadline| next > deadline) {
            rows.push(last_row(
                at,
                Rule::Deadline,
                "its next retry would start after the deadline",
            ));
            return rows;
        }
        at = next;
        earliest = earliest + Duration::from_millis(retry.delay_min_ms);
        latest = latest + Duration::from_millis(retry.delay_max_ms);
        let id = format!("to-come-{}", retry.attempt);
        let mut row = TimelineRow::new(id, RowKind::Planned, timeline.title(retry.attempt));
        row.bar(BarKind::Possible, earliest, latest);
        row.mark = Some(at);
        row.waited = format!("{} after attempt {} fails", span(delay), retry.retry);
        if policy.jitter() != Jitter::None {
            let band = [retry.delay_min_ms, retry.delay_max_ms].map(Duration::from_millis);
            let [low, high] = band.map(span);
            row.waited.push_str(&format!(" (jitter allows {low} to {high})"));
        }
        row.reason = "if all attempts before it fail".into();
        rows.push(row);
    }
    let left = policy.max_retries().saturating_sub(job.attempt.saturating_sub(1));
    // The preview also ends at retry_for.
    match rows.len() as u64 {
        shown if shown == u64::from(left) => {
            rows.push(last_row(at, Rule::MaxRetries, "no retry is left"));
        }
        shown if shown < u64::from(MAX_SHOWN) => rows.push(last_row(at, Rule::RetryFor, TOO_LATE)),
        shown => {
            let mut row =
                TimelineRow::new("more".into(), RowKind::FinalOutcome, "More attempts".into());
            let more = count(u64::from(left) - shown);
            row.reason = format!("up to {more} more attempts, then the job is dead");
            rows.push(row);
        }
    }
    rows
}

fn last_row(at: Timestamp, rule: Rule, why: &str) -> TimelineRow {
    let mut row = TimelineRow::new("the-end".into(), RowKind::FinalOutcome, "If that fails".into());
    row.mark = Some(at);
    row.rule = Some(rule);
    row.reason = format!("the job is dead: {why}");
    row
}
