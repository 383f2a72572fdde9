//! [`App`]: what all requests share.

use std::ops::Deref;
use std::sync::Arc;

use naq_client::Client;
use tokio::sync::watch;

use crate::live::Tabs;
use crate::lookups::Lookups;
use crate::options::Options;
use crate::renders::Renders;
use crate::snapshot::{self, Snapshot};

/// Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct App(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) client: Client,
    pub(crate) options: Options,
    pub(crate) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(crate) renders: Renders,
    pub(crate) tabs: Tabs,
    pub(crate) lookups: Lookups,
}

impl App {
    pub(crate) fn start(client: Client, options: Options) -> Self {
        let snapshots = snapshot::poll(client.clone(), options.interval);
        let tabs = Tabs::new(options.max_tabs);
        Self(Arc::new(Shared {
            client,
            options,
            snapshots,
            renders: Renders::default(),
            tabs,
            lookups: Lookups::default(),
        }))
    }

    /// What the broker looked like last, with the problem that nobody looks any more if that is one.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        let snapshot = self.snapshots.borrow().clone();
        let gone = || {
            let closed = self.snapshots.has_changed().is_err();
            closed.then(|| "nothing looks at the broker any more: start the dashboard again".into())
        };
        match gone().or_else(|| snapshot.reader_problem(self.options.interval)) {
            None => snapshot,
            problem => Arc::new(snapshot.with_problem(problem)),
        }
    }
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
