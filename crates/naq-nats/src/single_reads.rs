//! Reads of one subject per request. A user who may read only some subjects of a stream cannot use the
//! batches of [`direct`](crate::direct): the broker checks the subject of a request, and not its body.

use std::collections::HashSet;
use std::sync::Mutex;

use futures_util::future::try_join_all;
use naq_core::sync::lock;
use naq_core::transport::TransportError;

use crate::api::Api;
use crate::direct::StreamMessage;
use crate::subjects::api;

/// How many single reads wait for their replies at the same time.
const PARALLEL: usize = 64;

/// The streams of which this user may read single subjects only, as far as the broker has said so.
#[derive(Debug, Default)]
pub(crate) struct SingleReads(Mutex<HashSet<String>>);

impl SingleReads {
    pub(crate) fn only(&self, stream: &str) -> bool {
        lock(&self.0).contains(stream)
    }

    fn note(&self, stream: &str) {
        lock(&self.0).insert(stream.to_owned());
    }
}

impl Api {
    /// The last message on each of these subjects, without wildcards, with one request for each.
    pub(crate) async fn last_of_singly(
        &self,
        stream: &str,
        subjects: &[String],
    ) -> Result<Vec<StreamMessage>, TransportError> {
        let mut found = Vec::with_capacity(subjects.len());
        for some in subjects.chunks(PARALLEL) {
            let requests: Vec<_> = some.iter().map(|it| api::direct_get_last(stream, it)).collect();
            let reads = requests.iter().map(|it| self.get_with_retry(stream, it, &(), 1));
            for batch in try_join_all(reads).await? {
                found.extend(batch.messages);
            }
        }
        self.single_reads.note(stream);
        Ok(found)
    }
}
