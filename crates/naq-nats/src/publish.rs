//! Enqueue: one job, or many at the same time.

use std::collections::{HashSet, VecDeque};
use std::error::Error;
use std::future::IntoFuture;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream;
use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use naq_core::QueueName;
use naq_core::transport::{
    BlobRef, Blobs, JobKey, NO_TTL, Place, Producer, Receipt, Stored, Submission, TransportError,
};
use naq_core::wire::headers;

use crate::api::Api;
use crate::error::ApiError;
use crate::error_codes::{DUPLICATE_IN_PROCESS, SUBJECT_IN_PROCESS, WRONG_LAST_SEQUENCE};
use crate::message::{EXPECTED_LAST, MSG_ID, outgoing};
use crate::schedule::put_due;
use crate::subjects::Subjects;
use crate::transport::NatsTransport;

/// How many jobs may be sent and not yet acknowledged.
const IN_FLIGHT: usize = 768;
/// How many jobs are sent at the same time if the pipeline has failed and each job waits for its
/// reply.
const ONE_BY_ONE: usize = 128;

/// What one request for each job has brought.
struct Pipelined {
    /// By index. `None` if the job needs another request.
    receipts: Vec<Option<Receipt>>,
    /// By index: whether a request was sent, so that the broker may have stored the job.
    sent: Vec<bool>,
}

impl Api {
    fn subject_of(&self, job: &Submission) -> String {
        subject_of(&self.subjects, job)
    }

    fn headers_of(&self, job: &Submission, resent: bool) -> HeaderMap {
        headers_of(&self.subjects, job, self.ahead(&job.key.queue), resent)
    }

    /// Publishes one job. `unclear` is the number of earlier requests whose result is not known.
    async fn publish(&self, job: &Submission, unclear: u32) -> Result<Receipt, TransportError> {
        let subject = self.subject_of(job);
        let mut retry = self.request_retry("enqueue to", &subject);
        retry.unclear = unclear;
        let mut freed = None;
        loop {
            if let Some(receipt) = self.receipt_of_known(job, retry.unclear).await? {
                return Ok(receipt);
            }
            let mut headers = self.headers_of(job, retry.unclear > 0);
            if let Some(dedup) = &freed {
                headers.insert(MSG_ID, String::as_str(dedup));
            }
            match self.store(&subject, headers, job.message.body.clone()).await {
                Ok(ack) if !ack.duplicate => return Ok(Receipt::Stored(ack.seq)),
                // An earlier request has stored it, and only its reply was lost.
                Ok(ack) if retry.unclear > 0 && !job.unique => {
                    return Ok(Receipt::Stored(ack.seq));
                }
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

    /// The receipt for a job whose id the broker refuses. After a request without an answer, the job
    /// that it knows may be the one that this call sent.
    async fn resolve_duplicate(
        &self,
        job: &Submission,
        unclear: u32,
    ) -> Result<Receipt, TransportError> {
        if unclear == 0 {
            return Ok(Receipt::Duplicate);
        }
        Ok(self.receipt_of_known(job, unclear).await?.unwrap_or(Receipt::Duplicate))
    }

    /// No subscriber took the message, so the queue may be missing. Returns true if it was created
    /// now.
    pub(crate) async fn ensure_for_publish(&self, key: &JobKey) -> Result<bool, TransportError> {
        match self.ensure_queue_to_publish(&key.queue).await {
            Err(error) if error.is_transient() => Ok(false),
            done => done,
        }
    }

    /// Sends a job without waiting for the reply.
    async fn send_one(&self, job: &Submission) -> Result<PublishAckFuture, ()> {
        let publish = PublishMessage::build()
            .headers(self.headers_of(job, false))
            .payload(job.message.body.clone());
        let client = self.client();
        client.jetstream().send_publish(self.subject_of(job), publish).await.map_err(drop)
    }

    /// Sends each job at most once.
    async fn publish_pipelined(&self, jobs: &[Submission]) -> Pipelined {
        let mut done =
            Pipelined { receipts: vec![None; jobs.len()], sent: vec![false; jobs.len()] };
        let Ok(refused) = self.are_refused(jobs).await else { return done };
        let mut under_way = VecDeque::new();
        // After the first failure no more jobs are sent, and only replies that have arrived are
        // read. If the broker does not reply, the wait is paid once, not once per job.
        let mut healthy = self.connection.state().connected;
        for (index, job) in jobs.iter().enumerate() {
            if refused[index] {
                done.receipts[index] = Some(Receipt::Duplicate);
                continue;
            }
            done.sent[index] = true;
            match self.send_one(job).await {
                Ok(ack) => under_way.push_back((index, ack)),
                Err(()) => healthy = false,
            }
            if under_way.len() >= IN_FLIGHT {
                healthy &= self.collect_oldest(&mut under_way, &mut done, healthy).await;
            }
            if !healthy {
                break;
            }
        }
        while !under_way.is_empty() {
            healthy &= self.collect_oldest(&mut under_way, &mut done, healthy).await;
        }
        done
    }

    /// Reads the oldest reply. False if there was none.
    async fn collect_oldest(
        &self,
        under_way: &mut VecDeque<(usize, PublishAckFuture)>,
        done: &mut Pipelined,
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
        done.receipts[index] = Some(match answer {
            Some(Ok(ack)) if ack.duplicate => Receipt::Duplicate,
            Some(Ok(ack)) => Receipt::Stored(ack.sequence),
            // Only unique jobs have a condition on the sequence.
            Some(Err(e)) if e.kind() == PublishErrorKind::WrongLastSequence => Receipt::Duplicate,
            // A job of the same id waits for its quorum, so this one was not stored. The broker answers
            // the jobs after it.
            Some(Err(e)) if is_in_the_way(&e) => {
                done.sent[index] = false;
                return true;
            }
            _ => return false,
        });
        true
    }
}

fn subject_of(subjects: &Subjects, job: &Submission) -> String {
    let place = if job.due_at.is_some() { Place::Schedule } else { Place::Queue };
    subjects.job(place, &job.key)
}

/// The headers of a job, which the broker moves to its queue `ahead` of its time. `resent` if an earlier request
/// for it has no answer: then the worker looks for the end of this life before it runs the job.
fn headers_of(subjects: &Subjects, job: &Submission, ahead: Duration, resent: bool) -> HeaderMap {
    let mut out = outgoing(&job.message);
    out.insert(MSG_ID, job.dedup.as_str());
    if let Some(due_at) = job.due_at {
        put_due(&mut out, subjects, &job.key, due_at, ahead);
    }
    if job.unique {
        out.insert(EXPECTED_LAST, "0");
    }
    if resent {
        out.insert(headers::SUSPECT, "1");
    }
    out
}

/// Whether a publish was refused because another message waits for its quorum.
fn is_in_the_way(error: &PublishError) -> bool {
    let refusal = error.source().and_then(|source| source.downcast_ref::<jetstream::Error>());
    let code = refusal.map(|refusal| refusal.error_code().0);
    code.is_some_and(|code| [DUPLICATE_IN_PROCESS, SUBJECT_IN_PROCESS].contains(&code))
}

/// Groups to send one after the other: of several jobs with the same id, the first one is in the first
/// group, and is the one that is stored.
fn in_order_of_ids<'a>(
    indexes: Vec<usize>,
    key: impl Fn(usize) -> &'a JobKey,
) -> impl Iterator<Item = Vec<usize>> {
    let mut left = indexes;
    std::iter::from_fn(move || {
        let mut seen = HashSet::new();
        let (group, rest) = left.iter().partition(|index| seen.insert(key(**index)));
        left = rest;
        let group: Vec<usize> = group;
        (!group.is_empty()).then_some(group)
    })
}

#[async_trait]
impl Producer for NatsTransport {
    async fn compare_clocks(&self, queue: &QueueName) {
        self.api.compare_clocks(queue).await;
    }

    async fn publish(&self, job: Submission) -> Result<Receipt, TransportError> {
        let _admitted = self.api.admit(&job, 0).await?;
        self.api.publish(&job, 0).await
    }

    async fn publish_with_args(
        &self,
        job: Submission,
        blob: &BlobRef,
        args: Bytes,
    ) -> Result<Receipt, TransportError> {
        let _admitted = self.api.admit(&job, blob.bytes()).await?;
        self.blob_put(&job.key, blob, args, NO_TTL).await?;
        self.api.publish(&job, 0).await
    }

    async fn publish_many(&self, jobs: Vec<Submission>) -> Vec<Result<Receipt, TransportError>> {
        let mut refused = Vec::new();
        let mut admitted = Vec::new();
        let mut taken = Vec::with_capacity(jobs.len());
        for (index, job) in jobs.into_iter().enumerate() {
            match self.api.admit(&job, 0).await {
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

    async fn replace(&self, waiting: &Stored, job: Submission) -> Result<bool, TransportError> {
        // It takes the place of a stored job, so that the bound of the queue does not matter.
        let due_at = job.due_at.unwrap_or_else(|| self.api.now());
        self.api.replace(waiting, &job.message, due_at).await
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
        let mut sent = vec![true];
        let pipelined = api.publish_pipelined(rest).await;
        answers.extend(pipelined.receipts.into_iter().map(|receipt| receipt.map(Ok)));
        sent.extend(pipelined.sent);
        let freed = api.maybe_freed(&jobs, &answers).await;
        for index in &freed {
            answers[*index] = None;
            // Its id is refused, so the request that was sent has stored nothing.
            sent[*index] = false;
        }
        let unanswered = (0..jobs.len()).filter(|index| answers[*index].is_none()).collect();
        for indexes in in_order_of_ids(unanswered, |index| &jobs[index].key) {
            let sends = indexes.into_iter().map(|index| {
                let (job, unclear) = (&jobs[index], u32::from(sent[index]));
                async move { (index, api.publish(job, unclear).await) }
            });
            let mut sends = stream::iter(sends).buffer_unordered(ONE_BY_ONE);
            while let Some((index, answer)) = sends.next().await {
                answers[index] = Some(answer);
            }
        }
        answers.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use naq_core::JobId;
    use naq_core::wire::WireMessage;
    use naq_testing::{differences, vectors};
    use serde_json::{Value, json};

    use super::*;
    use crate::early::AHEAD;

    /// What the gateway gives to this transport for each vector, its own test says.
    #[test]
    fn each_producer_vector_has_the_headers_and_the_subject_of_its_message() {
        let subjects = Subjects::new("naq").expect("a prefix");
        let file = vectors("producer");
        let all = file["vectors"].as_array().expect("vectors");
        assert!(!all.is_empty());
        for vector in all {
            // Where any text may stand, there is one.
            let message = vector["message"].to_string().replace('*', "0a1b2c3d4e5f");
            let message: Value = serde_json::from_str(&message).expect("JSON");
            let job = submission(&subjects, &message);
            let headers = headers_of(&subjects, &job, AHEAD, false);
            let headers: BTreeMap<_, _> = headers
                .iter()
                .map(|(name, values)| (name.to_string(), values[0].to_string()))
                .collect();
            let found = differences(&message["headers"], &json!(headers));
            assert!(found.is_empty(), "{}: {found:#?}", vector["name"]);
            assert_eq!(message["subject"], subject_of(&subjects, &job), "{}", vector["name"]);
        }
    }

    /// The job of a message, without the headers that this transport adds.
    fn submission(subjects: &Subjects, message: &Value) -> Submission {
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let parsed = subjects.parse(&text(&message["subject"])).expect("a job's subject");
        let sent = message["headers"].as_object().expect("headers");
        let own = ["Content-Type", "Naq-Step"].map(|name| (name, text(&sent[name])));
        let bytes = serde_json::to_vec(&message["body"]).expect("JSON");
        let body = WireMessage::new(bytes.into());
        Submission {
            key: JobKey::new(parsed.queue, parsed.id.expect("an id")),
            due_at: sent.get("Naq-Not-Before").map(|at| text(at).parse().expect("a time")),
            dedup: text(&sent["Nats-Msg-Id"]),
            unique: sent.contains_key(EXPECTED_LAST),
            message: own.iter().fold(body, |message, (name, value)| message.with(name, value)),
        }
    }

    #[test]
    fn of_jobs_with_the_same_id_the_first_one_is_sent_first() {
        let key = |id: &str| JobKey::new(QueueName::default(), JobId::new(id).expect("an id"));
        let keys = ["a", "b", "a", "c", "a", "b"].map(key);
        let groups: Vec<_> = in_order_of_ids((0..6).collect(), |index| &keys[index]).collect();
        assert_eq!(groups, [vec![0, 1, 3], vec![2, 5], vec![4]]);
        assert_eq!(in_order_of_ids(vec![3, 5], |index| &keys[index]).count(), 1);
        assert_eq!(in_order_of_ids(Vec::new(), |index| &keys[index]).count(), 0);
    }
}
