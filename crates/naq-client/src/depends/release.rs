//! From the parent's side: it has ended, and those who wait for it are told.

use naq_core::flow::{Ends, Verdict};
use naq_core::retry::Rule;
use naq_core::state::JobState;
use naq_core::transport::{Awaiting, JobKey, TransportError};
use naq_core::wire::{Envelope, Nonce};

use crate::depends::edges::{Child, Edge, ends};
use crate::depends::link::{Parent, end_of, parent as found};
use crate::together::together;
use crate::{Client, ClientError};

impl Client {
    /// Tells every job that waits for this life of `parent` how it ended, lets go those that wait
    /// for nothing more, and ends those that must not run. The worker's own job `naq.wake` does
    /// this; done twice, or broken off and done again, it is done once.
    ///
    /// # Errors
    /// [`TransportError`]; what was done until then stays done.
    pub async fn wake_dependents(
        &self,
        parent: &JobKey,
        life: &Nonce,
        state: JobState,
    ) -> Result<(), TransportError> {
        let mut from = 0;
        loop {
            let (edges, next) = self.edges_of(parent, from).await?;
            let told = edges.iter().map(|edge| self.follow(edge, parent, life, state));
            together(told).await.into_iter().collect::<Result<Vec<()>, _>>()?;
            match next {
                Some(next) => from = next,
                None => return Ok(()),
            }
        }
    }

    async fn follow(
        &self,
        edge: &Edge,
        parent: &JobKey,
        life: &Nonce,
        mut state: JobState,
    ) -> Result<(), TransportError> {
        if edge.parent_life != *life {
            match self.end_of_another_life(edge, parent).await? {
                Some(ended) => state = ended,
                None => return Ok(()),
            }
        }
        // Also if somebody has noted it before: he may have died over what follows.
        let state = self.note_met(&edge.child, parent, state).await?;
        self.after_end(&edge.child, parent, state).await?;
        self.drop_edge(edge).await
    }

    /// How the parent ended for a child that waits for another life of it than the one that is told
    /// of; none if it waits on. Only for a life that is on its way is the marker put back, which
    /// the record of another may have replaced: over what has ended there is nothing to ask.
    async fn end_of_another_life(
        &self,
        edge: &Edge,
        parent: &JobKey,
    ) -> Result<Option<JobState>, TransportError> {
        let mut ended = None;
        // Looked for twice: on its way from one place to another it may be seen at neither.
        for _ in 0..2 {
            match found(self.newest(parent).await?.as_ref()) {
                Parent::Live(life) if life == edge.parent_life => {
                    return Ok(match self.transport.await_end(parent, &life).await? {
                        Awaiting::Marked => None,
                        Awaiting::Ended(record) => Some(end_of(&record)),
                    });
                }
                // The child looks by itself after a life that it does not know.
                Parent::Live(_) | Parent::Nowhere => return Ok(None),
                // Its life may have had another name while it was scheduled, or a later one's
                // record has replaced its own.
                Parent::Ended(state) => ended = Some(state),
            }
        }
        Ok(ended)
    }

    /// Does what follows for `child` from an end that is noted: nothing, most often.
    pub(super) async fn after_end(
        &self,
        child: &Child,
        parent: &JobKey,
        state: JobState,
    ) -> Result<(), TransportError> {
        let mut one = Ends::default();
        one.add(parent, state);
        match child.verdict(&one) {
            Verdict::Wait => self.look_again(child).await,
            verdict => self.carry_out(child, verdict).await,
        }
    }

    async fn look_again(&self, child: &Child) -> Result<(), TransportError> {
        if self.count_met(child).await? < child.of {
            return Ok(());
        }
        let verdict = child.verdict(&ends(&self.list_met(child).await?));
        self.carry_out(child, verdict).await
    }

    pub(super) async fn carry_out(
        &self,
        child: &Child,
        verdict: Verdict,
    ) -> Result<(), TransportError> {
        if verdict == Verdict::Wait {
            return Ok(());
        }
        // None: it was purged.
        let Some(report) = self.newest(&child.key).await? else { return Ok(()) };
        let depends = report.envelope.as_ref().and_then(|job| job.depends_on.as_ref());
        // Another life, or one that has passed already: what it waits for now is its own.
        if report.stored.step().nonce != child.life || depends.is_some_and(|it| it.waived) {
            return Ok(());
        }
        match verdict {
            // Whoever cancelled it may have died before its own dependents were told.
            Verdict::Cancel(reason) if report.state == JobState::Cancelled => {
                transport_only(self.cancel(&child.key, &reason).await)
            }
            _ if report.state.is_final() => Ok(()),
            // Only while it waits for others: a retry of its own is not to be early. When it is
            // in its queue, it is checked there.
            Verdict::Run if report.state == JobState::Blocked => {
                self.transport.release(&report.stored).await.map(drop)
            }
            Verdict::Run | Verdict::Wait => Ok(()),
            Verdict::Cancel(reason) => {
                transport_only(self.end_as_cancelled(report, Rule::Dependencies, &reason).await)
            }
        }
    }

    /// Lets a job go that has just been put aside to wait for others, if the last of them ended in
    /// that very moment.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn release_if_met(&self, job: &Envelope) -> Result<(), TransportError> {
        match Child::of(job) {
            Some(child) => self.look_again(&child).await,
            None => Ok(()),
        }
    }

    /// Removes what is noted of the jobs that this one depended on, once it has ended.
    ///
    /// # Errors
    /// [`TransportError`]; what is left vanishes after 30 days.
    pub async fn forget_dependencies(&self, job: &Envelope) -> Result<(), TransportError> {
        match (&job.depends_on, Child::of(job)) {
            (Some(depends), Some(child)) => self.forget_edges(&child, depends).await,
            _ => Ok(()),
        }
    }
}

/// It has ended meanwhile, in whatever way, or cannot be read: both are somebody else's to say.
fn transport_only<T>(ended: Result<T, ClientError>) -> Result<(), TransportError> {
    match ended {
        Err(ClientError::Transport(err)) => Err(err),
        Ok(_) | Err(_) => Ok(()),
    }
}
