//! [`IdempotencyKey`]: a request that is sent again adds no second job.

use std::fmt::Write;

use axum::http::{HeaderMap, HeaderName};
use naq_client::JobReport;
use naq_core::Codec;
use naq_core::names::{JobId, TaskName};
use ring::digest::{Context, SHA256};
use serde_json::Value;

use crate::guard::single;
use crate::problem::Problem;

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// The longest key, in bytes.
const MAX: usize = 255;

/// The header `Idempotency-Key` of a request. The id of the job is made from it and from the caller's
/// name, so that the same request names the same job, and two callers with the same key do not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key of the request, if it has one.
    ///
    /// # Errors
    /// The header comes twice, is empty or is too long.
    pub(crate) fn read(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        if !headers.contains_key(HEADER) {
            return Ok(None);
        }
        let key = single(headers, HEADER).map(|key| key.trim().trim_matches('"'));
        match key.filter(|key| !key.is_empty() && key.len() <= MAX) {
            Some(key) => Ok(Some(Self(key.to_owned()))),
            None => Err(Problem::bad_request(format!(
                "Idempotency-Key: send the header once, with 1 to {MAX} visible ASCII characters"
            ))),
        }
    }

    /// The id of the job in this line of the request. The first line is 0.
    ///
    /// # Errors
    /// Never: the id has only hexadecimal digits.
    pub(crate) fn job_id(&self, who: &str, line: usize) -> Result<JobId, Problem> {
        let mut hash = Context::new(&SHA256);
        for part in [who, &self.0, &line.to_string()] {
            // The length keeps `a` and `bc` apart from `ab` and `c`.
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let bytes = hash.finish();
        let id = bytes.as_ref().iter().take(16).fold("idem-".to_owned(), |mut id, byte| {
            // Writing to a string cannot fail.
            let _ = write!(id, "{byte:02x}");
            id
        });
        JobId::new(id).map_err(|err| Problem::bad_request(err.to_string()))
    }
}

/// Whether the stored job is the one of the request. It is also taken for the same if its arguments cannot
/// be read, because they are encrypted with a key that the gateway does not have.
pub(crate) fn same_job(report: &JobReport, task: &TaskName, args: &str) -> bool {
    let Some(job) = &report.envelope else { return true };
    let stored = report.args.as_ref().unwrap_or(&job.args);
    if stored.encrypted_with().is_some() {
        return job.task == *task;
    }
    let stored = stored.transcode(Codec::Json).ok();
    let stored = stored.and_then(|json| serde_json::from_slice::<Value>(json.bytes()).ok());
    let given = serde_json::from_str::<Value>(args).ok();
    job.task == *task && stored == given
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_request_names_the_same_job_and_another_caller_another_one() {
        let key = IdempotencyKey("order 7".into());
        let id = |who: &str, line| key.job_id(who, line).expect("an id");
        assert_eq!(id("web", 0), id("web", 0));
        assert_ne!(id("web", 0), id("web", 1));
        assert_ne!(id("web", 0), id("app", 0));
    }
}
