//! [`Stats`]: counts what this worker sees, and writes it once a second. Best effort: what the
//! broker does not take is written later, and no job waits for it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use naq_core::Timestamp;
use naq_core::stats::{Observation, StatsReport, Tally};
use naq_core::transport::TransportError;
use tokio::sync::Notify;

use crate::engine::Engine;
use crate::outage::Outage;

/// How often what is new is written.
const EVERY: Duration = Duration::from_secs(1);
/// How often where the broker refuses it: most likely a right is missing.
const REFUSED: Duration = Duration::from_secs(60);
/// How long the broker may take, for one report or at the end for all.
const PATIENCE: Duration = Duration::from_secs(2);

/// What was counted and not written yet.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    tally: Mutex<Tally>,
    changed: Notify,
    /// It was said that a report was too large.
    warned: AtomicBool,
}

impl Stats {
    pub(crate) fn record(&self, seen: &Observation<'_>, now: Timestamp) {
        self.tally().record(seen, now);
        self.changed.notify_one();
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is new, one report after the other, up to the first that is not taken.
    async fn write(&self, engine: &Engine) -> Result<(), TransportError> {
        let (worker, version) = (&engine.stage.worker, env!("CARGO_PKG_VERSION"));
        let unwritten = self.tally().unwritten(worker, version, engine.now());
        for mut unwritten in unwritten {
            self.put(engine, &mut unwritten.report).await?;
            self.tally().written(&unwritten);
        }
        Ok(())
    }

    /// Writes one report, with less in it where the broker does not take all.
    async fn put(&self, engine: &Engine, report: &mut StatsReport) -> Result<(), TransportError> {
        loop {
            let put = tokio::select! {
                put = engine.transport.stats_put(report) => put,
                () = engine.sleep(PATIENCE) => {
                    Err(TransportError::Timeout { what: "statistics".into(), after: PATIENCE })
                }
            };
            let Err(TransportError::TooLarge { size, max }) = put else { return put };
            if !self.warned.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    "statistics of a minute are {size} bytes, and the broker takes {max}: they are \
                     written without what does not fit"
                );
            }
            // Nothing more to leave out: it would be as large the next time.
            if !report.shrink() {
                return Ok(());
            }
        }
    }
}

/// Writes for as long as the worker lives. While nothing happens there is nothing to write, nor to
/// wake up for.
pub(crate) async fn tell(engine: Arc<Engine>, stats: Arc<Stats>) {
    let mut outage = Outage::of("statistics");
    loop {
        stats.changed.notified().await;
        engine.sleep(EVERY).await;
        match stats.write(&engine).await {
            Ok(()) => outage.over(engine.now()),
            Err(err) => {
                let wait = outage.failed(&err, engine.now());
                engine.sleep(if err.is_transient() { wait } else { REFUSED }).await;
                stats.changed.notify_one();
            }
        }
    }
}

/// The last words of a worker that stops.
pub(crate) async fn last_words(engine: &Engine) {
    let Some(stats) = &engine.stats else { return };
    tokio::select! {
        written = stats.write(engine) => {
            if let Err(err) = written {
                tracing::debug!("the last statistics could not be written: {err}");
            }
        }
        () = engine.sleep(PATIENCE) => {}
    }
}
