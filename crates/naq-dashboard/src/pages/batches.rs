//! Batches: what is being done with many dead letters or waiting jobs, and what was.

use askama::Template;
use naq_client::{Batch, BatchAction, BatchState};

use super::{Content, PageError, Tab};
use crate::scene::Scene;
use crate::view::{Moment, clip, count, said, span};

/// Batches in the panel below the forms that start them.
const RECENT: usize = 5;

#[derive(Template)]
#[template(path = "batches.html")]
struct Batches {
    panel: Panel,
}

/// The newest batches, live. HTML, as it is displayed.
#[derive(Debug, Template)]
#[template(path = "batches_panel.html")]
pub(super) struct Panel {
    prefix: String,
    all: String,
    /// Whether it is part of another page.
    within: bool,
    may_act: bool,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    id: String,
    words: String,
    how: String,
    who: String,
    reason: String,
    started: Moment,
    state: BatchState,
    class: &'static str,
    total: u64,
    dealt: u64,
    done: u64,
    progress: String,
    failure: Option<String>,
    can_cancel: bool,
    can_resume: bool,
    /// Until when it can be undone.
    undo: Option<Moment>,
}

impl Row {
    fn new(scene: &Scene<'_>, batch: &Batch) -> Self {
        let now = scene.now();
        let state = batch.state_at(now);
        let dealt = batch.done + batch.skipped + batch.failed;
        let total = if batch.state == BatchState::Running { batch.total.max(dealt) } else { dealt };
        let of = whole(batch.state, batch.exact, batch.total, dealt);
        let mut progress = format!("{} of {of} done", count(batch.done));
        for (n, words) in [
            (batch.skipped, "left as they were"),
            (batch.failed, "failed"),
            (batch.undone, "taken back"),
        ] {
            if n > 0 {
                progress.push_str(&format!(", {} {words}", count(n)));
            }
        }
        Self {
            id: batch.id.to_string(),
            words: format!("{} {}", batch.action.verb(), said(&batch.words, 500)),
            how: how(batch),
            who: clip(&batch.who, 80),
            reason: said(&batch.reason, 300),
            started: Moment::new(batch.started_at, now),
            class: match state {
                BatchState::Done => "good",
                BatchState::Stopped => "bad",
                BatchState::Running | BatchState::Undoing => "info",
                _ => "muted",
            },
            state,
            total,
            dealt,
            done: batch.done,
            progress,
            failure: batch.first_failure.as_ref().map(|why| said(why, 300)),
            can_cancel: batch.state == BatchState::Running,
            can_resume: matches!(batch.state, BatchState::Running | BatchState::Undoing)
                && !batch.is_busy(now),
            undo: batch
                .last_due_at
                .filter(|_| batch.can_be_undone(now))
                .map(|until| Moment::new(until, now)),
        }
    }
}

/// How many it is about. Of very many only the first are counted before it begins.
fn whole(state: BatchState, exact: bool, counted: u64, dealt: u64) -> String {
    match state {
        _ if exact => count(counted),
        BatchState::Running => format!("at least {}", count(counted.max(dealt))),
        _ => count(dealt),
    }
}

/// The terms of it, in words.
fn how(batch: &Batch) -> String {
    match &batch.action {
        BatchAction::RequeueDead { per_second: Some(rate) } => format!("at most {rate} a second"),
        BatchAction::Drip { per_second } => format!("at most {per_second} a second"),
        BatchAction::Spread { over } => format!("over {}", span(*over)),
        _ => String::new(),
    }
}

impl Panel {
    /// The newest, for a page from which they are started.
    pub(super) fn recent(scene: &Scene<'_>) -> Self {
        Self::of(scene, RECENT, true)
    }

    fn of(scene: &Scene<'_>, limit: usize, within: bool) -> Self {
        let batches = scene.snapshot.batches.newest();
        Self {
            prefix: scene.app.options.prefix.clone(),
            all: scene.link("/batches"),
            within,
            may_act: scene.access.may_act,
            rows: batches.iter().take(limit).map(|batch| Row::new(scene, batch)).collect(),
        }
    }
}

pub(super) fn render(scene: &Scene<'_>) -> Result<Content, PageError> {
    let page = Batches { panel: Panel::of(scene, usize::MAX, false) };
    Ok(Content { title: "Batches".into(), tab: Tab::Dead, body: page.render()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_more_than_are_counted_it_says_at_least_how_many() {
        assert_eq!(whole(BatchState::Running, true, 10_000, 50), "10,000");
        assert_eq!(whole(BatchState::Running, false, 10_000, 50), "at least 10,000");
        assert_eq!(whole(BatchState::Running, false, 10_000, 15_000), "at least 15,000");
        assert_eq!(whole(BatchState::Done, false, 10_000, 15_000), "15,000");
    }
}
