//! [`App`]: the state that all requests share.

use std::ops::Deref;
use std::sync::{Arc, RwLock};

use naq_client::Client;
use naq_core::sync::{read, write};
use tokio::sync::{Semaphore, watch};

use crate::guard::RateLimits;
use crate::keys::ApiKeys;
use crate::options::Options;

/// The shared state. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct App(Arc<AppState>);

#[derive(Debug)]
pub(crate) struct AppState {
    pub(crate) client: Client,
    pub(crate) options: Options,
    pub(crate) rates: RateLimits,
    /// One permit for each request that may wait for the end of a job.
    pub(crate) waiting: Arc<Semaphore>,
    /// `None` if the gateway needs no keys.
    keys: RwLock<Option<Arc<ApiKeys>>>,
    draining: watch::Sender<bool>,
}

impl App {
    pub(crate) fn new(client: Client, options: Options) -> Self {
        Self(Arc::new(AppState {
            client,
            rates: RateLimits::default(),
            waiting: Arc::new(Semaphore::new(options.max_waiting)),
            keys: RwLock::new(None),
            draining: watch::Sender::new(false),
            options,
        }))
    }

    pub(crate) fn set_keys(&self, keys: ApiKeys) {
        *write(&self.keys) = Some(Arc::new(keys));
    }

    pub(crate) fn keys(&self) -> Option<Arc<ApiKeys>> {
        read(&self.keys).clone()
    }

    pub(crate) fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Ends when the gateway begins to drain.
    pub(crate) async fn drained(&self) {
        // The sender lives as long as this app, so this cannot fail.
        let _ = self.draining.subscribe().wait_for(|draining| *draining).await;
    }
}

impl Deref for App {
    type Target = AppState;

    fn deref(&self) -> &AppState {
        &self.0
    }
}
