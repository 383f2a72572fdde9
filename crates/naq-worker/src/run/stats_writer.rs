//! Writes statistics once a second. Best effort: what the broker does not take is written later,
//! and no job waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use naq_core::stats::StatsReport;
use naq_core::transport::TransportError;

use crate::engine::WorkerState;
use crate::outage::Outage;
use crate::report::Stats;

/// The time between two writes.
const EVERY: Duration = Duration::from_secs(1);
/// The time between two writes while the broker refuses them, most likely for a missing permission.
const REFUSED: Duration = Duration::from_secs(60);
/// How long the broker may take for one report, or for all reports at the end.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Writes the statistics of one worker.
#[derive(Debug)]
pub(super) struct StatsWriter {
    worker: Arc<WorkerState>,
    stats: Arc<Stats>,
    /// Whether it was logged that a report was too large.
    too_large_logged: AtomicBool,
}

impl StatsWriter {
    /// None for a worker that counts no statistics.
    pub(super) fn of(worker: &Arc<WorkerState>) -> Option<Self> {
        let stats = worker.stats.clone()?;
        Some(Self { worker: worker.clone(), stats, too_large_logged: AtomicBool::new(false) })
    }

    /// Writes for as long as the worker lives. It sleeps while no job is settled.
    pub(super) async fn stats_loop(self) {
        let worker = &self.worker;
        let mut outage = Outage::new("statistics");
        loop {
            self.stats.changed().await;
            worker.sleep(EVERY).await;
            match self.write().await {
                Ok(()) => outage.recovered(worker.now()),
                Err(err) => {
                    let wait = outage.failed(&err, worker.now());
                    worker.sleep(if err.is_transient() { wait } else { REFUSED }).await;
                    self.stats.keep_changed();
                }
            }
        }
    }

    /// Writes for the last time, when the worker stops.
    pub(super) async fn write_last(&self) {
        tokio::select! {
            written = self.write() => {
                if let Err(err) = written {
                    tracing::debug!("the last statistics could not be written: {err}");
                }
            }
            () = self.worker.sleep(TIMEOUT) => {}
        }
    }

    /// Writes one report after the other, up to the first that the broker does not take.
    async fn write(&self) -> Result<(), TransportError> {
        let worker = &self.worker;
        let (id, version) = (&worker.deps.worker_id, env!("CARGO_PKG_VERSION"));
        let unwritten = self.stats.tally().unwritten(id, version, worker.now());
        for mut unwritten in unwritten {
            self.write_report(&mut unwritten.report).await?;
            self.stats.tally().written(&unwritten);
        }
        Ok(())
    }

    /// Writes one report. What does not fit is left out.
    async fn write_report(&self, report: &mut StatsReport) -> Result<(), TransportError> {
        loop {
            let put = tokio::select! {
                put = self.worker.transport.stats_put(report) => put,
                () = self.worker.sleep(TIMEOUT) => {
                    Err(TransportError::Timeout { what: "statistics".into(), after: TIMEOUT })
                }
            };
            let Err(TransportError::TooLarge { size, max }) = put else { return put };
            if !self.too_large_logged.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    "the statistics of a minute have {size} bytes, and the broker takes {max}: they \
                     are written without what does not fit"
                );
            }
            // Nothing more can be left out. The next report would be as large.
            if !report.shrink() {
                return Ok(());
            }
        }
    }
}
