//! [`at_once`]: answers of the in-memory broker.

use futures_util::FutureExt;

/// The answer of the in-memory broker, which never waits.
pub(super) fn at_once<T>(answer: impl Future<Output = T>) -> T {
    answer.now_or_never().unwrap_or_else(|| panic!("the in-memory broker did not answer at once"))
}
