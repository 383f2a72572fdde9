//! [`Parents`]: the ends and the results of the jobs that a job depended on.

use std::collections::HashMap;

use naq_core::names::JobKey;
use naq_core::state::JobState;
use naq_core::transport::TransportError;
use naq_core::wire::{Envelope, Payload};
use serde::de::DeserializeOwned;

use crate::depends::edges::Dependent;
use crate::join_bounded::join_bounded;
use crate::{Client, ClientError, JobReport};

/// The jobs that a job depended on, in the order in which it named them.
#[derive(Debug, Clone, PartialEq)]
pub struct Parents {
    workflow: Option<String>,
    ends: Vec<ParentEnd>,
}

/// How one parent ended.
#[derive(Debug, Clone, PartialEq)]
pub struct ParentEnd {
    /// The parent.
    pub key: JobKey,
    /// How it ended; `None` when the broker no longer knows.
    pub state: Option<JobState>,
    /// What it returned, if it completed and its record is still kept. The record is kept for at
    /// least a day if a job waited for it before it ended, else for the parent's `record_ttl`.
    pub result: Option<Payload>,
    /// Its last error, if it had one.
    pub error: Option<String>,
}

impl Parents {
    /// All parents.
    pub fn iter(&self) -> std::slice::Iter<'_, ParentEnd> {
        self.ends.iter()
    }

    /// How many parents there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True if the job depended on no other.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The parents that completed.
    pub fn completed(&self) -> impl Iterator<Item = &ParentEnd> {
        self.iter().filter(|end| end.state == Some(JobState::Completed))
    }

    /// The parents that did not complete.
    pub fn failed(&self) -> impl Iterator<Item = &ParentEnd> {
        self.iter().filter(|end| end.state != Some(JobState::Completed))
    }

    /// One parent, by its id, by `queue/id`, or by its name in the workflow.
    pub fn get(&self, job: &str) -> Option<&ParentEnd> {
        let in_workflow = self.workflow.as_ref().map(|workflow| format!("{workflow}-{job}"));
        let is = |end: &&ParentEnd| {
            let id = end.key.id.as_str();
            id == job || Some(id) == in_workflow.as_deref() || end.key.to_string() == job
        };
        self.iter().find(is)
    }

    /// What one parent returned. Takes the same names as [`get`](Self::get).
    ///
    /// # Errors
    /// [`ClientError::NoResult`] when the job does not depend on it, it has not completed, or its
    /// record is gone; [`ClientError::Decode`] when its result is not a `T`.
    pub fn result<T: DeserializeOwned>(&self, job: &str) -> Result<T, ClientError> {
        let none = |why| ClientError::NoResult { job: job.to_owned(), why };
        let end = self.get(job).ok_or_else(|| none("this job does not depend on it"))?;
        if end.state != Some(JobState::Completed) {
            return Err(none("it has not completed"));
        }
        let result = end.result.as_ref();
        let result = result.ok_or_else(|| none("its record has expired: see record_ttl"))?;
        let wrong = |source| ClientError::Decode { id: end.key.id.clone(), source };
        result.decode().map_err(wrong)
    }
}

impl<'a> IntoIterator for &'a Parents {
    type Item = &'a ParentEnd;
    type IntoIter = std::slice::Iter<'a, ParentEnd>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Client {
    /// How the parents of this job ended, with their results. Takes one or two requests for each
    /// parent, many at the same time.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn parents(&self, job: &Envelope) -> Result<Parents, TransportError> {
        let workflow = job.workflow.as_ref().map(ToString::to_string);
        let (Some(depends), Some(dependent)) = (&job.depends_on, Dependent::of(job)) else {
            return Ok(Parents { workflow, ends: Vec::new() });
        };
        let met = self.edges().list_met(&dependent).await?;
        let met: HashMap<_, _> = met.into_iter().map(|met| (met.parent, met.state)).collect();
        let ends = depends.on.iter().enumerate().map(|(index, key)| {
            let stored = met.get(key).copied();
            async move {
                let newest = self.read_newest(key).await?;
                let mut report = newest.filter(|report| report.state.is_final());
                if let Some(report) = &mut report {
                    self.add_large_result(report).await?;
                }
                Ok((index, ParentEnd::read(key, stored, report)))
            }
        });
        let ends: Result<Vec<_>, TransportError> = join_bounded(ends).await.into_iter().collect();
        let mut ends = ends?;
        ends.sort_by_key(|(index, _)| *index);
        Ok(Parents { workflow, ends: ends.into_iter().map(|(_, end)| end).collect() })
    }
}

impl ParentEnd {
    /// From the state that was stored when it ended, and from its record or letter if it is kept.
    fn read(key: &JobKey, stored: Option<JobState>, report: Option<JobReport>) -> Self {
        let state = stored.or(report.as_ref().map(|report| report.state));
        let job = report.as_ref().and_then(|report| report.envelope.as_ref());
        let error = job.and_then(|job| job.last_error()).and_then(|last| last.message.clone());
        let error = error.filter(|_| state != Some(JobState::Completed));
        Self { key: key.clone(), state, result: report.and_then(|report| report.result), error }
    }
}
