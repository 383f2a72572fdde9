//! Enqueue: one job, or many with many under way at once.

use std::collections::VecDeque;
use std::future::IntoFuture;

use async_nats::HeaderMap;
use async_nats::jetstream::context::{PublishAckFuture, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt, stream};
use naq_core::transport::{JobKey, Place, Producer, Receipt, Submission, TransportError};
use naq_core::wire::Step;

use crate::api::Api;
use crate::error::{ApiError, WRONG_LAST_SEQUENCE};
use crate::message::{EXPECTED_LAST, MSG_ID, outgoing};
use crate::transport::NatsTransport;

/// Jobs sent and not yet acknowledged.
const IN_FLIGHT: usize = 768;
/// Jobs under way at once of those that are sent one by one, since the pipeline failed.
const ONE_BY_ONE: usize = 128;

impl Api {
    fn subject_of(&self, job: &Submission) -> String {
        let place = if job.due_at.is_some() { Place::Schedule } else { Place::Queue };
        self.subjects.job(place, &job.key)
    }

    async fn headers_of(&self, job: &Submission) -> HeaderMap {
        let mut headers = outgoing(&job.message);
        headers.insert(MSG_ID, job.dedup.as_str());
        if let Some(due_at) = job.due_at {
            self.compare_clocks(&job.key).await;
            self.put_due(&mut headers, &job.key, due_at);
        }
        if job.unique {
            headers.insert(EXPECTED_LAST, "0");
        }
        headers
    }

    /// Publishes one job, of which `failed` tries came to nothing that is known of.
    async fn publish(&self, job: &Submission, failed: u32) -> Result<Receipt, TransportError> {
        if job.unique && self.elsewhere(std::slice::from_ref(job)).await? == [true] {
            return self.whose(job, failed).await;
        }
        let subject = self.subject_of(job);
        let mut tries = self.tries("enqueue to", &subject);
        tries.failed = failed;
        loop {
            let headers = self.headers_of(job).await;
            match self.store(&subject, headers, job.message.body.clone()).await {
                Ok(ack) if !ack.duplicate => return Ok(Receipt::Stored(ack.seq)),
                // Ours, if an earlier try arrived and only its answer was lost.
                Ok(ack) if tries.failed > 0 && !job.unique => return Ok(Receipt::Stored(ack.seq)),
                Ok(_) => return self.whose(job, tries.failed).await,
                Err(error) if job.unique && error.is(WRONG_LAST_SEQUENCE) => {
                    return self.whose(job, tries.failed).await;
                }
                Err(ApiError::NoResponders) => {
                    if !self.ensure_for_publish(&job.key).await? {
                        tries.again(ApiError::NoResponders).await?;
                    }
                }
                Err(error) => tries.again(error).await?,
            }
        }
    }

    /// There is a job of this id: after a failed try it may be the very one that was sent.
    async fn whose(&self, job: &Submission, failed: u32) -> Result<Receipt, TransportError> {
        let step = job.message.step().filter(|_| failed > 0);
        let found = match step {
            Some(step) => self.find_step(&job.key, &step).await?,
            None => None,
        };
        Ok(found.map_or(Receipt::Duplicate, Receipt::Stored))
    }

    /// Of each job, whether one of its id stands where its guard does not look: a fresh job is
    /// guarded against another in the queue, and may have one that waits for its time.
    async fn elsewhere(&self, jobs: &[Submission]) -> Result<Vec<bool>, TransportError> {
        let other = |job: &Submission| match job.due_at {
            None => Place::Schedule,
            Some(_) => Place::Queue,
        };
        let unique: Vec<_> =
            jobs.iter().filter(|job| job.unique).map(|job| job.key.clone()).collect();
        let mut found =
            self.last_of_each(&unique, &[Place::Queue, Place::Schedule]).await?.into_iter();
        Ok(jobs
            .iter()
            .map(|job| {
                job.unique
                    && found.next().is_some_and(|list| list.iter().any(|s| s.place == other(job)))
            })
            .collect())
    }

    /// The sequence of this very message, in the queue or waiting.
    pub(crate) async fn find_step(
        &self,
        key: &JobKey,
        step: &Step,
    ) -> Result<Option<u64>, TransportError> {
        let found = self.last_at(key, &[Place::Queue, Place::Schedule]).await?;
        Ok(found.iter().find(|stored| stored.step() == *step).map(|stored| stored.seq))
    }

    /// Nobody took the message: perhaps the queue is missing. True when it was made now.
    pub(crate) async fn ensure_for_publish(&self, key: &JobKey) -> Result<bool, TransportError> {
        match self.ensure_queue(&key.queue).await {
            Err(error) if error.is_transient() => Ok(false),
            done => done,
        }
    }

    /// Sends without waiting for the answer.
    async fn begin(&self, job: &Submission) -> Result<PublishAckFuture, ()> {
        let publish = PublishMessage::build()
            .headers(self.headers_of(job).await)
            .payload(job.message.body.clone());
        self.jetstream().send_publish(self.subject_of(job), publish).await.map_err(drop)
    }

    /// The jobs that the broker answered at the first try, each in its place; nothing where another
    /// try is needed.
    async fn publish_pipelined(&self, jobs: &[Submission]) -> Vec<Option<Receipt>> {
        let mut receipts = vec![None; jobs.len()];
        let Ok(elsewhere) = self.elsewhere(jobs).await else { return receipts };
        let mut under_way = VecDeque::new();
        // After the first failure nothing new is begun, and only what is there is taken: a broker
        // that does not answer is waited for once, not once a job.
        let mut healthy = self.link.now().connected;
        for (index, job) in jobs.iter().enumerate() {
            if elsewhere[index] {
                receipts[index] = Some(Receipt::Duplicate);
                continue;
            }
            match self.begin(job).await {
                Ok(ack) => under_way.push_back((index, ack)),
                Err(()) => healthy = false,
            }
            if under_way.len() >= IN_FLIGHT {
                healthy &= self.collect(&mut under_way, &mut receipts, healthy).await;
            }
            if !healthy {
                break;
            }
        }
        while !under_way.is_empty() {
            healthy &= self.collect(&mut under_way, &mut receipts, healthy).await;
        }
        receipts
    }

    /// Takes the oldest answer; false when there was none.
    async fn collect(
        &self,
        under_way: &mut VecDeque<(usize, PublishAckFuture)>,
        receipts: &mut [Option<Receipt>],
        wait: bool,
    ) -> bool {
        let Some((index, ack)) = under_way.pop_front() else { return true };
        let mut ack = ack.into_future();
        let answer = if wait {
            let since = self.link.now();
            tokio::select! {
                biased;
                answer = &mut ack => Some(answer),
                () = self.link.lost(since) => None,
            }
        } else {
            ack.now_or_never()
        };
        receipts[index] = Some(match answer {
            Some(Ok(ack)) if ack.duplicate => Receipt::Duplicate,
            Some(Ok(ack)) => Receipt::Stored(ack.sequence),
            // Only a job that must be the only one of its id is guarded by a sequence.
            Some(Err(e)) if e.kind() == PublishErrorKind::WrongLastSequence => Receipt::Duplicate,
            _ => return false,
        });
        true
    }
}

#[async_trait]
impl Producer for NatsTransport {
    async fn publish(&self, job: Submission) -> Result<Receipt, TransportError> {
        self.api.publish(&job, 0).await
    }

    async fn publish_many(&self, jobs: Vec<Submission>) -> Vec<Result<Receipt, TransportError>> {
        let api = &*self.api;
        let Some((first, rest)) = jobs.split_first() else { return Vec::new() };
        // By itself, so that a missing queue is made before hundreds ask for it at once.
        let mut answers = vec![Some(api.publish(first, 0).await)];
        let receipts = api.publish_pipelined(rest).await;
        answers.extend(receipts.into_iter().map(|receipt| receipt.map(Ok)));
        let open = jobs.iter().zip(&mut answers).filter(|(_, answer)| answer.is_none());
        stream::iter(open)
            .for_each_concurrent(ONE_BY_ONE, |(job, answer)| async move {
                *answer = Some(api.publish(job, 1).await);
            })
            .await;
        answers.into_iter().flatten().collect()
    }
}
