//! The ports of a [`FaultyTransport`]: each call follows the plan.

use std::num::NonZeroU64;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::Op;
use super::faulty::FaultyTransport;
use super::faulty_streams::{FaultyStateWatch, FaultySubscription};
use crate::clock::Timestamp;
use crate::flow::RunList;
use crate::names::{JobId, JobKey, QueueName, StateKey, WorkerId};
use crate::stats::StatsReport;
use crate::transport::{
    Awaiting, BlobRef, Blobs, BrokerInfo, BrokerSchedule, Consumer, DeadPage, Delivery, Directory,
    EndWatch, Evidence, Expect, Fact, FactKind, JobsPage, JobsQuery, KeptBlob, Lookup, NO_TTL,
    Operator, Producer, QueueBound, QueueInfo, Receipt, Saved, Settler, Signal, Signals,
    StateEntry, StatePage, StateStore, StateWatch, StatsPage, StatsStore, StoreProbe, Stored,
    StreamReport, Submission, Subscription, Transport, TransportError, WaitingPage, WorkerInfo,
    Written,
};
use crate::wire::Nonce;

#[async_trait]
impl<T: Transport> Producer for FaultyTransport<T> {
    async fn publish(&self, job: Submission) -> Result<Receipt, TransportError> {
        self.faults.pass(Op::Publish, || Receipt::Stored(0), self.inner.publish(job)).await
    }

    async fn publish_many(&self, jobs: Vec<Submission>) -> Vec<Result<Receipt, TransportError>> {
        let mut receipts = Vec::with_capacity(jobs.len());
        for job in jobs {
            receipts.push(self.publish(job).await);
        }
        receipts
    }

    async fn replace(&self, waiting: &Stored, job: Submission) -> Result<bool, TransportError> {
        self.faults.pass(Op::Reschedule, || true, self.inner.replace(waiting, job)).await
    }

    /// Two steps, as a broker takes them, so that a plan can come between the two.
    async fn publish_with_args(
        &self,
        job: Submission,
        blob: &BlobRef,
        args: Bytes,
    ) -> Result<Receipt, TransportError> {
        self.blob_put(&job.key, blob, args, NO_TTL).await?;
        self.publish(job).await
    }

    async fn compare_clocks(&self, queue: &QueueName) {
        if self.faults.alive().is_ok() {
            self.inner.compare_clocks(queue).await;
        }
    }
}

#[async_trait]
impl<T: Transport> Settler for FaultyTransport<T> {
    async fn write(&self, fact: &Fact) -> Result<Written, TransportError> {
        let op = match fact.kind {
            FactKind::Record { .. } => Op::Record,
            FactKind::Retry { .. } => Op::Retry,
            FactKind::Dead => Op::Dead,
            FactKind::GiveBack => Op::GiveBack,
        };
        self.faults.pass(op, || Written::Stored, self.inner.write(fact)).await
    }

    async fn await_end(&self, key: &JobKey, life: &Nonce) -> Result<Awaiting, TransportError> {
        self.faults.pass(Op::Await, || Awaiting::Marked, self.inner.await_end(key, life)).await
    }

    fn max_payload(&self) -> usize {
        self.inner.max_payload()
    }
}

#[async_trait]
impl<T: Transport> Consumer for FaultyTransport<T> {
    async fn subscribe(
        &self,
        queue: &QueueName,
        lease: Duration,
    ) -> Result<Box<dyn Subscription>, TransportError> {
        self.faults.alive()?;
        let inner = self.inner.subscribe(queue, lease).await?;
        Ok(Box::new(FaultySubscription { inner, faults: self.faults.clone() }))
    }

    async fn has_job(&self, queue: &QueueName) -> Result<bool, TransportError> {
        self.faults.pass(Op::Other, || false, self.inner.has_job(queue)).await
    }

    async fn forgotten(&self, queue: &QueueName) -> Result<Vec<Delivery>, TransportError> {
        self.faults.alive()?;
        let found = self.inner.forgotten(queue).await?;
        Ok(found.into_iter().map(|it| FaultySubscription::wrap(&self.faults, it)).collect())
    }
}

#[async_trait]
impl<T: Transport> Lookup for FaultyTransport<T> {
    async fn evidence(&self, keys: &[JobKey]) -> Result<Vec<Vec<Evidence>>, TransportError> {
        let none = || vec![Vec::new(); keys.len()];
        self.faults.pass(Op::Evidence, none, self.inner.evidence(keys)).await
    }

    async fn purged_at(&self, keys: &[JobKey]) -> Result<Vec<Option<Timestamp>>, TransportError> {
        self.faults.pass(Op::Other, || vec![None; keys.len()], self.inner.purged_at(keys)).await
    }

    async fn locate(&self, key: &JobKey) -> Result<Vec<Stored>, TransportError> {
        self.faults.pass(Op::Other, Vec::new, self.inner.locate(key)).await
    }

    async fn watch_end(&self, key: &JobKey) -> Result<Box<dyn EndWatch>, TransportError> {
        self.faults.alive()?;
        self.inner.watch_end(key).await
    }

    async fn find(&self, id: &JobId) -> Result<Vec<QueueName>, TransportError> {
        self.faults.pass(Op::Other, Vec::new, self.inner.find(id)).await
    }

    async fn queues(&self) -> Result<Vec<QueueName>, TransportError> {
        self.faults.pass(Op::Other, Vec::new, self.inner.queues()).await
    }

    async fn queue_info(&self, queue: &QueueName) -> Result<Option<QueueInfo>, TransportError> {
        self.faults.pass(Op::Other, || None, self.inner.queue_info(queue)).await
    }

    async fn dead_letters(
        &self,
        queue: Option<&QueueName>,
        from: u64,
        limit: usize,
    ) -> Result<DeadPage, TransportError> {
        let page = self.inner.dead_letters(queue, from, limit);
        self.faults.pass(Op::Other, DeadPage::default, page).await
    }

    async fn waiting_jobs(
        &self,
        queue: &QueueName,
        from: u64,
        limit: usize,
    ) -> Result<WaitingPage, TransportError> {
        let page = self.inner.waiting_jobs(queue, from, limit);
        self.faults.pass(Op::Other, WaitingPage::default, page).await
    }

    async fn jobs(&self, query: &JobsQuery) -> Result<JobsPage, TransportError> {
        self.faults.pass(Op::Other, JobsPage::default, self.inner.jobs(query)).await
    }

    async fn broker(&self) -> Result<BrokerInfo, TransportError> {
        self.faults.alive()?;
        self.inner.broker().await
    }

    async fn streams(&self) -> Result<Vec<StreamReport>, TransportError> {
        self.faults.pass(Op::Other, Vec::new, self.inner.streams()).await
    }

    fn is_alive(&self) -> bool {
        self.inner.is_alive()
    }

    fn is_connected(&self) -> bool {
        self.faults.alive().is_ok() && self.inner.is_connected()
    }

    async fn broker_schedules(
        &self,
        queue: &QueueName,
    ) -> Result<Vec<BrokerSchedule>, TransportError> {
        self.faults.pass(Op::Other, Vec::new, self.inner.broker_schedules(queue)).await
    }

    fn broker_now(&self) -> Option<Timestamp> {
        match &self.broker_clock {
            Some(clock) => Some(clock.now()),
            None => self.inner.broker_now(),
        }
    }
}

#[async_trait]
impl<T: Transport> Operator for FaultyTransport<T> {
    async fn remove(&self, stored: &Stored) -> Result<bool, TransportError> {
        self.faults.pass(Op::Remove, || true, self.inner.remove(stored)).await
    }

    async fn release(&self, stored: &Stored) -> Result<bool, TransportError> {
        self.faults.pass(Op::Release, || true, self.inner.release(stored)).await
    }

    async fn reschedule(&self, stored: &Stored, due_at: Timestamp) -> Result<bool, TransportError> {
        let reschedule = self.inner.reschedule(stored, due_at);
        self.faults.pass(Op::Reschedule, || true, reschedule).await
    }

    async fn pause(&self, queue: &QueueName, until: Timestamp) -> Result<(), TransportError> {
        self.faults.pass(Op::Other, || (), self.inner.pause(queue, until)).await
    }

    async fn resume(&self, queue: &QueueName) -> Result<(), TransportError> {
        self.faults.pass(Op::Other, || (), self.inner.resume(queue)).await
    }

    async fn set_limit(
        &self,
        queue: &QueueName,
        limit: Option<NonZeroU64>,
    ) -> Result<(), TransportError> {
        self.faults.pass(Op::Other, || (), self.inner.set_limit(queue, limit)).await
    }

    async fn set_bound(&self, queue: &QueueName, bound: QueueBound) -> Result<(), TransportError> {
        self.faults.pass(Op::Other, || (), self.inner.set_bound(queue, bound)).await
    }

    async fn probe_stores(
        &self,
        queue: Option<&QueueName>,
    ) -> Result<Vec<StoreProbe>, TransportError> {
        self.faults.pass(Op::Other, Vec::new, self.inner.probe_stores(queue)).await
    }

    async fn purge(&self, queue: &QueueName) -> Result<u64, TransportError> {
        self.faults.pass(Op::Other, || 0, self.inner.purge(queue)).await
    }

    async fn note_purge(&self, key: &JobKey) -> Result<(), TransportError> {
        self.faults.pass(Op::Other, || (), self.inner.note_purge(key)).await
    }

    async fn signal(&self, signal: &Signal) -> Result<(), TransportError> {
        self.faults.pass(Op::Signal, || (), self.inner.signal(signal)).await
    }

    async fn signals(&self) -> Result<Box<dyn Signals>, TransportError> {
        self.faults.alive()?;
        self.inner.signals().await
    }
}

#[async_trait]
impl<T: Transport> Directory for FaultyTransport<T> {
    async fn heartbeat(&self, worker: &WorkerInfo, ttl: Duration) -> Result<(), TransportError> {
        self.faults.pass(Op::Other, || (), self.inner.heartbeat(worker, ttl)).await
    }

    async fn leave(&self, worker: &WorkerId) -> Result<(), TransportError> {
        self.faults.pass(Op::Other, || (), self.inner.leave(worker)).await
    }

    async fn workers(&self) -> Result<Vec<WorkerInfo>, TransportError> {
        self.faults.pass(Op::Other, Vec::new, self.inner.workers()).await
    }
}

/// A worker stores its list of runs again and again: tests that count other changes leave it out.
fn state_op(key: &StateKey) -> Op {
    match RunList::prefix() {
        Ok(prefix) if prefix.covers(key) => Op::RunList,
        _ => Op::State,
    }
}

#[async_trait]
impl<T: Transport> StateStore for FaultyTransport<T> {
    async fn state_get(
        &self,
        keys: &[StateKey],
    ) -> Result<Vec<Option<StateEntry>>, TransportError> {
        let nothing = || vec![None; keys.len()];
        self.faults.pass(Op::Other, nothing, self.inner.state_get(keys)).await
    }

    async fn state_put(
        &self,
        key: &StateKey,
        value: Bytes,
        expect: Expect,
        ttl: Option<Duration>,
    ) -> Result<Saved, TransportError> {
        let put = self.inner.state_put(key, value, expect, ttl);
        self.faults.pass(state_op(key), || Saved::Stored(0), put).await
    }

    async fn state_remove(&self, key: &StateKey, expect: Expect) -> Result<Saved, TransportError> {
        let remove = self.inner.state_remove(key, expect);
        self.faults.pass(state_op(key), || Saved::Stored(0), remove).await
    }

    async fn state_list(
        &self,
        prefix: &StateKey,
        from: u64,
        limit: usize,
    ) -> Result<StatePage, TransportError> {
        let page = self.inner.state_list(prefix, from, limit);
        self.faults.pass(Op::Other, StatePage::default, page).await
    }

    async fn state_watch(&self, prefix: &StateKey) -> Result<Box<dyn StateWatch>, TransportError> {
        self.faults.alive()?;
        let (inner, faults) = (self.inner.state_watch(prefix).await?, self.faults.clone());
        Ok(Box::new(FaultyStateWatch { inner, faults }))
    }
}

#[async_trait]
impl<T: Transport> Blobs for FaultyTransport<T> {
    async fn blob_put(
        &self,
        job: &JobKey,
        blob: &BlobRef,
        data: Bytes,
        ttl: Duration,
    ) -> Result<(), TransportError> {
        self.faults.pass(Op::Blob, || (), self.inner.blob_put(job, blob, data, ttl)).await
    }

    async fn blob_get(
        &self,
        job: &JobKey,
        blob: &BlobRef,
    ) -> Result<Option<Bytes>, TransportError> {
        self.faults.pass(Op::Other, || None, self.inner.blob_get(job, blob)).await
    }

    async fn blob_remove(&self, job: &JobKey, blob: &BlobRef) -> Result<(), TransportError> {
        self.faults.pass(Op::BlobRemove, || (), self.inner.blob_remove(job, blob)).await
    }

    async fn blobs_kept(&self, queue: &QueueName) -> Result<Vec<KeptBlob>, TransportError> {
        self.faults.pass(Op::Other, Vec::new, self.inner.blobs_kept(queue)).await
    }

    async fn blob_stored_at(
        &self,
        job: &JobKey,
        blob: &BlobRef,
    ) -> Result<Option<Timestamp>, TransportError> {
        self.faults.pass(Op::Other, || None, self.inner.blob_stored_at(job, blob)).await
    }
}

#[async_trait]
impl<T: Transport> StatsStore for FaultyTransport<T> {
    async fn stats_put(&self, report: &StatsReport) -> Result<(), TransportError> {
        self.faults.pass(Op::Stats, || (), self.inner.stats_put(report)).await
    }

    async fn stats_since(&self, from: u64, limit: usize) -> Result<StatsPage, TransportError> {
        let page = self.inner.stats_since(from, limit);
        self.faults.pass(Op::Other, StatsPage::default, page).await
    }
}
