//! Many requests at once, without a runtime.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// So many are on their way at once.
const AT_ONCE: usize = 64;

/// Runs all of them, some at once; their outputs come in any order.
pub(crate) fn together<F: Future>(all: impl IntoIterator<Item = F>) -> Together<F> {
    let waiting = all.into_iter().collect::<Vec<_>>().into_iter();
    Together { waiting, running: Vec::new(), done: Vec::new() }
}

/// What [`together`] returns.
#[must_use = "nothing runs until it is awaited"]
pub(crate) struct Together<F: Future> {
    waiting: std::vec::IntoIter<F>,
    running: Vec<Pin<Box<F>>>,
    done: Vec<F::Output>,
}

// What runs is pinned in its box; nothing else is pinned.
impl<F: Future> Unpin for Together<F> {}

impl<F: Future> Future for Together<F> {
    type Output = Vec<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { waiting, running, done } = &mut *self;
        loop {
            running.extend(waiting.take(AT_ONCE - running.len()).map(Box::pin));
            if running.is_empty() {
                return Poll::Ready(std::mem::take(done));
            }
            let before = done.len();
            running.retain_mut(|future| match future.as_mut().poll(cx) {
                Poll::Ready(output) => {
                    done.push(output);
                    false
                }
                Poll::Pending => true,
            });
            // What takes the places of those that are done has to be polled too.
            if done.len() == before {
                return Poll::Pending;
            }
        }
    }
}
