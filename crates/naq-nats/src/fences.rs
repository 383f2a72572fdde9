//! [`Fences`]: where this user reads without a fence.

use std::collections::HashSet;
use std::sync::Mutex;

use naq_core::sync::lock;

/// The streams in which this user may store no fence, or not read one, as far as the broker has said so.
#[derive(Debug, Default)]
pub(crate) struct Fences(Mutex<HashSet<String>>);

impl Fences {
    pub(crate) fn is_refused(&self, stream: &str) -> bool {
        lock(&self.0).contains(stream)
    }

    pub(crate) fn refuse(&self, stream: &str) {
        lock(&self.0).insert(stream.to_owned());
    }
}
