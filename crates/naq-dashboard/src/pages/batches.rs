//! Batches: actions on many dead letters or waiting jobs, running and ended.

use askama::Template;
use naq_client::{Batch, BatchAction, BatchState};

use super::{NavTab, PageContent, PageError};
use crate::access::{Touched, role_for};
use crate::page_request::PageRequest;
use crate::view::{RelativeTime, clip, count, redacted, span};

/// Batches in the panel of a page that can start one.
const RECENT: usize = 5;

#[derive(Template)]
#[template(path = "batches.html")]
struct BatchesPage {
    panel: BatchPanel,
}

/// The newest batches, as a live region; its `Display` is HTML.
#[derive(Debug, Template)]
#[template(path = "batches_panel.html")]
pub(super) struct BatchPanel {
    prefix: String,
    all: String,
    /// Whether the panel is a part of another page.
    within: bool,
    may_act: bool,
    rows: Vec<BatchRow>,
}

#[derive(Debug)]
struct BatchRow {
    id: String,
    may_act: bool,
    words: String,
    limits: String,
    who: String,
    reason: String,
    started: RelativeTime,
    state: BatchState,
    class: &'static str,
    total: u64,
    handled: u64,
    done: u64,
    progress: String,
    failure: Option<String>,
    can_cancel: bool,
    can_resume: bool,
    /// When the last job comes due: until then the batch can be undone.
    undo: Option<RelativeTime>,
}

impl BatchRow {
    fn new(request: &PageRequest<'_>, batch: &Batch) -> Self {
        let now = request.now();
        let state = batch.state_at(now);
        let handled = batch.done + batch.skipped + batch.failed;
        let total =
            if batch.state == BatchState::Running { batch.total.max(handled) } else { handled };
        let of = total_words(batch.state, batch.exact, batch.total, handled);
        let mut progress = format!("{} of {of} done", count(batch.done));
        for (n, words) in
            [(batch.skipped, "unchanged"), (batch.failed, "failed"), (batch.undone, "undone")]
        {
            if n > 0 {
                progress.push_str(&format!(", {} {words}", count(n)));
            }
        }
        Self {
            id: batch.id.to_string(),
            may_act: request.access.may(role_for(&batch.action), &Touched::from(&batch.scope)),
            words: format!("{} {}", batch.action.verb(), redacted(&batch.words, 500)),
            limits: limits(batch),
            who: clip(&batch.who, 80),
            reason: redacted(&batch.reason, 300),
            started: RelativeTime::new(batch.started_at, now),
            class: match state {
                BatchState::Done => "good",
                BatchState::Stopped => "bad",
                BatchState::Running | BatchState::Undoing => "info",
                _ => "muted",
            },
            state,
            total,
            handled,
            done: batch.done,
            progress,
            failure: batch.first_failure.as_ref().map(|why| redacted(why, 300)),
            can_cancel: batch.state == BatchState::Running,
            can_resume: matches!(batch.state, BatchState::Running | BatchState::Undoing)
                && !batch.is_busy(now),
            undo: batch
                .last_due_at
                .filter(|_| batch.can_be_undone(now))
                .map(|until| RelativeTime::new(until, now)),
        }
    }
}

/// How many jobs the batch has. A large batch starts before all of its jobs are counted.
fn total_words(state: BatchState, exact: bool, counted: u64, handled: u64) -> String {
    match state {
        _ if exact => count(counted),
        BatchState::Running => format!("at least {}", count(counted.max(handled))),
        _ => count(handled),
    }
}

/// How fast the batch goes, or how far it spreads.
fn limits(batch: &Batch) -> String {
    match &batch.action {
        BatchAction::RequeueDead { per_second: Some(rate) } => format!("at most {rate} a second"),
        BatchAction::Drip { per_second } => format!("at most {per_second} a second"),
        BatchAction::Spread { over } => format!("over {}", span(*over)),
        _ => String::new(),
    }
}

impl BatchPanel {
    /// The newest batches, for a page that can start one.
    pub(super) fn recent(request: &PageRequest<'_>) -> Self {
        Self::newest(request, RECENT, true)
    }

    fn newest(request: &PageRequest<'_>, limit: usize, within: bool) -> Self {
        let batches = request.snapshot.batches.newest();
        Self {
            prefix: request.app.options.prefix.clone(),
            all: request.link("/batches"),
            within,
            may_act: request.access.may_act(),
            rows: batches.iter().take(limit).map(|batch| BatchRow::new(request, batch)).collect(),
        }
    }
}

pub(super) fn render(request: &PageRequest<'_>) -> Result<PageContent, PageError> {
    let page = BatchesPage { panel: BatchPanel::newest(request, usize::MAX, false) };
    Ok(PageContent { title: "Batches".into(), tab: NavTab::Dead, body: page.render()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_that_is_not_counted_whole_says_at_least_how_many() {
        assert_eq!(total_words(BatchState::Running, true, 10_000, 50), "10,000");
        assert_eq!(total_words(BatchState::Running, false, 10_000, 50), "at least 10,000");
        assert_eq!(total_words(BatchState::Running, false, 10_000, 15_000), "at least 15,000");
        assert_eq!(total_words(BatchState::Done, false, 10_000, 15_000), "15,000");
    }
}
