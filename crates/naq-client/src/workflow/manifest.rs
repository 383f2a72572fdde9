//! [`Manifest`]: the stored list of a workflow's jobs and edges. A second start and the reports read
//! it.

use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::flow::RunWhen;
use naq_core::names::{JobId, JobKey, StateKey, TaskName};
use naq_core::transport::{Expect, Saved, StateEntry, StatePage, TransportError};
use naq_core::wire::Nonce;
use serde::{Deserialize, Serialize};

use crate::Client;
use crate::workflow::error::WorkflowError;

/// How long a manifest is stored after the start of its workflow.
const MANIFEST_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How many manifests one request reads.
const PAGE: usize = 100;

/// The value of a `workflow.<id>` entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) id: JobId,
    pub(super) name: String,
    /// The first part of the nonces of its jobs.
    pub(super) run: String,
    pub(super) enqueued_at: Timestamp,
    /// True once all its jobs are enqueued.
    #[serde(default)]
    pub(super) started: bool,
    /// True once it is cancelled.
    #[serde(default)]
    pub(super) cancelled: bool,
    pub(super) jobs: Vec<ManifestJob>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ManifestJob {
    pub(super) name: String,
    pub(super) key: JobKey,
    pub(super) task: TaskName,
    /// The indices of the jobs before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) after: Vec<usize>,
    /// The jobs before it that are not part of the workflow.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) outside: Vec<JobKey>,
    #[serde(default)]
    pub(super) when: RunWhen,
    /// The number of jobs before it on the longest path.
    pub(super) depth: usize,
}

/// A workflow in one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkflowSummary {
    /// The workflow's id.
    pub id: JobId,
    /// The workflow's name.
    pub name: String,
    /// When it was started.
    pub enqueued_at: Timestamp,
    /// How many jobs it has.
    pub jobs: usize,
    /// True if it was cancelled.
    pub cancelled: bool,
}

impl Manifest {
    /// The nonce of its job at `index`.
    pub(super) fn life(&self, index: usize) -> Nonce {
        // A nonce of 12 characters, a dash and a number are a valid nonce.
        Nonce::parse(&format!("{}-{index}", self.run)).unwrap_or_else(|_| Nonce::random())
    }

    /// True if both have the same jobs and the same edges.
    pub(super) fn has_jobs_of(&self, other: &Self) -> bool {
        self.jobs == other.jobs
    }

    fn read(entry: &StateEntry) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(&entry.value).map_err(|err| err.to_string())?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Checks indices and depths before they are used: any client of the broker may have written the
    /// entry.
    fn check(&self) -> Result<(), String> {
        let all = self.jobs.len();
        for job in &self.jobs {
            if job.depth >= all {
                return Err(format!("{} of {all} jobs come before {}", job.depth, job.name));
            }
            if let Some(index) = job.after.iter().find(|index| **index >= all) {
                return Err(format!("{} comes after job {index} of {all}", job.name));
            }
        }
        Ok(())
    }
}

fn key(id: &JobId) -> Result<StateKey, TransportError> {
    rejected(StateKey::new(["workflow", id.as_str()]))
}

fn rejected<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<T, TransportError> {
    result.map_err(|err| TransportError::Rejected {
        what: "store a workflow".into(),
        reason: err.to_string(),
    })
}

impl Client {
    pub(super) async fn put_manifest(
        &self,
        manifest: &Manifest,
        expect: Expect,
    ) -> Result<Saved, TransportError> {
        let value = rejected(serde_json::to_vec(manifest))?;
        self.transport
            .state_put(&key(&manifest.id)?, value.into(), expect, Some(MANIFEST_TTL))
            .await
    }

    /// The manifest and its revision.
    pub(super) async fn manifest(&self, id: &JobId) -> Result<(Manifest, u64), WorkflowError> {
        let key = key(id)?;
        let found = self.transport.state_get(std::slice::from_ref(&key)).await?.pop().flatten();
        let entry = found.ok_or_else(|| WorkflowError::Unknown(id.clone()))?;
        let unreadable = |reason| WorkflowError::Unreadable { id: id.clone(), reason };
        Ok((Manifest::read(&entry).map_err(unreadable)?, entry.revision))
    }

    /// The workflows of the last 30 days, oldest first.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn workflows(&self) -> Result<Vec<WorkflowSummary>, TransportError> {
        let prefix = rejected(StateKey::new(["workflow"]))?;
        let mut all = Vec::new();
        let mut from = 0;
        loop {
            let StatePage { entries, next, .. } =
                self.transport.state_list(&prefix, from, PAGE).await?;
            let manifests = entries.iter().filter_map(|entry| Manifest::read(entry).ok());
            all.extend(manifests.map(|manifest| WorkflowSummary {
                jobs: manifest.jobs.len(),
                id: manifest.id,
                name: manifest.name,
                enqueued_at: manifest.enqueued_at,
                cancelled: manifest.cancelled,
            }));
            match next {
                Some(next) => from = next,
                None => break,
            }
        }
        all.sort_by(|a, b| (a.enqueued_at, &a.id).cmp(&(b.enqueued_at, &b.id)));
        Ok(all)
    }
}
