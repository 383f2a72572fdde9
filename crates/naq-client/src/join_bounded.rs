//! [`join_bounded`]: run many requests at once, without a runtime.

use std::future::Future;
use std::vec::IntoIter;

use futures_util::stream::{self, BufferUnordered, Collect, Iter, StreamExt};

/// The most requests that run at the same time.
const MAX_RUNNING: usize = 64;

/// The future of [`join_bounded`]. A named type, because the compiler cannot prove that the future of
/// an `async fn` over such a stream is `Send`.
pub(crate) type JoinBounded<F> =
    Collect<BufferUnordered<Iter<IntoIter<F>>>, Vec<<F as Future>::Output>>;

/// Runs all futures, at most [`MAX_RUNNING`] at a time. Returns their outputs in the order in which
/// they finish.
pub(crate) fn join_bounded<F: Future>(futures: impl IntoIterator<Item = F>) -> JoinBounded<F> {
    // A list, so that no borrowed iterator lives across the await.
    let futures: Vec<F> = futures.into_iter().collect();
    stream::iter(futures).buffer_unordered(MAX_RUNNING).collect()
}
