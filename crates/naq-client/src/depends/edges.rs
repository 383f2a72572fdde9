//! The edges between jobs, in the state store: who waits for a job, and which parents have ended.
//!
//! `dep.<parent>.<dependent>` says that the dependent waits for the parent's end.
//! `met.<dependent>.<life>.<parent>` says how the parent ended. A dependent runs only because of
//! `met` entries. So an entry that is lost or read late makes it wait longer, and never run early.

use std::collections::HashSet;
use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::flow::{Dependencies, Ends, RunWhen, Verdict};
use naq_core::names::{JobKey, StateKey};
use naq_core::state::JobState;
use naq_core::transport::{Expect, Saved, StateEntry, StateStore, TransportError};
use naq_core::wire::{Envelope, Nonce};
use serde::{Deserialize, Serialize};

use crate::Client;
use crate::join_bounded::join_bounded;

/// How long an entry is kept if no client removes it, for example because its queue was purged. A
/// job that waits longer renews its entries.
pub(super) const EDGE_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How many entries one request reads.
pub(super) const PAGE: usize = 500;

/// The part of a blocked job that its edges need.
#[derive(Debug, Clone)]
pub(crate) struct Dependent {
    pub(super) key: JobKey,
    /// The life of the job.
    pub(super) life: Nonce,
    /// How many parents it has.
    pub(super) parent_count: usize,
    /// Which ends of the parents let it run.
    pub(super) when: RunWhen,
}

/// The value of a `dep` entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct DepEntry {
    /// The life of the parent that the dependent waits for.
    life: String,
    /// The life of the dependent.
    child: String,
    /// How many parents the dependent has.
    of: usize,
    when: RunWhen,
}

/// The value of a `met` entry.
#[derive(Debug, Serialize, Deserialize)]
struct MetEntry {
    state: JobState,
}

/// A `dep` entry as it was read.
#[derive(Debug)]
pub(super) struct DependencyEdge {
    pub(super) key: StateKey,
    pub(super) revision: u64,
    pub(super) dependent: Dependent,
    pub(super) parent_life: Nonce,
}

/// A `met` entry as it was read: which parent has ended, and how.
#[derive(Debug)]
pub(super) struct MetParent {
    pub(super) key: StateKey,
    pub(super) revision: u64,
    pub(super) parent: JobKey,
    pub(super) state: JobState,
    pub(super) stored_at: Timestamp,
}

impl Dependent {
    /// `None` for a job that depends on no other.
    pub(crate) fn of(job: &Envelope) -> Option<Self> {
        let depends = job.depends_on.as_ref()?;
        Some(Self {
            key: JobKey::new(job.queue.clone(), job.id.clone()),
            life: job.nonce.clone(),
            parent_count: depends.on.len(),
            when: depends.when,
        })
    }

    /// The prefix of the keys of its `met` entries.
    fn met_prefix(&self) -> Result<StateKey, TransportError> {
        let Self { key, life, .. } = self;
        state_key(["met", key.queue.as_str(), key.id.as_str(), life.as_str()])
    }

    fn met_key(&self, parent: &JobKey) -> Result<StateKey, TransportError> {
        let Self { key, life, .. } = self;
        let (queue, id) = (parent.queue.as_str(), parent.id.as_str());
        state_key(["met", key.queue.as_str(), key.id.as_str(), life.as_str(), queue, id])
    }

    pub(super) fn verdict(&self, ends: &Ends) -> Verdict {
        self.when.verdict(self.parent_count, ends)
    }
}

impl DependencyEdge {
    /// `None` for an entry that this version of NAQ cannot read.
    fn read(entry: &StateEntry) -> Option<Self> {
        let value: DepEntry = serde_json::from_slice(&entry.value).ok()?;
        let tokens: Vec<String> = entry.key.tokens().collect();
        let [_, _, _, queue, id] = <[String; 5]>::try_from(tokens).ok()?;
        let dependent = Dependent {
            key: format!("{queue}/{id}").parse().ok()?,
            life: Nonce::parse(&value.child).ok()?,
            parent_count: value.of,
            when: value.when,
        };
        let parent_life = Nonce::parse(&value.life).ok()?;
        Some(Self { key: entry.key.clone(), revision: entry.revision, dependent, parent_life })
    }
}

impl MetParent {
    fn read(entry: &StateEntry) -> Option<Self> {
        let MetEntry { state } = serde_json::from_slice(&entry.value).ok()?;
        let tokens: Vec<String> = entry.key.tokens().collect();
        let [_, _, _, _, queue, id] = <[String; 6]>::try_from(tokens).ok()?;
        Some(Self {
            key: entry.key.clone(),
            revision: entry.revision,
            parent: format!("{queue}/{id}").parse().ok()?,
            state,
            stored_at: entry.stored_at,
        })
    }
}

/// The ends of these parents.
pub(super) fn ends(met: &[MetParent]) -> Ends {
    let mut ends = Ends::default();
    met.iter().for_each(|met| ends.add(&met.parent, met.state));
    ends
}

/// Reads and writes the edges. Needs only the state store.
#[derive(Clone, Copy)]
pub(crate) struct EdgeStore<'a> {
    store: &'a dyn StateStore,
}

impl EdgeStore<'_> {
    /// Writes that `dependent` waits for this life of `parent`. Returns the entry's key, and the
    /// condition under which a removal removes this entry and never a later one.
    pub(super) async fn write_edge(
        self,
        dependent: &Dependent,
        parent: &JobKey,
        parent_life: &Nonce,
    ) -> Result<(StateKey, Expect), TransportError> {
        let value = to_json(&DepEntry {
            life: parent_life.to_string(),
            child: dependent.life.to_string(),
            of: dependent.parent_count,
            when: dependent.when,
        })?;
        let key = dep_key(parent, &dependent.key)?;
        let saved = self.store.state_put(&key, value, Expect::Any, Some(EDGE_TTL)).await?;
        let unchanged = match saved {
            Saved::Stored(revision) => Expect::Revision(revision),
            Saved::Conflict => Expect::Any,
        };
        Ok((key, unchanged))
    }

    /// Writes for `dependent` how `parent` ended. Does not overwrite an entry that exists. Returns the
    /// stored state.
    pub(super) async fn write_met(
        self,
        dependent: &Dependent,
        parent: &JobKey,
        state: JobState,
    ) -> Result<JobState, TransportError> {
        let key = dependent.met_key(parent)?;
        let value = to_json(&MetEntry { state })?;
        let saved = self.store.state_put(&key, value, Expect::Absent, Some(EDGE_TTL)).await?;
        if saved != Saved::Conflict {
            return Ok(state);
        }
        let stored = self.store.state_get(std::slice::from_ref(&key)).await?.pop().flatten();
        Ok(stored.and_then(|entry| MetParent::read(&entry)).map_or(state, |met| met.state))
    }

    /// A page of the edges from `parent` to its dependents, and where the next page starts.
    pub(super) async fn edges_of(
        self,
        parent: &JobKey,
        from: u64,
    ) -> Result<(Vec<DependencyEdge>, Option<u64>), TransportError> {
        let prefix = state_key(["dep", parent.queue.as_str(), parent.id.as_str()])?;
        let page = self.store.state_list(&prefix, from, PAGE).await?;
        Ok((page.entries.iter().filter_map(DependencyEdge::read).collect(), page.next))
    }

    /// The edges from these parents to `dependent`, in the order of the parents.
    pub(super) async fn edges_to(
        self,
        dependent: &Dependent,
        parents: &[JobKey],
    ) -> Result<Vec<Option<DependencyEdge>>, TransportError> {
        let keys = parents.iter().map(|parent| dep_key(parent, &dependent.key));
        let entries = self.store.state_get(&keys.collect::<Result<Vec<_>, _>>()?).await?;
        Ok(entries.iter().map(|entry| entry.as_ref().and_then(DependencyEdge::read)).collect())
    }

    /// Removes an edge. If another client has written it again meanwhile, the edge stays: that client
    /// asks for the parent's end itself.
    pub(super) async fn remove_edge(self, edge: &DependencyEdge) -> Result<(), TransportError> {
        self.remove(&edge.key, Expect::Revision(edge.revision)).await
    }

    /// Removes the entry under `key` if it is as expected.
    pub(super) async fn remove(self, key: &StateKey, expect: Expect) -> Result<(), TransportError> {
        self.store.state_remove(key, expect).await.map(drop)
    }

    /// How many parents of `dependent` have a `met` entry.
    pub(super) async fn count_met(self, dependent: &Dependent) -> Result<usize, TransportError> {
        let first = self.store.state_list(&dependent.met_prefix()?, 0, 1).await?;
        Ok(first.entries.len() + usize::try_from(first.left).unwrap_or(usize::MAX))
    }

    /// The `met` entries of `dependent`, one for each parent. An entry that is renewed during the
    /// listing moves to the end, so the broker may list it twice.
    pub(super) async fn list_met(
        self,
        dependent: &Dependent,
    ) -> Result<Vec<MetParent>, TransportError> {
        let prefix = dependent.met_prefix()?;
        let mut met = Vec::new();
        let mut from = 0;
        let mut seen = HashSet::new();
        loop {
            let page = self.store.state_list(&prefix, from, PAGE).await?;
            let read = page.entries.iter().filter_map(MetParent::read);
            met.extend(read.filter(|met| seen.insert(met.parent.clone())));
            match page.next {
                Some(next) => from = next,
                None => return Ok(met),
            }
        }
    }

    /// Stores a `met` entry again, so that it does not expire while the job still waits.
    pub(super) async fn renew_met(self, old: &MetParent) -> Result<(), TransportError> {
        let value = to_json(&MetEntry { state: old.state })?;
        let unchanged = Expect::Revision(old.revision);
        self.store.state_put(&old.key, value, unchanged, Some(EDGE_TTL)).await.map(drop)
    }

    /// Removes all entries of a job that no longer waits.
    pub(super) async fn remove_edges(
        self,
        dependent: &Dependent,
        depends: &Dependencies,
    ) -> Result<(), TransportError> {
        let mut keys: Vec<_> =
            self.list_met(dependent).await?.into_iter().map(|met| (met.key, Expect::Any)).collect();
        // The edge to an ended parent still exists if the dependent found that end by its own check.
        // An edge of a later life of the dependent belongs to that life.
        let own = |edge: &DependencyEdge| edge.dependent.life == dependent.life;
        let edges = self.edges_to(dependent, &depends.on).await?.into_iter().flatten().filter(own);
        keys.extend(edges.map(|edge| (edge.key, Expect::Revision(edge.revision))));
        let removed = keys.iter().map(|(key, expect)| self.remove(key, *expect));
        join_bounded(removed).await.into_iter().collect()
    }
}

impl Client {
    pub(super) fn edges(&self) -> EdgeStore<'_> {
        EdgeStore { store: &*self.transport }
    }

    /// The jobs that wait for the end of `parent`.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn dependents(&self, parent: &JobKey) -> Result<Vec<JobKey>, TransportError> {
        let mut all = Vec::new();
        let mut from = 0;
        loop {
            let (edges, next) = self.edges().edges_of(parent, from).await?;
            all.extend(edges.into_iter().map(|edge| edge.dependent.key));
            match next {
                Some(next) => from = next,
                None => return Ok(all),
            }
        }
    }
}

fn state_key<const N: usize>(tokens: [&str; N]) -> Result<StateKey, TransportError> {
    StateKey::new(tokens).map_err(|err| TransportError::Rejected {
        what: "store a dependency".into(),
        reason: err.to_string(),
    })
}

fn dep_key(parent: &JobKey, dependent: &JobKey) -> Result<StateKey, TransportError> {
    let (queue, id) = (parent.queue.as_str(), parent.id.as_str());
    state_key(["dep", queue, id, dependent.queue.as_str(), dependent.id.as_str()])
}

fn to_json<T: Serialize>(value: &T) -> Result<bytes::Bytes, TransportError> {
    let rejected = |err: serde_json::Error| TransportError::Rejected {
        what: "store a dependency".into(),
        reason: err.to_string(),
    };
    serde_json::to_vec(value).map(Into::into).map_err(rejected)
}
