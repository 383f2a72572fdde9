//! The dependent's side: find the parents of a job, and link it to them, so that their ends release
//! it.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use naq_core::flow::{Dependencies, Verdict};
use naq_core::names::JobKey;
use naq_core::state::JobState;
use naq_core::transport::{Awaiting, Evidence, Place, Stored, TransportError, stale};
use naq_core::wire::{Envelope, Nonce};

use crate::depends::edges::{Dependent, EDGE_TTL, PAGE, ends};
use crate::join_bounded::join_bounded;
use crate::{Client, EnqueueError, JobReport};

/// What the broker knows of a parent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ParentState {
    /// It has not ended. This is its life.
    Live(Nonce),
    /// It has ended.
    Ended(JobState),
    /// The broker has no message of it: it was never enqueued, was purged, or its record has
    /// expired.
    Unknown,
}

/// How long after its enqueue a job still waits for an unknown parent: a workflow enqueues the
/// dependents before the parents.
const UNKNOWN_PARENT_GRACE: Duration = Duration::from_secs(600);

impl Client {
    /// The parents of a job that is about to be enqueued, with their states.
    pub(crate) async fn parents_of(
        &self,
        depends: &Dependencies,
    ) -> Result<Vec<(JobKey, ParentState)>, EnqueueError> {
        let found = depends.on.iter().map(|key| async move {
            let report = self.read_newest(key).await?;
            match parent_state(report.as_ref()) {
                ParentState::Unknown => Err(EnqueueError::UnknownDependency(key.clone())),
                ParentState::Live(_) if report.is_some_and(|report| keeps_no_record(&report)) => {
                    Err(EnqueueError::RecordlessDependency(key.clone()))
                }
                found => Ok((key.clone(), found)),
            }
        });
        join_bounded(found).await.into_iter().collect()
    }

    pub(super) async fn read_newest(
        &self,
        key: &JobKey,
    ) -> Result<Option<JobReport>, TransportError> {
        Ok(JobReport::resolve(&self.transport.locate(key).await?))
    }

    /// Links a stored job to its parents. If the parents have ended already, releases or cancels
    /// it. When a parent ends later, the process that
    /// ends it finds the job by its edge.
    pub(super) async fn link(
        &self,
        dependent: &Dependent,
        parents: &[(JobKey, ParentState)],
    ) -> Result<(), TransportError> {
        self.link_many(vec![(dependent.clone(), parents.to_vec())]).await
    }

    /// Like [`link`](Self::link) for many jobs. Writes the edges of all of them at the same time.
    pub(crate) async fn link_many(
        &self,
        dependents: Vec<(Dependent, Vec<(JobKey, ParentState)>)>,
    ) -> Result<(), TransportError> {
        let edges = dependents.iter().enumerate().flat_map(|(index, (dependent, parents))| {
            parents.iter().map(move |(key, parent)| async move {
                let ended = self.link_parent(dependent, key, parent).await?;
                Ok(ended.map(|state| (index, (key, state))))
            })
        });
        let ended: Result<Vec<_>, TransportError> = join_bounded(edges).await.into_iter().collect();
        // One ended parent per dependent is enough to decide. A parent that did not complete is
        // the better choice, since it may cancel the dependent at once.
        let mut first: BTreeMap<usize, (&JobKey, JobState)> = BTreeMap::new();
        for (index, (key, state)) in ended?.into_iter().flatten() {
            let found = first.entry(index).or_insert((key, state));
            if found.1 == JobState::Completed {
                *found = (key, state);
            }
        }
        let decided = first
            .iter()
            .map(|(index, (key, state))| self.after_parent_end(&dependents[*index].0, key, *state));
        join_bounded(decided).await.into_iter().collect()
    }

    /// Links a dependent to these parents. Returns the parents that have ended. The ends of the others
    /// will release the dependent.
    async fn link_parents(
        &self,
        dependent: &Dependent,
        parents: &[(JobKey, ParentState)],
    ) -> Result<Vec<(JobKey, JobState)>, TransportError> {
        let linked = parents.iter().map(|(key, parent)| async move {
            let ended = self.link_parent(dependent, key, parent).await?;
            Ok(ended.map(|state| (key.clone(), state)))
        });
        let linked: Result<Vec<_>, TransportError> =
            join_bounded(linked).await.into_iter().collect();
        Ok(linked?.into_iter().flatten().collect())
    }

    /// Writes the edge first, then the marker: a process that ends the parent and finds the marker
    /// finds the edge too. If the broker refuses the marker, the parent has ended already. This call
    /// then writes that end for the dependent, and returns it.
    async fn link_parent(
        &self,
        dependent: &Dependent,
        key: &JobKey,
        parent: &ParentState,
    ) -> Result<Option<JobState>, TransportError> {
        let edges = self.edges();
        let state = match parent {
            ParentState::Unknown => return Ok(None),
            ParentState::Ended(state) => *state,
            ParentState::Live(life) => {
                let (edge, unchanged) = edges.write_edge(dependent, key, life).await?;
                match self.transport.await_end(key, life).await? {
                    Awaiting::Marked => return Ok(None),
                    Awaiting::Ended(record) => {
                        let state = edges.write_met(dependent, key, end_of(&record)).await?;
                        edges.remove(&edge, unchanged).await?;
                        return Ok(Some(state));
                    }
                }
            }
        };
        edges.write_met(dependent, key, state).await.map(Some)
    }

    /// Whether a blocked job may run. A worker calls this when the job is delivered before a parent
    /// has released it. Reads the `met` entries. If they do not decide, checks and links each open
    /// parent as an enqueue does, which repairs lost links.
    ///
    /// Sends one request for each 500 ended parents, and three for each 500 linked parents that have
    /// not ended.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn check_dependencies(&self, job: &Envelope) -> Result<Verdict, TransportError> {
        let (Some(depends), Some(dependent)) = (&job.depends_on, Dependent::of(job)) else {
            return Ok(Verdict::Run);
        };
        if depends.waived {
            return Ok(Verdict::Run);
        }
        let met = self.edges().list_met(&dependent).await?;
        let verdict = depends.verdict(&ends(&met));
        if verdict != Verdict::Wait {
            return Ok(verdict);
        }
        let now = self.clock.now();
        for old in met.iter().filter(|met| now.since(met.stored_at) > EDGE_TTL / 2) {
            self.edges().renew_met(old).await?;
        }
        let known: HashSet<_> = met.iter().map(|met| &met.parent).collect();
        let open = depends.on.iter().filter(|key| !known.contains(*key)).cloned().collect();
        let to_check = self.parents_to_check(&dependent, open).await?;
        let found = to_check.iter().map(|key| async move {
            Ok((key.clone(), parent_state(self.read_newest(key).await?.as_ref())))
        });
        let found: Result<Vec<_>, TransportError> = join_bounded(found).await.into_iter().collect();
        let found = found?;
        if !self.link_parents(&dependent, &found).await?.is_empty() {
            let verdict = depends.verdict(&ends(&self.edges().list_met(&dependent).await?));
            if verdict != Verdict::Wait {
                return Ok(verdict);
            }
        }
        for (key, _) in found.iter().filter(|(_, parent)| *parent == ParentState::Unknown) {
            let overdue = now.since(job.enqueued_at) > UNKNOWN_PARENT_GRACE;
            // Reads twice: the broker may just have moved the parent from its schedule to the queue.
            if overdue && self.read_newest(key).await?.is_none() {
                let why = "is unknown: it was purged, never enqueued, or its record has expired";
                return Ok(Verdict::Cancel(format!("job {key}, which it depends on, {why}")));
            }
        }
        Ok(Verdict::Wait)
    }

    /// The parents that need a check: they may have ended, or they have no edge to `dependent`. A
    /// parent needs none if its edge names its life, and that life has not ended. If the marker of
    /// such a parent is missing, a later check finds its end.
    async fn parents_to_check(
        &self,
        dependent: &Dependent,
        mut parents: Vec<JobKey>,
    ) -> Result<Vec<JobKey>, TransportError> {
        let mut to_check = Vec::new();
        while !parents.is_empty() {
            let rest = parents.split_off(parents.len().min(PAGE));
            let edges = self.edges().edges_to(dependent, &parents).await?;
            let evidence = self.transport.evidence(&parents).await?;
            for ((key, edge), found) in parents.into_iter().zip(edges).zip(&evidence) {
                let edge = edge.filter(|edge| edge.dependent.life == dependent.life);
                if edge.is_none_or(|edge| live_life(found) != Some(&edge.parent_life)) {
                    to_check.push(key);
                }
            }
            parents = rest;
        }
        Ok(to_check)
    }

    /// True if one of these jobs has not ended.
    pub(crate) async fn any_live(&self, jobs: &[JobKey]) -> Result<bool, TransportError> {
        Ok(self.transport.evidence(jobs).await?.iter().any(|found| live_life(found).is_some()))
    }
}

pub(super) fn parent_state(report: Option<&JobReport>) -> ParentState {
    match report {
        None => ParentState::Unknown,
        Some(report) if report.state.is_final() => ParentState::Ended(report.state),
        Some(report) => ParentState::Live(report.stored.step().nonce),
    }
}

/// The newest life of a job that has not ended, by its messages.
fn live_life(evidence: &[Evidence]) -> Option<&Nonce> {
    let waits = |e: &&Evidence| matches!(e.place, Place::Queue | Place::Schedule);
    let live = |e: &&Evidence| stale(&e.step, e.seq, evidence).is_none();
    evidence.iter().filter(waits).filter(live).max_by_key(|e| e.seq).map(|e| &e.step.nonce)
}

fn keeps_no_record(report: &JobReport) -> bool {
    report.envelope.as_ref().is_some_and(|job| job.record_ttl.is_zero())
}

/// How the job of this record ended. A record that cannot be read counts as completed.
pub(super) fn end_of(record: &Stored) -> JobState {
    record.record().map_or(JobState::Completed, |record| record.state)
}
