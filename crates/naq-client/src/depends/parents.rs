//! What the jobs that a job depended on have left it.

use naq_core::state::JobState;
use naq_core::transport::{JobKey, TransportError};
use naq_core::wire::{Envelope, Payload};
use serde::de::DeserializeOwned;

use crate::together::together;
use crate::{Client, ClientError, JobReport};

use crate::depends::Child;

/// The jobs that a job depended on, in the order in which they were named.
#[derive(Debug, Clone, PartialEq)]
pub struct Parents {
    workflow: Option<String>,
    ends: Vec<ParentEnd>,
}

/// How one of them ended.
#[derive(Debug, Clone, PartialEq)]
pub struct ParentEnd {
    /// Which job.
    pub key: JobKey,
    /// How it ended; none when nobody knows any more.
    pub state: Option<JobState>,
    /// What it returned, if it completed and its record is still kept: for a day at least when it
    /// was waited for before it ended, else as long as it asked for.
    pub result: Option<Payload>,
    /// Its last error, if it had one.
    pub error: Option<String>,
}

impl Parents {
    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, ParentEnd> {
        self.ends.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether the job depended on none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Those that completed.
    pub fn completed(&self) -> impl Iterator<Item = &ParentEnd> {
        self.iter().filter(|end| end.state == Some(JobState::Completed))
    }

    /// Those that did not.
    pub fn failed(&self) -> impl Iterator<Item = &ParentEnd> {
        self.iter().filter(|end| end.state != Some(JobState::Completed))
    }

    /// One of them: by its id, by `queue/id`, or by its name in the workflow.
    pub fn get(&self, job: &str) -> Option<&ParentEnd> {
        let in_workflow = self.workflow.as_ref().map(|workflow| format!("{workflow}-{job}"));
        let is = |end: &&ParentEnd| {
            let id = end.key.id.as_str();
            id == job || Some(id) == in_workflow.as_deref() || end.key.to_string() == job
        };
        self.iter().find(is)
    }

    /// What one of them returned; see [`get`](Self::get).
    ///
    /// # Errors
    /// [`ClientError::NoResult`] when the job does not depend on it, it has not completed, or its
    /// record is gone; [`ClientError::Decode`] when its result is no `T`.
    pub fn result<T: DeserializeOwned>(&self, job: &str) -> Result<T, ClientError> {
        let none = |why| ClientError::NoResult { job: job.to_owned(), why };
        let end = self.get(job).ok_or_else(|| none("this job does not depend on it"))?;
        if end.state != Some(JobState::Completed) {
            return Err(none("it has not completed"));
        }
        let result = end.result.as_ref();
        let result = result.ok_or_else(|| none("its record is kept no longer: see record_ttl"))?;
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
    /// How the jobs ended that this one depends on, with their results. A request or two for each,
    /// many at once.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn parents(&self, job: &Envelope) -> Result<Parents, TransportError> {
        let workflow = job.workflow.as_ref().map(ToString::to_string);
        let (Some(depends), Some(child)) = (&job.depends_on, Child::of(job)) else {
            return Ok(Parents { workflow, ends: Vec::new() });
        };
        let met = self.list_met(&child).await?;
        let met: std::collections::HashMap<_, _> =
            met.into_iter().map(|met| (met.parent, met.state)).collect();
        let ends = depends.on.iter().enumerate().map(|(place, key)| {
            let noted = met.get(key).copied();
            async move {
                let mut report = self.newest(key).await?.filter(|report| report.state.is_final());
                if let Some(report) = &mut report {
                    self.add_result(report).await?;
                }
                Ok((place, ParentEnd::read(key, noted, report)))
            }
        });
        let ends: Result<Vec<_>, TransportError> = together(ends).await.into_iter().collect();
        let mut ends = ends?;
        ends.sort_by_key(|(place, _)| *place);
        Ok(Parents { workflow, ends: ends.into_iter().map(|(_, end)| end).collect() })
    }
}

impl ParentEnd {
    /// From what was noted when it ended, and what is still kept of it.
    fn read(key: &JobKey, noted: Option<JobState>, report: Option<JobReport>) -> Self {
        let state = noted.or(report.as_ref().map(|report| report.state));
        let job = report.as_ref().and_then(|report| report.envelope.as_ref());
        let error = job.and_then(|job| job.last_error()).and_then(|last| last.message.clone());
        let error = error.filter(|_| state != Some(JobState::Completed));
        Self { key: key.clone(), state, result: report.and_then(|report| report.result), error }
    }
}
