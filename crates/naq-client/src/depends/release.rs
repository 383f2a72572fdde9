//! From the parent's side: it has ended, and the jobs that wait for it are notified.

use naq_core::flow::{Ends, Verdict};
use naq_core::names::JobKey;
use naq_core::retry::Rule;
use naq_core::state::JobState;
use naq_core::transport::{Awaiting, TransportError};
use naq_core::wire::{Envelope, Nonce};

use crate::depends::edges::{DependencyEdge, Dependent, ends};
use crate::depends::link::{ParentState, end_of, parent_state};
use crate::join_bounded::join_bounded;
use crate::{Client, ClientError};

impl Client {
    /// Notifies every job that waits for this life of `parent` how it ended. Releases the jobs that
    /// wait for nothing more, and cancels those that must not run. The worker's own job `naq.wake`
    /// calls this. It may be repeated, also after a crash in the middle: the result is the same.
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
        // Continues also if the entry is there: the process that wrote it may have crashed before
        // the next steps.
        let state = self.edges().write_met(&edge.dependent, parent, state).await?;
        self.after_parent_end(&edge.dependent, parent, state).await?;
        self.edges().remove_edge(edge).await
    }

    /// How the parent ended, for a dependent that waits for another life of it than the one that
    /// has just ended; `None` if it still has to wait. Writes the marker again only for a life that
    /// has not ended: the record of the other life may have replaced it.
    async fn end_of_other_life(
        &self,
        edge: &DependencyEdge,
        parent: &JobKey,
    ) -> Result<Option<JobState>, TransportError> {
        let mut ended = None;
        // Reads twice: a message that moves between two places may be seen at neither.
        for _ in 0..2 {
            match parent_state(self.read_newest(parent).await?.as_ref()) {
                ParentState::Live(life) if life == edge.parent_life => {
                    return Ok(match self.transport.await_end(parent, &life).await? {
                        Awaiting::Marked => None,
                        Awaiting::Ended(record) => Some(end_of(&record)),
                    });
                }
                // A life that the edge does not name: the dependent checks it by itself.
                ParentState::Live(_) | ParentState::Unknown => return Ok(None),
                // The life may have had another nonce while it was scheduled, or the record of a
                // later life has replaced its own.
                ParentState::Ended(state) => ended = Some(state),
            }
        }
        Ok(ended)
    }

    /// Acts on a parent's end whose `met` entry is stored: releases or cancels the dependent, if
    /// the ends so far decide.
    pub(super) async fn after_parent_end(
        &self,
        dependent: &Dependent,
        parent: &JobKey,
        state: JobState,
    ) -> Result<(), TransportError> {
        let mut one = Ends::default();
        one.add(parent, state);
        match dependent.verdict(&one) {
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
        // The verdict is not for another life, nor for one that no longer waits for its parents.
        if report.stored.step().nonce != dependent.life || depends.is_some_and(|it| it.waived) {
            return Ok(());
        }
        match verdict {
            // The process that cancelled it may have crashed before it notified its dependents.
            Verdict::Cancel(reason) if report.state == JobState::Cancelled => {
                transport_errors(self.cancel(&dependent.key, &reason).await)
            }
            _ if report.state.is_final() => Ok(()),
            // Only while it is blocked: a retry must not start early. A job that is in its queue is
            // checked by the worker.
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
    /// [`TransportError`]; entries that are left expire after 30 days.
    pub async fn forget_dependencies(&self, job: &Envelope) -> Result<(), TransportError> {
        match (&job.depends_on, Dependent::of(job)) {
            (Some(depends), Some(dependent)) => {
                self.edges().remove_edges(&dependent, depends).await
            }
            _ => Ok(()),
        }
    }
}

/// Drops all errors but those of the transport: that the job has ended meanwhile, or cannot be read,
/// is reported elsewhere.
fn transport_errors<T>(ended: Result<T, ClientError>) -> Result<(), TransportError> {
    match ended {
        Err(ClientError::Transport(err)) => Err(err),
        Ok(_) | Err(_) => Ok(()),
    }
}
