//! Enqueue: one job, or many at the same time.

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
use crate::error::ApiError;
use crate::error_codes::WRONG_LAST_SEQUENCE;
use crate::message::{EXPECTED_LAST, MSG_ID, outgoing};
use crate::transport::NatsTransport;

/// How many jobs may be sent and not yet acknowledged.
const IN_FLIGHT: usize = 768;
/// How many jobs are sent at the same time if the pipeline has failed and each job waits for its
/// reply.
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

    /// Publishes one job. `unclear` is the number of earlier requests whose result is not known.
    async fn publish(&self, job: &Submission, unclear: u32) -> Result<Receipt, TransportError> {
        if job.unique && self.find_existing(std::slice::from_ref(job)).await? == [true] {
            return self.resolve_duplicate(job, unclear).await;
        }
        let subject = self.subject_of(job);
        let mut retry = self.request_retry("enqueue to", &subject);
        retry.unclear = unclear;
        let mut freed = None;
        loop {
            let mut headers = self.headers_of(job).await;
            if let Some(dedup) = &freed {
                headers.insert(MSG_ID, String::as_str(dedup));
            }
            match self.store(&subject, headers, job.message.body.clone()).await {
                Ok(ack) if !ack.duplicate => return Ok(Receipt::Stored(ack.seq)),
                // An earlier request has stored it, and only its reply was lost.
                Ok(ack) if retry.unclear > 0 && !job.unique => return Ok(Receipt::Stored(ack.seq)),
                Ok(ack) => {
                    if retry.unclear == 0 && freed.is_none() {
                        freed = self.freed_by_purge(job, ack.seq).await?;
                        if freed.is_some() {
                            continue;
                        }
                    }
                    return self.resolve_duplicate(job, retry.unclear).await;
                }
                Err(error) if job.unique && error.is(WRONG_LAST_SEQUENCE) => {
                    return self.resolve_duplicate(job, retry.unclear).await;
                }
                Err(ApiError::NoResponders) => {
                    if !self.ensure_for_publish(&job.key).await? {
                        retry.wait_to_retry(ApiError::NoResponders).await?;
                    }
                }
                Err(error) => retry.wait_to_retry(error).await?,
            }
        }
    }

    /// The receipt for a job when a message of its id exists. After a request without an answer,
    /// that message may be the one that this call sent.
    async fn resolve_duplicate(
        &self,
        job: &Submission,
        unclear: u32,
    ) -> Result<Receipt, TransportError> {
        let step = job.message.step().filter(|_| unclear > 0);
        let found = match step {
            Some(step) => self.find_message(&job.key, &step).await?,
            None => None,
        };
        Ok(found.map_or(Receipt::Duplicate, Receipt::Stored))
    }

    /// Whether a job of the same id exists on the other subject, for each unique job. The broker
    /// checks only the subject to which the job is published: a job for the queue is not checked
    /// against the schedule subject, and the other way round.
    async fn find_existing(&self, jobs: &[Submission]) -> Result<Vec<bool>, TransportError> {
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

    /// The sequence of the message with this step, in the queue or waiting.
    pub(crate) async fn find_message(
        &self,
        key: &JobKey,
        step: &Step,
    ) -> Result<Option<u64>, TransportError> {
        let found = self.last_at(key, &[Place::Queue, Place::Schedule]).await?;
        Ok(found.iter().find(|stored| stored.step() == *step).map(|stored| stored.seq))
    }

    /// No subscriber took the message, so the queue may be missing. Returns true if it was created
    /// now.
    pub(crate) async fn ensure_for_publish(&self, key: &JobKey) -> Result<bool, TransportError> {
        match self.ensure_queue(&key.queue).await {
            Err(error) if error.is_transient() => Ok(false),
            done => done,
        }
    }

    /// Sends a job without waiting for the reply.
    async fn send_one(&self, job: &Submission) -> Result<PublishAckFuture, ()> {
        let publish = PublishMessage::build()
            .headers(self.headers_of(job).await)
            .payload(job.message.body.clone());
        self.jetstream().send_publish(self.subject_of(job), publish).await.map_err(drop)
    }

    /// The receipt of each job after one request, by index. `None` if the job needs another
    /// request.
    async fn publish_pipelined(&self, jobs: &[Submission]) -> Vec<Option<Receipt>> {
        let mut receipts = vec![None; jobs.len()];
        let Ok(exists) = self.find_existing(jobs).await else { return receipts };
        let mut under_way = VecDeque::new();
        // After the first failure no more jobs are sent, and only replies that have arrived are
        // read. If the broker does not reply, the wait is paid once, not once per job.
        let mut healthy = self.connection.state().connected;
        for (index, job) in jobs.iter().enumerate() {
            if exists[index] {
                receipts[index] = Some(Receipt::Duplicate);
                continue;
            }
            match self.send_one(job).await {
                Ok(ack) => under_way.push_back((index, ack)),
                Err(()) => healthy = false,
            }
            if under_way.len() >= IN_FLIGHT {
                healthy &= self.collect_oldest(&mut under_way, &mut receipts, healthy).await;
            }
            if !healthy {
                break;
            }
        }
        while !under_way.is_empty() {
            healthy &= self.collect_oldest(&mut under_way, &mut receipts, healthy).await;
        }
        receipts
    }

    /// Reads the oldest reply. False if there was none.
    async fn collect_oldest(
        &self,
        under_way: &mut VecDeque<(usize, PublishAckFuture)>,
        receipts: &mut [Option<Receipt>],
        wait: bool,
    ) -> bool {
        let Some((index, ack)) = under_way.pop_front() else { return true };
        let mut ack = ack.into_future();
        let answer = if wait {
            let since = self.connection.state();
            tokio::select! {
                biased;
                answer = &mut ack => Some(answer),
                () = self.connection.lost(since) => None,
            }
        } else {
            ack.now_or_never()
        };
        receipts[index] = Some(match answer {
            Some(Ok(ack)) if ack.duplicate => Receipt::Duplicate,
            Some(Ok(ack)) => Receipt::Stored(ack.sequence),
            // Only unique jobs have a condition on the sequence.
            Some(Err(e)) if e.kind() == PublishErrorKind::WrongLastSequence => Receipt::Duplicate,
            _ => return false,
        });
        true
    }
}

#[async_trait]
impl Producer for NatsTransport {
    async fn publish(&self, job: Submission) -> Result<Receipt, TransportError> {
        let _admitted = self.api.admit(&job).await?;
        self.api.publish(&job, 0).await
    }

    async fn publish_many(&self, jobs: Vec<Submission>) -> Vec<Result<Receipt, TransportError>> {
        let mut refused = Vec::new();
        let mut admitted = Vec::new();
        let mut taken = Vec::with_capacity(jobs.len());
        for (index, job) in jobs.into_iter().enumerate() {
            match self.api.admit(&job).await {
                Ok(place) => {
                    admitted.extend(place);
                    taken.push(job);
                }
                Err(error) => refused.push((index, error)),
            }
        }
        let mut answers = self.publish_admitted(taken).await;
        for (index, error) in refused {
            answers.insert(index, Err(error));
        }
        answers
    }
}

impl NatsTransport {
    /// Sends many jobs that their queues take.
    async fn publish_admitted(
        &self,
        jobs: Vec<Submission>,
    ) -> Vec<Result<Receipt, TransportError>> {
        let api = &*self.api;
        let Some((first, rest)) = jobs.split_first() else { return Vec::new() };
        // The first job is sent alone, so that a missing queue is created before hundreds of
        // requests need it.
        let mut answers = vec![Some(api.publish(first, 0).await)];
        let receipts = api.publish_pipelined(rest).await;
        answers.extend(receipts.into_iter().map(|receipt| receipt.map(Ok)));
        let freed = api.maybe_freed(&jobs, &answers).await;
        for index in &freed {
            answers[*index] = None;
        }
        let freed = &freed;
        let unanswered = jobs.iter().zip(&mut answers).enumerate();
        let unanswered = unanswered.filter(|(_, (_, answer))| answer.is_none());
        stream::iter(unanswered)
            .for_each_concurrent(ONE_BY_ONE, |(index, (job, answer))| async move {
                let failed = u32::from(freed.binary_search(&index).is_err());
                *answer = Some(api.publish(job, failed).await);
            })
            .await;
        answers.into_iter().flatten().collect()
    }
}
