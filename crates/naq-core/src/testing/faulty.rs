//! [`FaultyTransport`]: any transport, failing on command.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use super::{DiePoint, Fault, FaultPlan, Op};
use crate::sync::lock;
use crate::transport::{Transport, TransportError};

/// What a real process does at its die point, such as `std::process::abort`.
type DieHook = Arc<dyn Fn(DiePoint) + Send + Sync>;

/// Wraps a transport and makes it fail as a [`FaultPlan`] says: so that a crash can be put between
/// any two steps. Counts calls over all clones.
///
/// At a die point the hook is called; where it returns, this transport is dead from then on: every
/// call answers `Unreachable` and nothing reaches the broker, as if the process were gone. The
/// transport underneath lives on for the worker that takes over.
pub struct FaultyTransport<T> {
    pub(super) inner: T,
    pub(super) faults: Arc<Faults>,
}

/// The plan and how far it has come. Deliveries hold it too, for their acks.
pub(super) struct Faults {
    plan: Mutex<FaultPlan>,
    calls: Mutex<HashMap<Op, u32>>,
    cut: watch::Sender<bool>,
    died: watch::Sender<Option<DiePoint>>,
    hook: Option<DieHook>,
    steps: Option<Arc<Semaphore>>,
}

impl<T: Transport> FaultyTransport<T> {
    /// Fails as `plan` says.
    pub fn new(inner: T, plan: FaultPlan) -> Self {
        Self::build(inner, plan, None, None)
    }

    /// Calls `hook` at a die point, for a process that really ends itself there.
    pub fn with_die_hook(
        inner: T,
        plan: FaultPlan,
        hook: impl Fn(DiePoint) + Send + Sync + 'static,
    ) -> Self {
        Self::build(inner, plan, Some(Arc::new(hook)), None)
    }

    /// Fails never, but waits before each call for a permit of `steps`: so that a test decides who
    /// of several processes goes on, call by call.
    pub fn in_steps(inner: T, steps: Arc<Semaphore>) -> Self {
        Self::build(inner, FaultPlan::new(), None, Some(steps))
    }

    fn build(
        inner: T,
        plan: FaultPlan,
        hook: Option<DieHook>,
        steps: Option<Arc<Semaphore>>,
    ) -> Self {
        let faults = Faults {
            plan: Mutex::new(plan),
            calls: Mutex::default(),
            cut: watch::Sender::new(false),
            died: watch::Sender::new(None),
            hook,
            steps,
        };
        Self { inner, faults: Arc::new(faults) }
    }

    /// The transport underneath.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// Goes on with another plan; calls are counted from 1 again.
    pub fn set_plan(&self, plan: FaultPlan) {
        *lock(&self.faults.plan) = plan;
        lock(&self.faults.calls).clear();
    }

    /// Cuts the connection: every call answers `Unreachable` until [`mend`](Self::mend).
    pub fn cut(&self) {
        self.faults.cut.send_replace(true);
    }

    /// Ends the cut.
    pub fn mend(&self) {
        self.faults.cut.send_replace(false);
    }

    /// Where it died, once it has.
    pub fn died_at(&self) -> Option<DiePoint> {
        *self.faults.died.borrow()
    }

    /// Waits until it has died, and says where.
    pub async fn died(&self) -> DiePoint {
        let mut died = self.faults.died.subscribe();
        loop {
            if let Some(point) = *died.borrow_and_update() {
                return point;
            }
            // The sender lives as long as `self`.
            let _ = died.changed().await;
        }
    }

    /// How often `op` was called.
    pub fn calls(&self, op: Op) -> u32 {
        let calls = lock(&self.faults.calls);
        calls.get(&op).copied().unwrap_or(0)
    }
}

impl Faults {
    /// Runs `call`, or what the plan has in its place. `lost` is what a caller sees of an operation
    /// that never reached the broker.
    pub(super) async fn pass<R>(
        &self,
        op: Op,
        lost: impl FnOnce() -> R,
        call: impl Future<Output = Result<R, TransportError>>,
    ) -> Result<R, TransportError> {
        if let Some(steps) = &self.steps
            && let Ok(permit) = steps.acquire().await
        {
            permit.forget();
        }
        self.alive()?;
        match self.next_fault(op) {
            None => tokio::select! {
                biased;
                err = self.down() => Err(err),
                answer = call => answer,
            },
            Some(Fault::DieBefore) => Err(self.die(DiePoint::Before(op))),
            Some(Fault::DieAfter) => {
                let _ = call.await;
                Err(self.die(DiePoint::After(op)))
            }
            Some(Fault::Unreachable) => Err(unreachable("the plan says so".into())),
            Some(Fault::Refused) => {
                let reason = "the plan says so".into();
                Err(TransportError::Rejected { what: op.as_str().to_owned(), reason })
            }
            Some(Fault::TooLarge) => Err(TransportError::TooLarge { size: 2, max: 1 }),
            Some(Fault::Timeout) => {
                let _ = call.await;
                let (what, after) = (op.as_str().to_owned(), Duration::from_secs(2));
                Err(TransportError::Timeout { what, after })
            }
            Some(Fault::Lost) => Ok(lost()),
        }
    }

    pub(super) fn alive(&self) -> Result<(), TransportError> {
        if let Some(point) = *self.died.borrow() {
            return Err(unreachable(format!("this process died at {point}")));
        }
        if *self.cut.borrow() {
            return Err(unreachable("the connection is cut".into()));
        }
        Ok(())
    }

    /// Waits until nothing passes any more: what is under way then is broken off.
    pub(super) async fn down(&self) -> TransportError {
        let (mut died, mut cut) = (self.died.subscribe(), self.cut.subscribe());
        loop {
            if let Err(err) = self.alive() {
                return err;
            }
            // The senders live as long as `self`.
            tokio::select! {
                _ = died.changed() => {}
                _ = cut.changed() => {}
            }
        }
    }

    fn next_fault(&self, op: Op) -> Option<Fault> {
        let mut calls = lock(&self.calls);
        let nth = calls.entry(op).or_default();
        *nth += 1;
        lock(&self.plan).fault(op, *nth)
    }

    fn die(&self, point: DiePoint) -> TransportError {
        if let Some(hook) = &self.hook {
            hook(point);
        }
        self.died.send_replace(Some(point));
        unreachable(format!("this process died at {point}"))
    }
}

fn unreachable(reason: String) -> TransportError {
    TransportError::Unreachable { url: "faulty://".into(), reason }
}

impl<T: fmt::Debug> fmt::Debug for FaultyTransport<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyTransport")
            .field("inner", &self.inner)
            .field("died", &*self.faults.died.borrow())
            .finish_non_exhaustive()
    }
}
