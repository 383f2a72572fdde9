//! [`OpenClient`]: the NATS client of this process, and its replacement when it ends.
//!
//! The task of an async-nats client can end for good: it panics at some malformed headers (ADR 0038), and
//! it gives up when the broker refuses the credentials at a reconnect. All requests of that client fail
//! from then on. So a task of NAQ waits for the end and connects a new client. What uses the connection
//! sees a lost connection and, a moment later, a new one.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::context::{Context, ContextBuilder};
use naq_core::SystemClock;
use naq_core::clock::{Clock, Timer};
use naq_core::transport::TransportError;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::client_end::ClientEnd;
use crate::config::NatsConfig;
use crate::connect;
use crate::connection_monitor::ConnectionMonitor;

/// A client that lived for less than this ended because of what it read at once. The next one waits a
/// little longer before it connects.
const SHORT_LIFE: Duration = Duration::from_secs(1);

/// One client. It may have ended.
#[derive(Debug)]
pub(crate) struct OpenClient {
    client: Client,
    jetstream: Context,
}

impl OpenClient {
    fn new(client: Client, config: &NatsConfig) -> Arc<Self> {
        let jetstream = ContextBuilder::new().timeout(config.answer_timeout).build(client.clone());
        Arc::new(Self { client, jetstream })
    }

    pub(crate) fn jetstream(&self) -> &Context {
        &self.jetstream
    }
}

impl Deref for OpenClient {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

/// The client that is in use now.
#[derive(Debug)]
pub(crate) struct CurrentClient {
    current: Arc<watch::Sender<Arc<OpenClient>>>,
    replacement: AbortHandle,
}

impl CurrentClient {
    /// Connects. From then on a client that ends is replaced.
    pub(crate) async fn connect(
        config: &NatsConfig,
        monitor: &Arc<ConnectionMonitor>,
    ) -> Result<Self, TransportError> {
        let (client, end) = connect::connect(config, monitor).await?;
        let current = Arc::new(watch::Sender::new(OpenClient::new(client, config)));
        let replace = replace_ended(current.clone(), config.clone(), monitor.clone(), end);
        Ok(Self { current, replacement: tokio::spawn(replace).abort_handle() })
    }

    pub(crate) fn get(&self) -> Arc<OpenClient> {
        self.current.borrow().clone()
    }
}

impl Drop for CurrentClient {
    fn drop(&mut self) {
        self.replacement.abort();
    }
}

async fn replace_ended(
    current: Arc<watch::Sender<Arc<OpenClient>>>,
    config: NatsConfig,
    monitor: Arc<ConnectionMonitor>,
    mut end: ClientEnd,
) {
    let mut tries = 0;
    let mut connected_at = SystemClock.now();
    loop {
        end.ended().await;
        monitor.on_end();
        if SystemClock.now().since(connected_at) >= SHORT_LIFE {
            tries = 0;
        }
        tracing::error!(
            "the NATS client of this process has ended: a message that it cannot read, or refused \
             credentials; connecting a new client"
        );
        end = loop {
            tries += 1;
            SystemClock.sleep_until(SystemClock.now() + connect::pause(tries)).await;
            match connect::connect_once(&config, &monitor).await {
                Ok((client, end)) => {
                    current.send_replace(OpenClient::new(client, &config));
                    monitor.on_replaced();
                    break end;
                }
                Err(error) => tracing::error!(%error, "cannot connect a new client; trying again"),
            }
        };
        connected_at = SystemClock.now();
        tracing::info!("a new NATS client is connected; running jobs continue");
    }
}
