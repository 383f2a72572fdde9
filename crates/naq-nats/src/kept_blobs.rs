//! The blobs that are kept until they are removed. Each has a small message beside its chunks, which has its size in
//! its subject. So one request for the subjects of a queue lists them, and reads no data.

use std::collections::HashMap;

use naq_core::QueueName;
use naq_core::transport::KeptBlob;
use serde::{Deserialize, Serialize};

use crate::api::Api;
use crate::error::ApiError;
use crate::error_codes::STREAM_NOT_FOUND;
use crate::subjects::api;

#[derive(Debug, Serialize)]
struct SubjectsRequest<'a> {
    subjects_filter: &'a str,
    offset: usize,
}

#[derive(Debug, Deserialize)]
struct SubjectsPage {
    state: SubjectsState,
    /// How many subjects there are on all pages.
    #[serde(default)]
    total: usize,
}

#[derive(Debug, Deserialize)]
struct SubjectsState {
    /// How many messages each subject has. Missing if there is none.
    #[serde(default)]
    subjects: HashMap<String, u64>,
}

impl Api {
    /// The kept blobs of a queue. Those of a removed blob stay in the answer for a second or two.
    pub(crate) async fn kept_blobs(&self, queue: &QueueName) -> Result<Vec<KeptBlob>, ApiError> {
        let filter = self.subjects.kept_blobs(queue);
        let info = api::stream_info(&self.subjects.blobs_stream());
        let mut kept = Vec::new();
        let mut offset = 0;
        loop {
            let request = SubjectsRequest { subjects_filter: &filter, offset };
            let page: SubjectsPage = match self.call_with_retry(&info, &request).await {
                Err(error) if error.is(STREAM_NOT_FOUND) => return Ok(kept),
                page => page?,
            };
            let found = page.state.subjects.len();
            let read = |subject: &String| self.subjects.read_kept_blob(queue, subject);
            kept.extend(page.state.subjects.keys().filter_map(read));
            offset += found;
            if found == 0 || offset >= page.total {
                return Ok(kept);
            }
        }
    }

    /// The bytes of the kept blobs of a queue, for its bound. 0 for a user who may not list them.
    pub(crate) async fn kept_bytes(&self, queue: &QueueName) -> Result<u64, ApiError> {
        match self.kept_blobs(queue).await {
            Err(error) if error.is_permission() => Ok(0),
            kept => {
                let sizes = kept?.into_iter().map(|kept| kept.blob.bytes() as u64);
                Ok(sizes.fold(0, u64::saturating_add))
            }
        }
    }
}
