//! Send a debounced job: add it, or put it in the place of the one that waits.

use naq_core::flow::may_replace;
use naq_core::names::JobKey;
use naq_core::transport::{Place, Receipt, Stored, Submission};
use naq_core::wire::Envelope;

use crate::enqueue::debounced_job::DebouncedJob;
use crate::enqueue::prepared::submission;
use crate::enqueue::telemetry::EnqueueTelemetry;
use crate::unique::{KeyAnswer, KeyRequest};
use crate::{Client, EnqueueError, JobHandle};

impl Client {
    /// Sends the job. The loop repeats only if another client, the broker or a worker was faster.
    pub(super) async fn send_debounced<O>(
        &self,
        order: DebouncedJob,
        request: &KeyRequest,
        telemetry: EnqueueTelemetry,
    ) -> Result<JobHandle<O>, EnqueueError> {
        self.transport.compare_clocks(&order.job.queue).await;
        let keys = self.unique_keys();
        loop {
            let now = self.now();
            let new = self.protect(submission(order.write(order.job.clone(), now, now), false)?)?;
            let mut answer = keys.take_key(&new, request).await?;
            if let KeyAnswer::HeldBy(_) = answer {
                let Some(held) = keys.held(request).await? else { continue };
                match self.waiting_of(&held.holder).await? {
                    Some((stored, job)) if stored.due_at.is_some_and(|at| may_replace(at, now)) => {
                        let job = order.write(order.in_place_of(job), held.since, now);
                        let again = self.protect(submission(job, false)?)?;
                        if self.replace_waiting(&stored, again).await? {
                            telemetry.end(&Ok(Receipt::Duplicate));
                            return Ok(JobHandle::held_by_another(self.clone(), held.holder));
                        }
                        continue;
                    }
                    // It has begun, or is about to.
                    _ => match keys.take_over(&new, request, held.revision).await? {
                        Some(revision) => answer = KeyAnswer::Taken(revision),
                        None => continue,
                    },
                }
            }
            if let KeyAnswer::Taken(revision) = answer {
                let (key, step) = (new.key.clone(), new.message.step());
                let receipt = self.transport.publish(new).await;
                telemetry.end(&receipt);
                let receipt = keys.after_send(request, revision, receipt).await?;
                let handle = JobHandle::new(self.clone(), key, receipt == Receipt::Duplicate);
                return Ok(handle.of_life(step));
            }
        }
    }

    /// The message with which this job waits for its first attempt.
    async fn waiting_of(&self, key: &JobKey) -> Result<Option<(Stored, Envelope)>, EnqueueError> {
        let mut found = self.transport.locate(key).await?;
        found.retain(|stored| stored.place == Place::Schedule);
        let job = found.pop().and_then(|stored| Some((stored.envelope().ok()?, stored)));
        let not_begun = job.filter(|(job, _)| job.first_started_at.is_none() && job.attempt <= 1);
        Ok(not_begun.map(|(job, stored)| (stored, job)))
    }

    /// Puts `again` in the place of `waiting`. False if the job does not wait there any more, or was
    /// cancelled meanwhile: a cancel stores its record first, and then removes what it has seen.
    async fn replace_waiting(
        &self,
        waiting: &Stored,
        again: Submission,
    ) -> Result<bool, EnqueueError> {
        if !self.transport.replace(waiting, again).await? {
            return Ok(false);
        }
        let life = waiting.step().nonce;
        let found = self.transport.locate(&waiting.key).await?;
        let of_life = |place| found.iter().find(|it| it.place == place && it.step().nonce == life);
        match (of_life(Place::Record), of_life(Place::Schedule)) {
            (Some(_), Some(mine)) => {
                self.transport.remove(mine).await?;
                Ok(false)
            }
            _ => Ok(true),
        }
    }
}
