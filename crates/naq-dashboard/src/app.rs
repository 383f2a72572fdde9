//! [`App`]: what all requests share.

use std::ops::Deref;
use std::sync::Arc;

use naq_core::Client;
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

    /// What the broker looked like last.
    pub(crate) fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshots.borrow().clone()
    }
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}
