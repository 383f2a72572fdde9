//! [`HeldDelivery`]: a delivery from its arrival until it is settled.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use naq_client::OpenedArgs;
use naq_core::flow::ListedRun;
use naq_core::sync::lock;
use naq_core::transport::{AckHandle, Delivery};
use naq_core::wire::{AttemptOutcome, AttemptRecord, DecodeError, MAX_HISTORY};
use naq_core::{Envelope, ErrorKind, JobId, Payload, Timestamp, WorkerId};
use tokio_util::sync::CancellationToken;

use super::StopReason;
use super::saved_data::SavedData;
use crate::report::Trace;

/// How far a delivery is in this worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DeliveryPhase {
    /// It may have been settled before, and is not checked yet.
    Suspect,
    /// It waits for a slot.
    Ready,
    Running,
    Settling,
}

/// A worker that is gone, and the crashes of the job with this one.
#[derive(Debug)]
struct FoundCrash {
    worker: WorkerId,
    crashes: u32,
}

/// One delivery that this worker holds.
#[derive(Debug)]
pub(crate) struct HeldDelivery {
    pub(crate) delivery: Delivery,
    pub(crate) received_at: Timestamp,
    /// Cancelled when the handler has to stop.
    pub(crate) stop_token: CancellationToken,
    newest_handle: Mutex<Arc<dyn AckHandle>>,
    renewed_at: AtomicU64,
    stop: AtomicU8,
    phase: AtomicU8,
    checked_at: AtomicU64,
    /// The broker delivered the message again after it arrived here.
    came_again: AtomicBool,
    /// The job has crashes: a worker that was taken for gone may have come back, and ended it.
    has_crashes: AtomicBool,
    started_at: AtomicU64,
    /// When this worker looked at the lists of the others for the first time, by the broker's clock.
    first_look: OnceLock<Timestamp>,
    crash: OnceLock<FoundCrash>,
    /// The arguments of a job whose arguments are in a blob, once they are read.
    blob_args: OnceLock<Payload>,
    /// The plain arguments, of a job whose arguments are encrypted or compressed.
    opened: OnceLock<OpenedArgs>,
    listed: AtomicBool,
    broken: AtomicBool,
    /// What its handler saves at the broker.
    pub(crate) saved: SavedData,
    pub(crate) trace: Trace,
}

impl HeldDelivery {
    pub(crate) fn new(delivery: Delivery, now: Timestamp) -> Self {
        let phase = if delivery.suspect { DeliveryPhase::Suspect } else { DeliveryPhase::Ready };
        Self {
            newest_handle: Mutex::new(delivery.handle.clone()),
            delivery,
            received_at: now,
            stop_token: CancellationToken::new(),
            renewed_at: AtomicU64::new(now.as_millis()),
            stop: AtomicU8::new(0),
            phase: AtomicU8::new(phase as u8),
            checked_at: AtomicU64::new(0),
            came_again: AtomicBool::new(false),
            has_crashes: AtomicBool::new(false),
            started_at: AtomicU64::new(0),
            first_look: OnceLock::new(),
            crash: OnceLock::new(),
            blob_args: OnceLock::new(),
            opened: OnceLock::new(),
            listed: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            saved: SavedData::default(),
            trace: Default::default(),
        }
    }

    pub(crate) fn job_id(&self) -> &JobId {
        &self.delivery.stored.key.id
    }

    /// The job, with its arguments if they were read from their blob, and with the crashes that were found and
    /// a record of each. The one way to read a job from its delivery.
    pub(crate) fn read_job(&self) -> Result<Envelope, DecodeError> {
        let mut job = self.delivery.envelope()?;
        if let Some(args) = self.blob_args.get() {
            job.args = args.clone();
        }
        let Some(FoundCrash { worker, crashes }) = self.crash.get() else { return Ok(job) };
        let new = crashes.saturating_sub(job.crashes) as usize;
        for _ in 0..new.min(MAX_HISTORY) {
            let mut record = AttemptRecord::new(job.attempt, AttemptOutcome::Crashed);
            record.error_kind = Some(ErrorKind::CRASH);
            record.worker = Some(worker.clone());
            record.message = Some(format!("worker {worker} is gone: it ran this attempt"));
            job.record(record);
        }
        job.crashes = job.crashes.max(*crashes);
        Ok(job)
    }

    /// Its arguments were read from their blob.
    pub(crate) fn set_blob_args(&self, args: Payload) {
        let _ = self.blob_args.set(args);
    }

    /// Its arguments were decrypted or decompressed.
    pub(crate) fn set_opened_args(&self, opened: OpenedArgs) {
        let _ = self.opened.set(opened);
    }

    /// The plain arguments. None of a job whose arguments are stored as they are.
    pub(crate) fn opened_args(&self) -> Option<&OpenedArgs> {
        self.opened.get()
    }

    /// The worker that ran this delivery before is gone, and the job has this many crashes now.
    pub(crate) fn set_crash(&self, worker: WorkerId, crashes: u32) {
        let _ = self.crash.set(FoundCrash { worker, crashes });
    }

    /// How many crashes were found that the message itself does not say.
    pub(crate) fn new_crashes(&self) -> u32 {
        let Some(found) = self.crash.get() else { return 0 };
        let stored = self.delivery.envelope().map_or(0, |job| job.crashes);
        found.crashes.saturating_sub(stored)
    }

    /// `now` at the first call, and the same at each later one.
    pub(crate) fn first_look(&self, now: Timestamp) -> Timestamp {
        *self.first_look.get_or_init(|| now)
    }

    /// The attempt panicked outside its handler.
    pub(crate) fn mark_broken(&self) {
        self.broken.store(true, Ordering::Relaxed);
    }

    /// Whether the attempt panicked outside its handler.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }

    /// From now on the run is in this worker's list.
    pub(crate) fn list(&self) {
        self.listed.store(true, Ordering::Relaxed);
    }

    /// The run, for this worker's list. None before it begins and after its lease is lost.
    pub(crate) fn listed_run(&self) -> Option<ListedRun> {
        let begun = self.listed.load(Ordering::Relaxed) || self.started_at().is_some();
        if !begun || self.is_lease_lost() {
            return None;
        }
        let job = self.delivery.envelope().ok();
        let stored_crashes = job.as_ref().map_or(0, |job| job.crashes);
        let step = self.delivery.step();
        let origin = job.as_ref().map(Envelope::origin).filter(|origin| **origin != step.nonce);
        Some(ListedRun {
            job: self.delivery.stored.key.clone(),
            crashes: self.crash.get().map_or(stored_crashes, |found| found.crashes),
            started_at: self.started_at(),
            origin: origin.map(ToString::to_string),
            task: job.as_ref().map(|job| job.task.clone()),
            step: step.to_string(),
        })
    }

    /// The handle of the newest delivery of this message.
    pub(crate) fn handle(&self) -> Arc<dyn AckHandle> {
        lock(&self.newest_handle).clone()
    }

    /// The broker delivered the same message to this worker again: a new lease begins.
    pub(super) fn adopt_handle(&self, again: &Delivery, now: Timestamp) {
        *lock(&self.newest_handle) = again.handle.clone();
        self.came_again.store(true, Ordering::Relaxed);
        self.renewed(now);
    }

    /// The lease was renewed. `at` may be earlier than before, after the clock was set back.
    pub(crate) fn renewed(&self, at: Timestamp) {
        self.renewed_at.store(at.as_millis(), Ordering::Relaxed);
    }

    fn renewed_at(&self) -> Timestamp {
        Timestamp::from_millis(self.renewed_at.load(Ordering::Relaxed))
    }

    /// Whether the lease was renewed at least `age` ago. Also after the clock was set back: then
    /// the time of the renewal is not known.
    pub(crate) fn is_due(&self, now: Timestamp, age: Duration) -> bool {
        now < self.renewed_at() || now.since(self.renewed_at()) >= age
    }

    /// The clock was set forward.
    pub(crate) fn shift_clock(&self, by: Duration) {
        self.renewed(self.renewed_at() + by);
    }

    /// When a lease of this length ends without another renewal.
    pub(crate) fn lease_end(&self, lease: Duration) -> Timestamp {
        self.renewed_at() + lease
    }

    /// Asks the handler to stop.
    pub(crate) fn request_stop(&self, reason: StopReason) {
        self.stop.fetch_max(reason as u8, Ordering::AcqRel);
        self.stop_token.cancel();
    }

    pub(crate) fn stop_reason(&self) -> Option<StopReason> {
        match self.stop.load(Ordering::Acquire) {
            1 => Some(StopReason::Shutdown),
            2 => Some(StopReason::Cancelled),
            3 => Some(StopReason::LeaseLost),
            _ => None,
        }
    }

    /// Whether the lease is lost.
    pub(crate) fn is_lease_lost(&self) -> bool {
        self.stop_reason() == Some(StopReason::LeaseLost)
    }

    /// The evidence that was asked for at this time says that the job was not settled. It is worth what
    /// its oldest answer is worth, so its age counts from the question.
    pub(crate) fn evidence_read(&self, asked_at: Timestamp) {
        self.checked_at.store(asked_at.as_millis(), Ordering::Relaxed);
    }

    /// The delivery was checked, and may run.
    pub(crate) fn pass_check(&self) {
        self.change_phase(DeliveryPhase::Suspect, DeliveryPhase::Ready);
    }

    /// The job that was read from it has crashes.
    pub(crate) fn note_crashes(&self) {
        self.has_crashes.store(true, Ordering::Relaxed);
    }

    /// Whether another worker may have got the message and settled it: it is a suspect, it came again
    /// while it waited here, the connection or the consumer changed since it arrived, or it has crashes.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.delivery.suspect || self.has_crashes.load(Ordering::Relaxed) || self.may_be_elsewhere()
    }

    /// Whether another worker may have the message: it came again while it waited here, or the connection or
    /// the consumer changed since it arrived.
    pub(crate) fn may_be_elsewhere(&self) -> bool {
        self.came_again.load(Ordering::Relaxed) || !self.handle().is_current()
    }

    /// How old the evidence is that was read last. None if there is none, or if the clock was set back
    /// since then.
    pub(crate) fn evidence_age(&self, now: Timestamp) -> Option<Duration> {
        let asked_at = Timestamp::from_millis(self.checked_at.load(Ordering::Relaxed));
        (asked_at != Timestamp::default() && asked_at <= now).then(|| now.since(asked_at))
    }

    /// Whether it may have been settled before, and was not checked. It must not even be given
    /// back: that would run a settled job again.
    pub(crate) fn is_suspect(&self) -> bool {
        self.phase.load(Ordering::Acquire) == DeliveryPhase::Suspect as u8
    }

    /// Whether it waits for a slot.
    pub(crate) fn is_ready(&self) -> bool {
        self.phase.load(Ordering::Acquire) == DeliveryPhase::Ready as u8
    }

    /// Whether it is settled, or about to be.
    pub(crate) fn is_settling(&self) -> bool {
        self.phase.load(Ordering::Acquire) == DeliveryPhase::Settling as u8
    }

    /// Takes it into a slot. False when it was given back meanwhile.
    pub(crate) fn enter_slot(&self) -> bool {
        self.change_phase(DeliveryPhase::Ready, DeliveryPhase::Running)
    }

    /// Gives up its slot, and waits for another one. False when another task settles it.
    pub(crate) fn leave_slot(&self) -> bool {
        self.change_phase(DeliveryPhase::Running, DeliveryPhase::Ready)
    }

    /// Its handler begins.
    pub(crate) fn handler_started(&self, now: Timestamp) {
        self.started_at.store(now.as_millis(), Ordering::Relaxed);
    }

    /// When its handler began, if it has.
    pub(crate) fn started_at(&self) -> Option<Timestamp> {
        match self.started_at.load(Ordering::Relaxed) {
            0 => None,
            at => Some(Timestamp::from_millis(at)),
        }
    }

    /// Claims the right to settle a delivery that waits for a slot.
    pub(crate) fn claim_if_ready(&self) -> bool {
        self.change_phase(DeliveryPhase::Ready, DeliveryPhase::Settling)
    }

    /// Claims the right to settle it. Only the first claim succeeds: a handler that returns after
    /// its job was given back settles nothing.
    pub(crate) fn claim_settle(&self) -> bool {
        let settling = DeliveryPhase::Settling as u8;
        self.phase.swap(settling, Ordering::AcqRel) != settling
    }

    fn change_phase(&self, from: DeliveryPhase, to: DeliveryPhase) -> bool {
        self.phase
            .compare_exchange(from as u8, to as u8, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use naq_client::Client;
    use naq_core::QueueName;
    use naq_core::transport::Consumer;
    use naq_memory::MemoryTransport;

    use super::*;

    #[tokio::test]
    async fn a_clock_that_is_set_back_makes_a_renewal_due_and_not_the_lease_longer() {
        let (transport, lease) = (MemoryTransport::new(), Duration::from_secs(10));
        let subscribed = transport.subscribe(&QueueName::default(), lease).await;
        let mut deliveries = subscribed.expect("opens");
        let client = Client::new(Arc::new(transport));
        client.enqueue_task("t", &()).expect("a name").await.expect("sent");
        let delivery = deliveries.fetch(1, lease).await.expect("fetches").remove(0);
        let now = Timestamp::from_millis(1_000_000);
        let held = HeldDelivery::new(delivery, now);
        assert!(!held.is_due(now, lease) && held.is_due(now + lease, lease));
        let set_back = now.saturating_sub(Duration::from_secs(600));
        assert!(held.is_due(set_back, lease));
        held.renewed(set_back);
        assert_eq!(held.lease_end(lease), set_back + lease);
        assert!(!held.is_due(set_back, lease));
    }
}
