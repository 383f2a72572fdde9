//! The parent's side: after a job has ended, notify the jobs that wait for it.

use naq_core::flow::{Ends, Verdict};
use naq_core::names::JobKey;
use naq_core::retry::Rule;
use naq_core::state::JobState;
use naq_core::transport::{Awaiting, Place, TransportError};
use naq_core::wire::{Envelope, Nonce};

use crate::depends::edges::{DependencyEdge, Dependent, ends};
use crate::depends::link::{ParentState, end_of, parent_state};
use crate::join_bounded::join_bounded;
use crate::{Client, ClientError};

impl Client {
    /// Stores for every job that waits for this life of `parent` how the life ended. Releases the
    /// jobs whose last parent this was, and cancels those that must not run. The chore `naq.wake`
    /// calls this. It can call it again after a crash in the middle: the result is the same.
    ///
    /// # Errors
    /// [`TransportError`]; the changes made until then stay.
    pub async fn wake_dependents(
        &self,
        parent: &JobKey,
        life: &Nonce,
        state: JobState,
    ) -> Result<(), TransportError> {
        let mut from = 0;
        loop {
            let (edges, next) = self.edges().edges_of(parent, from).await?;
            let notified =
                edges.iter().map(|edge| self.notify_dependent(edge, parent, life, state));
            join_bounded(notified).await.into_iter().collect::<Result<Vec<()>, _>>()?;
            match next {
                Some(next) => from = next,
                None => return Ok(()),
            }
        }
    }

    /// Like [`wake_dependents`](Self::wake_dependents), but by the stored facts, and not by what the caller
    /// says: returns false, and releases nothing, unless a record or a dead letter says that this life of
    /// the parent has ended. Who may enqueue a chore could otherwise release jobs whose parent still runs.
    ///
    /// # Errors
    /// [`TransportError`]. A second call changes nothing twice.
    pub async fn wake_dependents_of_ended(
        &self,
        parent: &JobKey,
        life: &Nonce,
    ) -> Result<bool, TransportError> {
        let stored = self.transport.locate(parent).await?;
        let of_life =
            |place: Place| stored.iter().find(|it| it.place == place && it.step().nonce == *life);
        let state = match (of_life(Place::Record), of_life(Place::Dead)) {
            (Some(record), _) => end_of(record),
            (None, Some(_)) => JobState::Dead,
            (None, None) => return Ok(false),
        };
        self.wake_dependents(parent, life, state).await?;
        Ok(true)
    }

    async fn notify_dependent(
        &self,
        edge: &DependencyEdge,
        parent: &JobKey,
        life: &Nonce,
        mut state: JobState,
    ) -> Result<(), TransportError> {
        if edge.parent_life != *life {
            match self.end_of_other_life(edge, parent).await? {
                Some(ended) => state = ended,
                None => return Ok(()),
            }
        }
        // Continues even if the entry exists: the process that wrote it may have crashed before the
        // next steps.
        let state = self.edges().write_met(&edge.dependent, parent, state).await?;
        self.after_parent_end(&edge.dependent, parent, state).await?;
        self.edges().remove_edge(edge).await
    }

    /// For a dependent that waits for another life of the parent than the one that has just ended.
    /// Returns how that other life ended, or `None` if it has not ended. In that case it writes the
    /// marker again, which the record of the ended life may have replaced.
    async fn end_of_other_life(
        &self,
        edge: &DependencyEdge,
        parent: &JobKey,
    ) -> Result<Option<JobState>, TransportError> {
        let mut ended = None;
        // Reads twice, because one read can miss a message that moves between two places.
        for _ in 0..2 {
            match parent_state(self.read_newest(parent).await?.as_ref()) {
                ParentState::Live(life) if life == edge.parent_life => {
                    return Ok(match self.transport.await_end(parent, &life).await? {
                        Awaiting::Marked => None,
                        Awaiting::Ended(record) => Some(end_of(&record)),
                    });
                }
                // The parent is unknown, or runs in a third life: the dependent checks by itself.
                ParentState::Live(_) | ParentState::Unknown => return Ok(None),
                // The life may have had another nonce while it was scheduled, or the record of a
                // later life has replaced its own.
                ParentState::Ended(state) => ended = Some(state),
            }
        }
        Ok(ended)
    }

    /// Releases or cancels the dependent, if the ends of its parents so far decide. The caller has
    /// stored the `met` entry of this end.
    pub(super) async fn after_parent_end(
        &self,
        dependent: &Dependent,
        parent: &JobKey,
        state: JobState,
    ) -> Result<(), TransportError> {
        let mut this_end = Ends::default();
        this_end.add(parent, state);
        match dependent.verdict(&this_end) {
            Verdict::Wait => self.recheck(dependent).await,
            verdict => self.apply_verdict(dependent, verdict).await,
        }
    }

    async fn recheck(&self, dependent: &Dependent) -> Result<(), TransportError> {
        if self.edges().count_met(dependent).await? < dependent.parent_count {
            return Ok(());
        }
        let verdict = dependent.verdict(&ends(&self.edges().list_met(dependent).await?));
        self.apply_verdict(dependent, verdict).await
    }

    pub(super) async fn apply_verdict(
        &self,
        dependent: &Dependent,
        verdict: Verdict,
    ) -> Result<(), TransportError> {
        if verdict == Verdict::Wait {
            return Ok(());
        }
        // `None`: the job was purged.
        let Some(report) = self.read_newest(&dependent.key).await? else { return Ok(()) };
        let depends = report.envelope.as_ref().and_then(|job| job.depends_on.as_ref());
        // The verdict does not apply to another life, or to a life that no longer waits.
        if report.stored.step().nonce != dependent.life || depends.is_some_and(|it| it.waived) {
            return Ok(());
        }
        match verdict {
            // The process that cancelled it may have crashed before it notified its dependents.
            Verdict::Cancel(reason) if report.state == JobState::Cancelled => {
                transport_errors(self.cancel(&dependent.key, &reason).await)
            }
            _ if report.state.is_final() => Ok(()),
            // Only a blocked job, because a retry must not start early. If the job is in its queue,
            // the worker that gets it checks its parents.
            Verdict::Run if report.state == JobState::Blocked => {
                self.transport.release(&report.stored).await.map(drop)
            }
            Verdict::Run | Verdict::Wait => Ok(()),
            Verdict::Cancel(reason) => {
                transport_errors(self.write_cancelled(report, Rule::Dependencies, &reason).await)
            }
        }
    }

    /// Releases a job that a worker has just held back to wait for its parents, if the last of them
    /// ended in the meantime.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn release_if_met(&self, job: &Envelope) -> Result<(), TransportError> {
        match Dependent::of(job) {
            Some(dependent) => self.recheck(&dependent).await,
            None => Ok(()),
        }
    }

    /// Removes the dependency entries of a job that has ended.
    ///
    /// # Errors
    /// [`TransportError`]. Entries that this call did not remove expire after 30 days.
    pub async fn forget_dependencies(&self, job: &Envelope) -> Result<(), TransportError> {
        match (&job.depends_on, Dependent::of(job)) {
            (Some(depends), Some(dependent)) => {
                self.edges().remove_edges(&dependent, depends).await
            }
            _ => Ok(()),
        }
    }
}

/// Keeps only errors of the transport. The other errors say that the job has ended meanwhile or cannot
/// be read. Then there is nothing to release or cancel.
fn transport_errors<T>(ended: Result<T, ClientError>) -> Result<(), TransportError> {
    match ended {
        Err(ClientError::Transport(err)) => Err(err),
        Ok(_) | Err(_) => Ok(()),
    }
}
