//! [`Client::enqueue_many`]: many jobs at once.

use std::collections::HashMap;
use std::marker::PhantomData;

use naq_core::names::JobKey;
use naq_core::transport::Receipt;
use naq_core::wire::Step;

use crate::enqueue::telemetry::EnqueueTelemetry;
use crate::enqueue::{Enqueue, Prepared};
use crate::join_bounded::join_bounded;
use crate::{Client, EnqueueError, JobHandle};

/// What [`Client::enqueue_many`] takes: an [`Enqueue`], a [`Prepared`] job, or the result of
/// [`Enqueue::prepare`].
pub trait Prepare {
    /// What the job's handler returns.
    type Output;

    /// Checks the job's options and encodes the job.
    ///
    /// # Errors
    /// [`EnqueueError`], all kinds except `Transport`.
    fn prepare(self) -> Result<Prepared<Self::Output>, EnqueueError>;
}

impl<O> Prepare for Prepared<O> {
    type Output = O;

    fn prepare(self) -> Result<Prepared<O>, EnqueueError> {
        Ok(self)
    }
}

impl<O> Prepare for Enqueue<'_, O> {
    type Output = O;

    fn prepare(self) -> Result<Prepared<O>, EnqueueError> {
        Enqueue::prepare(self)
    }
}

impl<O> Prepare for Result<Prepared<O>, EnqueueError> {
    type Output = O;

    fn prepare(self) -> Self {
        self
    }
}

impl<'a, O> Enqueue<'a, O> {
    /// The same job with an untyped result, so that jobs of several types fit into one list.
    ///
    /// ```no_run
    /// # use naq_client::Client;
    /// # use naq_core::Job;
    /// # async fn f<A: Job, B: Job>(client: Client, mail: A, invoice: B) {
    /// let jobs = [client.enqueue(mail).untyped(), client.enqueue(invoice).untyped()];
    /// for sent in client.enqueue_many(jobs).await {
    ///     match sent {
    ///         Ok(job) => println!("job {}", job.id()),
    ///         Err(err) => println!("not enqueued: {err}"),
    ///     }
    /// }
    /// # }
    /// ```
    pub fn untyped(self) -> Enqueue<'a, serde_json::Value> {
        Enqueue {
            client: self.client,
            task: self.task,
            args: self.args,
            queue: self.queue,
            id: self.id,
            policy: self.policy,
            timeout: self.timeout,
            times: self.times,
            record_ttl: self.record_ttl,
            tags: self.tags,
            unique: self.unique,
            coalesce: self.coalesce,
            limits: self.limits,
            on_exhausted: self.on_exhausted,
            once: self.once,
            large_args: self.large_args,
            traceparent: self.traceparent,
            depends: self.depends,
            output: PhantomData,
        }
    }
}

/// A job that needs only one request: its publish.
struct PlainJob {
    index: usize,
    key: JobKey,
    step: Option<Step>,
    telemetry: EnqueueTelemetry,
}

impl Client {
    /// Sends many jobs, several at the same time. Returns one answer per job, in the order of
    /// the jobs. A job that cannot be encoded, or that the broker refuses, does not affect the
    /// others. If several jobs want the same unique key, the first of them gets it.
    ///
    /// ```no_run
    /// # use naq_client::Client;
    /// # use naq_core::Job;
    /// # async fn f<J: Job>(client: Client, jobs: Vec<J>) {
    /// let jobs = jobs.into_iter().map(|job| client.enqueue(job).tag("nightly"));
    /// let failed = client.enqueue_many(jobs).await.into_iter().filter(Result::is_err).count();
    /// # }
    /// ```
    pub async fn enqueue_many<P: Prepare>(
        &self,
        jobs: impl IntoIterator<Item = P>,
    ) -> Vec<Result<JobHandle<P::Output>, EnqueueError>> {
        let mut answers = Vec::new();
        let mut plain = Vec::new();
        let mut submissions = Vec::new();
        let mut others = Vec::new();
        for (index, job) in jobs.into_iter().enumerate() {
            answers.push(None);
            let mut prepared = job.prepare();
            if let Ok(job) = &mut prepared
                && let Err(err) = job.correct_times(self).await
            {
                prepared = Err(err);
            }
            match prepared {
                Err(err) => answers[index] = Some(Err(err)),
                Ok(job) if job.needs_more_requests(self) => others.push((index, job)),
                Ok(mut job) => {
                    if let Err(err) = job.protect(self) {
                        answers[index] = Some(Err(err));
                        continue;
                    }
                    plain.push(PlainJob {
                        index,
                        key: job.submission.key.clone(),
                        step: job.submission.message.step(),
                        telemetry: job.telemetry,
                    });
                    submissions.push(job.submission);
                }
            }
        }
        let receipts = self.transport.publish_many(submissions).await;
        for (PlainJob { index, key, step, telemetry }, receipt) in plain.into_iter().zip(receipts) {
            telemetry.end(&receipt);
            let handle = |receipt| {
                JobHandle::new(self.clone(), key.clone(), receipt == Receipt::Duplicate)
                    .of_life(step)
            };
            let answer = receipt.map(handle).map_err(EnqueueError::from);
            self.tell_layers(&key, &answer);
            answers[index] = Some(answer);
        }
        let groups = group_by_unique_key(others).into_iter().map(|group| async move {
            let mut sent = Vec::with_capacity(group.len());
            for (index, job) in group {
                sent.push((index, self.send(job).await));
            }
            sent
        });
        for (index, answer) in join_bounded(groups).await.into_iter().flatten() {
            answers[index] = Some(answer);
        }
        // Every index has its answer by now.
        answers.into_iter().flatten().collect()
    }
}

/// Jobs with their indices.
type Indexed<O> = Vec<(usize, Prepared<O>)>;

/// Jobs that want the same unique key form one group, and are sent one after another. Each other
/// job is a group of its own.
fn group_by_unique_key<O>(jobs: Indexed<O>) -> Vec<Indexed<O>> {
    let mut groups = Vec::<Indexed<O>>::new();
    let mut group_of_key = HashMap::new();
    for (index, job) in jobs {
        let key = job.key_request.as_ref().map(|request| request.text().to_owned());
        let group =
            key.map_or(groups.len(), |key| *group_of_key.entry(key).or_insert(groups.len()));
        match groups.get_mut(group) {
            Some(group) => group.push((index, job)),
            None => groups.push(vec![(index, job)]),
        }
    }
    groups
}
