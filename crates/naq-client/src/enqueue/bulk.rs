//! Many jobs at once.

use std::collections::HashMap;
use std::marker::PhantomData;

use naq_core::transport::Receipt;

use crate::enqueue::{Enqueue, Prepared};
use crate::together::together;
use crate::{Client, EnqueueError, JobHandle};

/// What [`Client::enqueue_many`] takes: an [`Enqueue`], a [`Prepared`] job, or what
/// [`Enqueue::prepare`] gave.
pub trait Prepare {
    /// What the job's handler returns.
    type Output;

    /// The job, checked and written.
    ///
    /// # Errors
    /// [`EnqueueError`], all but `Transport`.
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
    /// The same job with a result of any type, so that jobs of several types fit in one list.
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
            due_at: self.due_at,
            deadline: self.deadline,
            expires_in: self.expires_in,
            record_ttl: self.record_ttl,
            tags: self.tags,
            unique: self.unique,
            limits: self.limits,
            on_exhausted: self.on_exhausted,
            once: self.once,
            traceparent: self.traceparent,
            wish: self.wish,
            output: PhantomData,
        }
    }
}

impl Client {
    /// Sends many jobs, with many under way at once; one answer a job, in their order. A job that
    /// cannot be written, or that the broker does not take, costs the others nothing. Of those that
    /// want the same unique key the first in the list gets it.
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
        let (mut plain, mut submissions, mut keyed) = (Vec::new(), Vec::new(), Vec::new());
        for (place, job) in jobs.into_iter().enumerate() {
            answers.push(None);
            match job.prepare() {
                Err(err) => answers[place] = Some(Err(err)),
                Ok(job) if job.is_more() => keyed.push((place, job)),
                Ok(job) => {
                    let (key, step) = (job.submission.key.clone(), job.submission.message.step());
                    plain.push((place, key, step, job.sending));
                    submissions.push(job.submission);
                }
            }
        }
        let receipts = self.transport.publish_many(submissions).await;
        for ((place, key, step, sending), receipt) in plain.into_iter().zip(receipts) {
            sending.end(&receipt);
            let handle = |receipt| {
                JobHandle::new(self.clone(), key, receipt == Receipt::Duplicate).of_life(step)
            };
            answers[place] = Some(receipt.map(handle).map_err(EnqueueError::from));
        }
        let rows = rows(keyed).into_iter().map(|row| async move {
            let mut sent = Vec::with_capacity(row.len());
            for (place, job) in row {
                sent.push((place, self.send(job).await));
            }
            sent
        });
        for (place, answer) in together(rows).await.into_iter().flatten() {
            answers[place] = Some(answer);
        }
        // Every place has its answer by now.
        answers.into_iter().flatten().collect()
    }
}

/// Those that want the same key in a row, to go one after another; each of the others by itself.
fn rows<O>(jobs: Vec<(usize, Prepared<O>)>) -> Vec<Vec<(usize, Prepared<O>)>> {
    let (mut rows, mut of_key) = (Vec::<Vec<_>>::new(), HashMap::new());
    for (place, job) in jobs {
        let key = job.wanted.as_ref().map(|wanted| wanted.text().to_owned());
        let row = key.map_or(rows.len(), |key| *of_key.entry(key).or_insert(rows.len()));
        match rows.get_mut(row) {
            Some(row) => row.push((place, job)),
            None => rows.push(vec![(place, job)]),
        }
    }
    rows
}
