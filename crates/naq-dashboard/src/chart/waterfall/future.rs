//! The attempts still to come, up to exhaustion.

use std::time::Duration;

use naq_core::Timestamp;
use naq_core::retry::{Jitter, Rule, preview_from};

use super::layout::Story;
use super::row::{Kind, Look, Row};
use crate::view::{count, span};

/// Rows of attempts to come; of more it is said how many.
const SHOWN: u32 = 8;
const TOO_LATE: &str = "its next retry would start after retry_for";

/// What follows if the attempt that begins at `from` fails, and each one after it: at once, since
/// nobody knows how long they take. The delays are this job's own, its jitter included.
pub(super) fn rows(story: &Story<'_>, from: Timestamp) -> Vec<Row> {
    let (job, policy) = (story.job, story.policy());
    let first = job.first_started_at.unwrap_or(from);
    let (mut at, mut earliest, mut latest) = (from, from, from);
    let mut rows = Vec::new();
    for retry in preview_from(policy, job.attempt).take(SHOWN as usize) {
        let delay = policy.retry_delay(&job.id, retry.retry);
        let next = at + delay;
        if policy.retry_for().is_some_and(|limit| next > first + limit) {
            rows.push(end(at, Rule::RetryFor, TOO_LATE));
            return rows;
        }
        if job.deadline.is_some_and(|deadline| next > deadline) {
            rows.push(end(at, Rule::Deadline, "its next retry would start after the deadline"));
            return rows;
        }
        at = next;
        earliest = earliest + Duration::from_millis(retry.delay_min_ms);
        latest = latest + Duration::from_millis(retry.delay_max_ms);
        let id = format!("to-come-{}", retry.attempt);
        let mut row = Row::new(id, Kind::ToCome, story.title(retry.attempt));
        row.bar(Look::Possible, earliest, latest);
        row.mark = Some(at);
        row.waited = format!("{} after attempt {} has failed", span(delay), retry.retry);
        if policy.jitter() != Jitter::None {
            let band = [retry.delay_min_ms, retry.delay_max_ms].map(Duration::from_millis);
            let [low, high] = band.map(span);
            row.waited.push_str(&format!(" (jitter allows {low} to {high})"));
        }
        row.reason = "if those before it fail".into();
        rows.push(row);
    }
    let left = policy.max_retries().saturating_sub(job.attempt.saturating_sub(1));
    // The preview ends by itself where retry_for does.
    match rows.len() as u64 {
        shown if shown == u64::from(left) => {
            rows.push(end(at, Rule::MaxRetries, "no retry is left"));
        }
        shown if shown < u64::from(SHOWN) => rows.push(end(at, Rule::RetryFor, TOO_LATE)),
        shown => {
            let mut row = Row::new("more".into(), Kind::TheEnd, "And so on".into());
            let more = count(u64::from(left) - shown);
            row.reason = format!("up to {more} more attempts are made, and then the job is dead");
            rows.push(row);
        }
    }
    rows
}

fn end(at: Timestamp, rule: Rule, why: &str) -> Row {
    let mut row = Row::new("the-end".into(), Kind::TheEnd, "If that fails".into());
    row.mark = Some(at);
    row.rule = Some(rule);
    row.reason = format!("the job is dead: {why}");
    row
}
