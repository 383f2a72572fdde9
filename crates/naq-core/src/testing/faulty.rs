//! [`FaultyTransport`]: wraps a transport and makes it fail on command.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use super::{DiePoint, Fault, FaultPlan, Op};
use crate::clock::Clock;
use crate::sync::lock;
use crate::transport::{Transport, TransportError};

/// What a real process does at its die point, such as `std::process::abort`.
type DieHook = Arc<dyn Fn(DiePoint) + Send + Sync>;

/// Wraps a transport and makes it fail by a [`FaultPlan`], so that a test can put a crash between any two
/// steps. It counts the calls of all clones together.
///
/// At a die point it calls the hook. If the hook returns, this transport is dead: every call answers
/// `Unreachable` and does not reach the broker, as if the process were gone. The wrapped transport stays
/// usable for another worker.
pub struct FaultyTransport<T> {
    pub(super) inner: T,
    pub(super) faults: Arc<Faults>,
    pub(super) broker_clock: Option<Arc<dyn Clock>>,
}

/// The plan, and the calls so far. Deliveries have it too, for their acks.
pub(super) struct Faults {
    plan: Mutex<FaultPlan>,
    calls: Mutex<HashMap<Op, u32>>,
    cut: watch::Sender<bool>,
    /// How often the connection was cut.
    pub(super) cuts: AtomicU64,
    /// A permit for each late answer that may arrive.
    late: Semaphore,
    died: watch::Sender<Option<DiePoint>>,
    hook: Option<DieHook>,
    steps: Option<Arc<Semaphore>>,
}

impl<T: Transport> FaultyTransport<T> {
    /// Fails by this plan.
    pub fn new(inner: T, plan: FaultPlan) -> Self {
        Self::build(inner, plan, None, None)
    }

    /// Fails by this plan and calls `hook` at a die point, for a process that really ends there.
    pub fn with_die_hook(
        inner: T,
        plan: FaultPlan,
        hook: impl Fn(DiePoint) + Send + Sync + 'static,
    ) -> Self {
        Self::build(inner, plan, Some(Arc::new(hook)), None)
    }

    /// Never fails, but waits for a permit of `steps` before each call. So a test decides call by call
    /// which of several processes continues.
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
            cuts: AtomicU64::new(0),
            late: Semaphore::new(0),
            died: watch::Sender::new(None),
            hook,
            steps,
        };
        Self { inner, faults: Arc::new(faults), broker_clock: None }
    }

    /// Shows this clock as the broker's, instead of the one of the wrapped transport.
    #[must_use]
    pub fn with_broker_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.broker_clock = Some(clock);
        self
    }

    /// The wrapped transport.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// Replaces the plan. Calls are counted from 1 again.
    pub fn set_plan(&self, plan: FaultPlan) {
        *lock(&self.faults.plan) = plan;
        lock(&self.faults.calls).clear();
    }

    /// Cuts the connection: every call answers `Unreachable` until [`mend`](Self::mend).
    pub fn cut(&self) {
        self.faults.cuts.fetch_add(1, Ordering::Relaxed);
        self.faults.cut.send_replace(true);
    }

    /// Restores the connection.
    pub fn mend(&self) {
        self.faults.cut.send_replace(false);
    }

    /// Lets one late answer arrive.
    pub fn release_late(&self) {
        self.faults.late.add_permits(1);
    }

    /// Where the process died. `None` if it has not.
    pub fn died_at(&self) -> Option<DiePoint> {
        *self.faults.died.borrow()
    }

    /// Waits until the process has died, and returns where.
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
    /// Runs `call`, or the fault that the plan has for it. `lost` gives the answer of a lost operation.
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
            Some(Fault::StoreFull) => Err(TransportError::StoreFull {
                what: op.as_str().to_owned(),
                reason: "the plan says so".into(),
                awaited: None,
            }),
            Some(Fault::TooLarge) => Err(TransportError::TooLarge { size: 2, max: 1 }),
            Some(Fault::Timeout) => {
                let _ = call.await;
                Err(TransportError::Timeout {
                    what: op.as_str().to_owned(),
                    after: Duration::from_secs(2),
                })
            }
            Some(Fault::Lost) => Ok(lost()),
            Some(Fault::Late) => {
                let answer = call.await;
                if let Ok(permit) = self.late.acquire().await {
                    permit.forget();
                }
                answer
            }
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

    /// Waits until the process has died or the connection is cut. Running calls then end.
    pub(super) async fn down(&self) -> TransportError {
        let mut died = self.died.subscribe();
        let mut cut = self.cut.subscribe();
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
