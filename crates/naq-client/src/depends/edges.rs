//! The edges of workflows as all workers see them: who waits for a job, and which jobs have ended
//! for the one that waits.
//!
//! `dep.<parent>.<child>` says that the child is to be told of the parent's end;
//! `met.<child>.<life>.<parent>` says how the parent ended. A child runs only upon the second, so
//! what is lost or read late makes it wait longer, and never run early.

use std::collections::HashSet;
use std::time::Duration;

use naq_core::flow::{Dependencies, Ends, RunWhen, Verdict};
use naq_core::state::JobState;
use naq_core::transport::{Expect, JobKey, Saved, StateEntry, StateKey, TransportError};
use naq_core::wire::{Envelope, Nonce};
use serde::{Deserialize, Serialize};

use crate::Client;
use crate::together::together;

/// Edges that nobody removes, because a queue was purged, vanish after this. A job that waits
/// longer writes its own anew.
pub(super) const KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Entries asked for at once.
pub(super) const PAGE: usize = 500;

/// A job that waits for others, as their edges know it.
#[derive(Debug, Clone)]
pub(crate) struct Child {
    pub(super) key: JobKey,
    /// Which life of it.
    pub(super) life: Nonce,
    /// For how many it waits.
    pub(super) of: usize,
    /// For which ends.
    pub(super) when: RunWhen,
}

/// The value of a `dep` entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Waits {
    /// The life of the parent that is waited for.
    life: String,
    /// The life of the child that waits.
    child: String,
    of: usize,
    when: RunWhen,
}

/// The value of a `met` entry.
#[derive(Debug, Serialize, Deserialize)]
struct Met {
    state: JobState,
}

/// A `dep` entry: who waits, for which life of the parent.
#[derive(Debug)]
pub(super) struct Edge {
    pub(super) key: StateKey,
    pub(super) revision: u64,
    pub(super) child: Child,
    pub(super) parent_life: Nonce,
}

impl Child {
    /// None for a job that depends on nothing.
    pub(crate) fn of(job: &Envelope) -> Option<Self> {
        let depends = job.depends_on.as_ref()?;
        Some(Self {
            key: JobKey { queue: job.queue.clone(), id: job.id.clone() },
            life: job.nonce.clone(),
            of: depends.on.len(),
            when: depends.when,
        })
    }

    fn met(&self) -> Result<StateKey, TransportError> {
        let Self { key, life, .. } = self;
        state_key(["met", key.queue.as_str(), key.id.as_str(), life.as_str()])
    }

    fn met_by(&self, parent: &JobKey) -> Result<StateKey, TransportError> {
        let Self { key, life, .. } = self;
        let (queue, id) = (parent.queue.as_str(), parent.id.as_str());
        state_key(["met", key.queue.as_str(), key.id.as_str(), life.as_str(), queue, id])
    }

    pub(super) fn verdict(&self, ends: &Ends) -> Verdict {
        self.when.verdict(self.of, ends)
    }
}

impl Edge {
    /// None for an entry that nobody of ours wrote.
    fn read(entry: &StateEntry) -> Option<Self> {
        let waits: Waits = serde_json::from_slice(&entry.value).ok()?;
        let tokens: Vec<String> = entry.key.tokens().collect();
        let [_, _, _, queue, id] = <[String; 5]>::try_from(tokens).ok()?;
        let child = Child {
            key: format!("{queue}/{id}").parse().ok()?,
            life: Nonce::parse(&waits.child).ok()?,
            of: waits.of,
            when: waits.when,
        };
        let parent_life = Nonce::parse(&waits.life).ok()?;
        Some(Self { key: entry.key.clone(), revision: entry.revision, child, parent_life })
    }
}

fn state_key<const N: usize>(tokens: [&str; N]) -> Result<StateKey, TransportError> {
    StateKey::new(tokens).map_err(|err| TransportError::Rejected {
        what: "note who waits for whom".into(),
        reason: err.to_string(),
    })
}

fn dep(parent: &JobKey, child: &JobKey) -> Result<StateKey, TransportError> {
    let (queue, id) = (parent.queue.as_str(), parent.id.as_str());
    state_key(["dep", queue, id, child.queue.as_str(), child.id.as_str()])
}

fn value<T: Serialize>(value: &T) -> Result<bytes::Bytes, TransportError> {
    let rejected = |err: serde_json::Error| TransportError::Rejected {
        what: "note who waits for whom".into(),
        reason: err.to_string(),
    };
    serde_json::to_vec(value).map(Into::into).map_err(rejected)
}

impl Client {
    /// Notes that `child` waits for this life of `parent`; says where, and what removes just this
    /// note.
    pub(super) async fn note_waits(
        &self,
        child: &Child,
        parent: &JobKey,
        parent_life: &Nonce,
    ) -> Result<(StateKey, Expect), TransportError> {
        let waits = Waits {
            life: parent_life.to_string(),
            child: child.life.to_string(),
            of: child.of,
            when: child.when,
        };
        let key = dep(parent, &child.key)?;
        let put = self.transport.state_put(&key, value(&waits)?, Expect::Any, Some(KEPT));
        let unchanged = match put.await? {
            Saved::Stored(revision) => Expect::Revision(revision),
            Saved::Conflict => Expect::Any,
        };
        Ok((key, unchanged))
    }

    /// Notes for `child` how `parent` ended, and says what is noted: the first note stays.
    pub(super) async fn note_met(
        &self,
        child: &Child,
        parent: &JobKey,
        state: JobState,
    ) -> Result<JobState, TransportError> {
        let (key, value) = (child.met_by(parent)?, value(&Met { state })?);
        let saved = self.transport.state_put(&key, value, Expect::Absent, Some(KEPT)).await?;
        if saved != Saved::Conflict {
            return Ok(state);
        }
        let noted = self.transport.state_get(std::slice::from_ref(&key)).await?.pop().flatten();
        Ok(noted.and_then(|entry| MetBy::read(&entry)).map_or(state, |met| met.state))
    }

    /// A page of the edges to those who wait for `parent`.
    pub(super) async fn edges_of(
        &self,
        parent: &JobKey,
        from: u64,
    ) -> Result<(Vec<Edge>, Option<u64>), TransportError> {
        let prefix = state_key(["dep", parent.queue.as_str(), parent.id.as_str()])?;
        let page = self.transport.state_list(&prefix, from, PAGE).await?;
        Ok((page.entries.iter().filter_map(Edge::read).collect(), page.next))
    }

    /// The jobs that are noted as waiting for this one's end.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn dependents(&self, parent: &JobKey) -> Result<Vec<JobKey>, TransportError> {
        let (mut all, mut from) = (Vec::new(), 0);
        loop {
            let (edges, next) = self.edges_of(parent, from).await?;
            all.extend(edges.into_iter().map(|edge| edge.child.key));
            match next {
                Some(next) => from = next,
                None => return Ok(all),
            }
        }
    }

    /// The edges from these jobs to `child`, in their order.
    pub(super) async fn edges_to(
        &self,
        child: &Child,
        parents: &[JobKey],
    ) -> Result<Vec<Option<Edge>>, TransportError> {
        let keys = parents.iter().map(|parent| dep(parent, &child.key));
        let stand = self.transport.state_get(&keys.collect::<Result<Vec<_>, _>>()?).await?;
        Ok(stand.iter().map(|entry| entry.as_ref().and_then(Edge::read)).collect())
    }

    /// Removes an edge, unless it was written anew: whoever did looks after it.
    pub(super) async fn drop_edge(&self, edge: &Edge) -> Result<(), TransportError> {
        let unchanged = Expect::Revision(edge.revision);
        self.transport.state_remove(&edge.key, unchanged).await.map(drop)
    }

    /// How many of the jobs that `child` waits for are noted as ended.
    pub(super) async fn count_met(&self, child: &Child) -> Result<usize, TransportError> {
        let first = self.transport.state_list(&child.met()?, 0, 1).await?;
        Ok(first.entries.len() + usize::try_from(first.left).unwrap_or(usize::MAX))
    }

    /// How the jobs that `child` waits for have ended, so far as it is noted, and when that was
    /// noted first. Each once: a note that is written anew moves to the end, and may be met there
    /// again.
    pub(super) async fn list_met(&self, child: &Child) -> Result<Vec<MetBy>, TransportError> {
        let (prefix, mut met, mut from) = (child.met()?, Vec::new(), 0);
        let mut seen = HashSet::new();
        loop {
            let page = self.transport.state_list(&prefix, from, PAGE).await?;
            let read = page.entries.iter().filter_map(MetBy::read);
            met.extend(read.filter(|met| seen.insert(met.parent.clone())));
            match page.next {
                Some(next) => from = next,
                None => return Ok(met),
            }
        }
    }

    /// Writes a note anew that would vanish one day while the job still waits.
    pub(super) async fn keep_met(&self, old: &MetBy) -> Result<(), TransportError> {
        let (met, unchanged) = (value(&Met { state: old.state })?, Expect::Revision(old.revision));
        self.transport.state_put(&old.key, met, unchanged, Some(KEPT)).await.map(drop)
    }

    /// Removes all that is noted of a job that waits no longer.
    pub(crate) async fn forget_edges(
        &self,
        child: &Child,
        depends: &Dependencies,
    ) -> Result<(), TransportError> {
        let mut keys: Vec<_> =
            self.list_met(child).await?.into_iter().map(|met| (met.key, Expect::Any)).collect();
        // An edge to one that has ended may stand, too, if the child has found that out by itself.
        // One of a later life of the child is that one's.
        let own = |edge: &Edge| edge.child.life == child.life;
        let edges = self.edges_to(child, &depends.on).await?.into_iter().flatten().filter(own);
        keys.extend(edges.map(|edge| (edge.key, Expect::Revision(edge.revision))));
        let removed = keys.iter().map(|(key, expect)| self.transport.state_remove(key, *expect));
        together(removed).await.into_iter().try_for_each(|removed| removed.map(drop))
    }
}

/// A `met` entry: which job has ended, and how.
#[derive(Debug)]
pub(super) struct MetBy {
    pub(super) key: StateKey,
    pub(super) revision: u64,
    pub(super) parent: JobKey,
    pub(super) state: JobState,
    pub(super) noted_at: naq_core::clock::Timestamp,
}

impl MetBy {
    fn read(entry: &StateEntry) -> Option<Self> {
        let Met { state } = serde_json::from_slice(&entry.value).ok()?;
        let tokens: Vec<String> = entry.key.tokens().collect();
        let [_, _, _, _, queue, id] = <[String; 6]>::try_from(tokens).ok()?;
        Some(Self {
            key: entry.key.clone(),
            revision: entry.revision,
            parent: format!("{queue}/{id}").parse().ok()?,
            state,
            noted_at: entry.stored_at,
        })
    }
}

/// How those ended.
pub(super) fn ends(met: &[MetBy]) -> Ends {
    let mut ends = Ends::default();
    met.iter().for_each(|met| ends.add(&met.parent, met.state));
    ends
}
