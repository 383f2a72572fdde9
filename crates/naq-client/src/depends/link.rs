//! From the child's side: who it waits for, and seeing to it that their ends are told.

use std::collections::BTreeMap;

use naq_core::flow::{Dependencies, Verdict};
use naq_core::state::JobState;
use naq_core::transport::{Awaiting, Evidence, JobKey, Place, TransportError, stale};
use naq_core::wire::{Envelope, Nonce};

use crate::depends::edges::{Child, KEPT, PAGE, ends};
use crate::together::together;
use crate::{Client, EnqueueError, JobReport};

/// A job that another one waits for, as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parent {
    /// On its way, in this life.
    Live(Nonce),
    /// It has ended.
    Ended(JobState),
    /// Nothing is known of it: never enqueued, purged, or its record has expired.
    Nowhere,
}

/// How long after it was enqueued a job still waits for one that is nowhere: whoever declares a
/// workflow makes the children before the parents.
const GRACE: std::time::Duration = std::time::Duration::from_secs(600);

impl Client {
    /// The jobs that a job about to be enqueued is to wait for.
    pub(crate) async fn parents_of(
        &self,
        depends: &Dependencies,
    ) -> Result<Vec<(JobKey, Parent)>, EnqueueError> {
        let found = depends.on.iter().map(|key| async move {
            let report = self.newest(key).await?;
            match parent(report.as_ref()) {
                Parent::Nowhere => Err(EnqueueError::UnknownDependency(key.clone())),
                Parent::Live(_) if report.is_some_and(|report| keeps_no_record(&report)) => {
                    Err(EnqueueError::RecordlessDependency(key.clone()))
                }
                found => Ok((key.clone(), found)),
            }
        });
        together(found).await.into_iter().collect()
    }

    pub(super) async fn newest(&self, key: &JobKey) -> Result<Option<JobReport>, TransportError> {
        Ok(JobReport::resolve(&self.transport.locate(key).await?))
    }

    /// Ties a child that is stored to the jobs that it waits for, and lets it go or ends it if they
    /// have ended already. Whoever ends one of them from now on finds the child.
    pub(crate) async fn tie(
        &self,
        child: &Child,
        parents: &[(JobKey, Parent)],
    ) -> Result<(), TransportError> {
        self.tie_all(vec![(child.clone(), parents.to_vec())]).await
    }

    /// The same for many children at once, all of whose edges are written side by side.
    pub(crate) async fn tie_all(
        &self,
        children: Vec<(Child, Vec<(JobKey, Parent)>)>,
    ) -> Result<(), TransportError> {
        let edges = children.iter().enumerate().flat_map(|(place, (child, parents))| {
            parents.iter().map(move |(key, parent)| async move {
                let ended = self.link_one(child, key, parent).await?;
                Ok(ended.map(|state| (place, (key, state))))
            })
        });
        let ended: Result<Vec<_>, TransportError> = together(edges).await.into_iter().collect();
        // One is enough to look at a child by, and best one that did not complete.
        let mut first: BTreeMap<usize, (&JobKey, JobState)> = BTreeMap::new();
        for (place, (key, state)) in ended?.into_iter().flatten() {
            let found = first.entry(place).or_insert((key, state));
            if found.1 == JobState::Completed {
                *found = (key, state);
            }
        }
        let decided = first
            .iter()
            .map(|(place, (key, state))| self.after_end(&children[*place].0, key, *state));
        together(decided).await.into_iter().collect()
    }

    /// Those of `parents` that have ended; the others will be told of.
    async fn link(
        &self,
        child: &Child,
        parents: &[(JobKey, Parent)],
    ) -> Result<Vec<(JobKey, JobState)>, TransportError> {
        let linked = parents.iter().map(|(key, parent)| async move {
            let ended = self.link_one(child, key, parent).await?;
            Ok(ended.map(|state| (key.clone(), state)))
        });
        let linked: Result<Vec<_>, TransportError> = together(linked).await.into_iter().collect();
        Ok(linked?.into_iter().flatten().collect())
    }

    /// The edge first, then the marker: whoever finds the marker when he ends the parent finds the
    /// edge too. Without a marker the parent has ended before, and this is the one who notes it.
    async fn link_one(
        &self,
        child: &Child,
        key: &JobKey,
        parent: &Parent,
    ) -> Result<Option<JobState>, TransportError> {
        let state = match parent {
            Parent::Nowhere => return Ok(None),
            Parent::Ended(state) => *state,
            Parent::Live(life) => {
                let edge = self.note_waits(child, key, life).await?;
                match self.transport.await_end(key, life).await? {
                    Awaiting::Marked => return Ok(None),
                    Awaiting::Ended(record) => {
                        let state = self.note_met(child, key, end_of(&record)).await?;
                        self.transport.state_remove(&edge.0, edge.1).await?;
                        return Ok(Some(state));
                    }
                }
            }
        };
        self.note_met(child, key, state).await.map(Some)
    }

    /// Whether a delivered job may run, of which nobody has said so yet: reads what is noted, and
    /// where that is not enough, looks after each job that it waits for, as if it were enqueued
    /// now. That heals whatever was lost on the way.
    ///
    /// Costs one request for each 500 of those that have ended, and three for each 500 of those
    /// that are on their way and know of it.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn check_dependencies(&self, job: &Envelope) -> Result<Verdict, TransportError> {
        let (Some(depends), Some(child)) = (&job.depends_on, Child::of(job)) else {
            return Ok(Verdict::Run);
        };
        if depends.waived {
            return Ok(Verdict::Run);
        }
        let met = self.list_met(&child).await?;
        let verdict = depends.verdict(&ends(&met));
        if verdict != Verdict::Wait {
            return Ok(verdict);
        }
        let now = self.clock.now();
        for old in met.iter().filter(|met| now.since(met.noted_at) > KEPT / 2) {
            self.keep_met(old).await?;
        }
        let known: std::collections::HashSet<_> = met.iter().map(|met| &met.parent).collect();
        let open = depends.on.iter().filter(|key| !known.contains(*key)).cloned().collect();
        let untold = self.untold(&child, open).await?;
        let found = untold
            .iter()
            .map(|key| async move { Ok((key.clone(), parent(self.newest(key).await?.as_ref()))) });
        let found: Result<Vec<_>, TransportError> = together(found).await.into_iter().collect();
        let found = found?;
        if !self.link(&child, &found).await?.is_empty() {
            let verdict = depends.verdict(&ends(&self.list_met(&child).await?));
            if verdict != Verdict::Wait {
                return Ok(verdict);
            }
        }
        for (key, _) in found.iter().filter(|(_, parent)| *parent == Parent::Nowhere) {
            let overdue = now.since(job.enqueued_at) > GRACE;
            // Looked for twice: the broker may just have moved it from its schedule to the queue.
            if overdue && self.newest(key).await?.is_none() {
                let why = "is nowhere: it was purged, never enqueued, or its record has expired";
                return Ok(Verdict::Cancel(format!("job {key}, which it depends on, {why}")));
            }
        }
        Ok(Verdict::Wait)
    }

    /// Those of the jobs that `child` waits for which may have ended, or do not know of it: all
    /// but those that are on their way in the life that its edge names. If the marker of such a one
    /// is missing, its end is seen at the next look.
    async fn untold(
        &self,
        child: &Child,
        mut parents: Vec<JobKey>,
    ) -> Result<Vec<JobKey>, TransportError> {
        let mut untold = Vec::new();
        while !parents.is_empty() {
            let rest = parents.split_off(parents.len().min(PAGE));
            let edges = self.edges_to(child, &parents).await?;
            let evidence = self.transport.evidence(&parents).await?;
            for ((key, edge), found) in parents.into_iter().zip(edges).zip(&evidence) {
                let edge = edge.filter(|edge| edge.child.life == child.life);
                if edge.is_none_or(|edge| live_in(found) != Some(&edge.parent_life)) {
                    untold.push(key);
                }
            }
            parents = rest;
        }
        Ok(untold)
    }

    /// Whether one of these jobs is on its way.
    pub(crate) async fn any_live(&self, jobs: &[JobKey]) -> Result<bool, TransportError> {
        Ok(self.transport.evidence(jobs).await?.iter().any(|found| live_in(found).is_some()))
    }
}

pub(super) fn parent(report: Option<&JobReport>) -> Parent {
    match report {
        None => Parent::Nowhere,
        Some(report) if report.state.is_final() => Parent::Ended(report.state),
        Some(report) => Parent::Live(report.stored.step().nonce),
    }
}

/// In which life a job is on its way, read off its messages.
fn live_in(evidence: &[Evidence]) -> Option<&Nonce> {
    let waits = |e: &&Evidence| matches!(e.place, Place::Queue | Place::Schedule);
    let live = |e: &&Evidence| stale(&e.step, e.seq, evidence).is_none();
    evidence.iter().filter(waits).filter(live).max_by_key(|e| e.seq).map(|e| &e.step.nonce)
}

fn keeps_no_record(report: &JobReport) -> bool {
    report.envelope.as_ref().is_some_and(|job| job.record_ttl.is_zero())
}

/// How the job of this record ended; one that cannot be read says that it ended.
pub(super) fn end_of(record: &naq_core::transport::Stored) -> JobState {
    record.record().map_or(JobState::Completed, |record| record.state)
}
