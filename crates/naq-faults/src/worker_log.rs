//! [`WorkerLog`]: writes into the ledger of a worker when it has stored an outcome, and when it has connected
//! to a server.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::ledger::{Ledger, LedgerEntry, ledger_path, now};

/// The log line of a worker that has stored an outcome.
const OUTCOME_STORED: &str = "naq_worker::outcome_stored";

/// The log line of the client that has connected.
const CONNECTED: &str = "async_nats::connector";

/// A layer that turns these log lines into entries of a ledger.
#[derive(Debug)]
pub(crate) struct WorkerLog {
    path: PathBuf,
    /// Opened for the first line: the run takes the file as the sign that the worker hears signals.
    ledger: OnceLock<Ledger>,
    worker: String,
}

impl WorkerLog {
    /// For the worker of this name, whose ledger is in this directory.
    pub(crate) fn layer<S>(dir: &Path, worker: &str) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let path = ledger_path(dir, worker);
        let only = Targets::new()
            .with_target(OUTCOME_STORED, Level::DEBUG)
            .with_target(CONNECTED, Level::INFO);
        Self { path, ledger: OnceLock::new(), worker: worker.to_owned() }.with_filter(only)
    }
}

impl<S: Subscriber> Layer<S> for WorkerLog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let (worker, at) = (self.worker.clone(), now());
        let entry = match (event.metadata().target(), fields.job, fields.server) {
            (OUTCOME_STORED, Some(job), _) => LedgerEntry::Settled { job, worker, at },
            (CONNECTED, _, Some(server)) => LedgerEntry::Connected { worker, server, at },
            _ => return,
        };
        let ledger =
            self.ledger.get_or_init(|| Ledger::open(&self.path).expect("the ledger is writable"));
        ledger.write(&[entry]).expect("the ledger is writable");
    }
}

/// The fields of the log lines.
#[derive(Default)]
struct Fields {
    job: Option<String>,
    server: Option<u16>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "job" => self.job = Some(format!("{value:?}")),
            "server" => self.server = format!("{value:?}").parse().ok(),
            _ => {}
        }
    }
}
