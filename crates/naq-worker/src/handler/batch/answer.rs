//! The answer of a batch handler to one of its jobs, and the attempt that waits for it.

use std::sync::Mutex;
use std::task::{Context, Poll};

use naq_core::sync::lock;
use naq_core::{Failure, Payload};
use tokio::sync::oneshot;

/// How the batch handler has ended for one job.
#[derive(Debug)]
pub(super) enum Answer {
    Result(Result<Payload, Failure>),
    /// The handler panicked with this message.
    Panicked(String),
}

/// Where the attempt of one job waits for its answer. The attempt may have gone: its job was cancelled,
/// has timed out, or has lost its lease. Then the answer is not used.
#[derive(Debug)]
pub(super) struct AnswerSlot(Mutex<Option<oneshot::Sender<Answer>>>);

impl AnswerSlot {
    pub(super) fn new() -> (Self, oneshot::Receiver<Answer>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Mutex::new(Some(sender))), receiver)
    }

    /// The first answer counts.
    pub(super) fn send(&self, answer: Answer) {
        if let Some(sender) = lock(&self.0).take() {
            let _ = sender.send(answer);
        }
    }

    /// Whether no attempt waits: it has its answer, or it has gone.
    pub(super) fn is_idle(&self) -> bool {
        lock(&self.0).as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    /// Ready when the attempt has gone without an answer.
    fn poll_gone(&self, cx: &mut Context<'_>) -> Option<Poll<()>> {
        lock(&self.0).as_mut().map(|sender| sender.poll_closed(cx))
    }
}

/// Returns when no attempt waits for an answer any more, and one of them has gone without one.
pub(super) async fn all_gone(slots: impl Iterator<Item = &AnswerSlot> + Clone) {
    std::future::poll_fn(|cx| {
        // All are polled, so that each of them wakes this task.
        let open: Vec<_> = slots.clone().filter_map(|slot| slot.poll_gone(cx)).collect();
        match !open.is_empty() && open.iter().all(Poll::is_ready) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
}
