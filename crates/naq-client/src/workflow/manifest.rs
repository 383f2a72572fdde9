//! What is noted of a workflow: its jobs and edges, for those who start it again, and who look.

use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::flow::RunWhen;
use naq_core::names::{JobId, TaskName};
use naq_core::transport::{Expect, JobKey, Saved, StateEntry, StateKey, StatePage, TransportError};
use naq_core::wire::Nonce;
use serde::{Deserialize, Serialize};

use crate::Client;
use crate::workflow::WorkflowError;

/// How long a workflow can be shown after it was started.
const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The value of a `workflow.<id>` entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) id: JobId,
    pub(super) name: String,
    /// What the lives of its jobs are named after.
    pub(super) run: String,
    pub(super) enqueued_at: Timestamp,
    /// All its jobs are enqueued.
    #[serde(default)]
    pub(super) started: bool,
    /// Somebody has cancelled it.
    #[serde(default)]
    pub(super) cancelled: bool,
    pub(super) jobs: Vec<ManifestJob>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct ManifestJob {
    pub(super) name: String,
    pub(super) key: JobKey,
    pub(super) task: TaskName,
    /// The places of those before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) after: Vec<usize>,
    /// Jobs outside of the workflow that come before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) outside: Vec<JobKey>,
    #[serde(default)]
    pub(super) when: RunWhen,
    /// How many jobs come before it on the longest way.
    pub(super) depth: usize,
}

/// A workflow in one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorkflowSummary {
    /// Its id.
    pub id: JobId,
    /// Its name.
    pub name: String,
    /// When it was started.
    pub enqueued_at: Timestamp,
    /// How many jobs it has.
    pub jobs: usize,
    /// Whether somebody cancelled it.
    pub cancelled: bool,
}

impl Manifest {
    /// The life of its job at `place`.
    pub(super) fn life(&self, place: usize) -> Nonce {
        // A nonce of 12 characters and a number make a nonce.
        Nonce::parse(&format!("{}-{place}", self.run)).unwrap_or_else(|_| Nonce::random())
    }

    /// Whether both are the same jobs in the same order of running.
    pub(super) fn has_jobs_of(&self, other: &Self) -> bool {
        self.jobs == other.jobs
    }

    fn read(entry: &StateEntry) -> Result<Self, String> {
        let manifest: Self = serde_json::from_slice(&entry.value).map_err(|err| err.to_string())?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Whoever may write to the broker may have written it: places are looked up, depths counted up
    /// to.
    fn check(&self) -> Result<(), String> {
        let all = self.jobs.len();
        for job in &self.jobs {
            if job.depth >= all {
                return Err(format!("{} of {all} jobs come before {}", job.depth, job.name));
            }
            if let Some(place) = job.after.iter().find(|place| **place >= all) {
                return Err(format!("{} comes after job {place} of {all}", job.name));
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
        what: "note a workflow".into(),
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
        self.transport.state_put(&key(&manifest.id)?, value.into(), expect, Some(KEPT)).await
    }

    /// With its revision.
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
        const PAGE: usize = 100;
        let prefix = rejected(StateKey::new(["workflow"]))?;
        let (mut all, mut from) = (Vec::new(), 0);
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
