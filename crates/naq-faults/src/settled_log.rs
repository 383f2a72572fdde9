//! [`SettledLog`]: writes into the ledger of a worker when the worker has stored an outcome.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::ledger::{Ledger, LedgerEntry, ledger_path, now};

/// The log line of a worker that has stored an outcome.
const OUTCOME_STORED: &str = "naq_worker::outcome_stored";

/// A layer that turns these log lines into entries of a ledger.
#[derive(Debug)]
pub(crate) struct SettledLog {
    path: PathBuf,
    /// Opened for the first line: the run takes the file as the sign that the worker hears signals.
    ledger: OnceLock<Ledger>,
    worker: String,
}

impl SettledLog {
    /// For the worker of this name, whose ledger is in this directory.
    pub(crate) fn layer<S>(dir: &Path, worker: &str) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let path = ledger_path(dir, worker);
        let only = Targets::new().with_target(OUTCOME_STORED, tracing::Level::DEBUG);
        Self { path, ledger: OnceLock::new(), worker: worker.to_owned() }.with_filter(only)
    }
}

impl<S: Subscriber> Layer<S> for SettledLog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut job = JobField::default();
        event.record(&mut job);
        let ledger =
            self.ledger.get_or_init(|| Ledger::open(&self.path).expect("the ledger is writable"));
        let entry = LedgerEntry::Settled { job: job.0, worker: self.worker.clone(), at: now() };
        ledger.append(&[entry]).expect("the ledger is writable");
    }
}

/// The field `job` of a log line.
#[derive(Default)]
struct JobField(String);

impl Visit for JobField {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "job" {
            self.0 = format!("{value:?}");
        }
    }
}
