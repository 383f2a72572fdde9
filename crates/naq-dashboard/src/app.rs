//! [`App`]: the state that all requests share.

use std::ops::Deref;
use std::sync::Arc;

use naq_client::Client;
use tokio::sync::watch;

use crate::job_cache::JobCache;
use crate::options::{Options, OptionsError};
use crate::render_cache::RenderCache;
use crate::security::Logins;
use crate::snapshot::{self, Snapshot};
use crate::tab_limit::TabLimit;

/// The shared state. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct App(Arc<AppState>);

#[derive(Debug)]
pub(crate) struct AppState {
    pub(crate) client: Client,
    pub(crate) options: Options,
    pub(crate) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(crate) render_cache: RenderCache,
    pub(crate) tab_limit: TabLimit,
    pub(crate) job_cache: JobCache,
    pub(crate) logins: Logins,
}

impl App {
    /// # Errors
    /// [`OptionsError`] for an option with an invalid value.
    pub(crate) fn start(client: Client, options: Options) -> Result<Self, OptionsError> {
        options.check()?;
        Ok(Self(Arc::new(AppState {
            snapshots: snapshot::poll(client.clone(), options.interval, !options.read_only),
            tab_limit: TabLimit::new(options.max_tabs),
            client,
            logins: Logins::new(&options),
            options,
            render_cache: RenderCache::default(),
            job_cache: JobCache::default(),
        })))
    }

    /// The newest snapshot. If the reader has ended or is stuck, the snapshot's `problem` says so.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        let snapshot = self.snapshots.borrow().clone();
        let reader_ended = self.snapshots.has_changed().is_err();
        let problem = match reader_ended {
            true => Some(
                "the dashboard no longer reads the broker: start the dashboard again".to_owned(),
            ),
            false => snapshot.reader_problem(self.options.interval),
        };
        match problem {
            None => snapshot,
            problem => Arc::new(snapshot.with_problem(problem)),
        }
    }
}

impl Deref for App {
    type Target = AppState;

    fn deref(&self) -> &AppState {
        &self.0
    }
}
