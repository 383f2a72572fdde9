//! [`SingleReads`]: which streams this user may read only subject by subject. Such a user cannot use the
//! batches of direct gets: the broker checks the subject of a request, and not its body.

use std::collections::HashSet;
use std::sync::Mutex;

use naq_core::sync::lock;

/// The streams of which this user may read single subjects only, as far as the broker has said so.
#[derive(Debug, Default)]
pub(crate) struct SingleReads(Mutex<HashSet<String>>);

impl SingleReads {
    pub(crate) fn only(&self, stream: &str) -> bool {
        lock(&self.0).contains(stream)
    }

    pub(crate) fn note(&self, stream: &str) {
        lock(&self.0).insert(stream.to_owned());
    }
}
