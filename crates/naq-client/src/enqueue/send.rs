//! Send a prepared job: take its unique key, publish it, link it to its parents.

use naq_core::names::JobKey;
use naq_core::transport::Receipt;

use crate::enqueue::{Enqueued, Prepared};
use crate::unique::KeyAnswer;
use crate::{Client, EnqueueError, JobHandle};

impl Client {
    /// Sends the job, and tells the layers the answer.
    pub(super) async fn send<O>(&self, job: Prepared<O>) -> Result<JobHandle<O>, EnqueueError> {
        if self.layers.is_empty() {
            return self.send_linked(job).await;
        }
        let key = job.submission.key.clone();
        let answer = self.send_linked(job).await;
        self.tell_layers(&key, &answer);
        answer
    }

    /// Tells the layers what became of an enqueue.
    pub(super) fn tell_layers<O>(&self, job: &JobKey, answer: &Result<JobHandle<O>, EnqueueError>) {
        let answer = answer.as_ref().map(|sent| match sent.held_by() {
            Some(_) => Enqueued::KeyHeld,
            None if sent.is_duplicate() => Enqueued::Duplicate,
            None => Enqueued::Added,
        });
        self.layers.after(job, answer);
    }

    /// Sends the job. If it depends on others, links it to them.
    async fn send_linked<O>(&self, mut job: Prepared<O>) -> Result<JobHandle<O>, EnqueueError> {
        job.correct_times(self).await?;
        let Some(blocked) = job.blocked.take() else { return self.send_unlinked(job).await };
        let parents = Box::pin(self.before_send(&blocked)).await?;
        let sent = self.send_unlinked(job).await?;
        if sent.held_by().is_none() {
            Box::pin(self.after_send(&blocked, &parents, sent.is_duplicate())).await?;
        }
        Ok(sent)
    }

    /// Sends the job without links to its parents. Takes its unique key first, if it has one.
    pub(crate) async fn send_unlinked<O>(
        &self,
        job: Prepared<O>,
    ) -> Result<JobHandle<O>, EnqueueError> {
        let Prepared {
            submission,
            large_args,
            key_request,
            once,
            telemetry,
            as_written,
            debounced,
            ..
        } = job;
        if let (Some(order), Some(request)) = (debounced, &key_request) {
            return Box::pin(self.send_debounced(*order, request, telemetry)).await;
        }
        let key = submission.key.clone();
        if once && !self.transport.locate(&key).await?.is_empty() {
            return Ok(JobHandle::new(self.clone(), key, true));
        }
        let (submission, args) = match as_written {
            true => (submission, large_args),
            false => self.protect_with_args(submission, large_args)?,
        };
        let job = self.outgoing(submission, args);
        let step = job.submission.message.step();
        let handle = |receipt| {
            JobHandle::new(self.clone(), key, receipt == Receipt::Duplicate).of_life(step)
        };
        let Some(key_request) = key_request else {
            let receipt = self.publish(job).await;
            telemetry.end(&receipt);
            return Ok(handle(receipt?));
        };
        let keys = self.unique_keys();
        match keys.take_key(&job.submission, &key_request).await? {
            KeyAnswer::HeldBy(holder) => Ok(JobHandle::held_by_another(self.clone(), holder)),
            KeyAnswer::Taken(revision) => {
                let receipt = self.publish(job).await;
                telemetry.end(&receipt);
                Ok(handle(keys.after_send(&key_request, revision, receipt).await?))
            }
        }
    }
}
