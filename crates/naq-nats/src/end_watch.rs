//! Waits for the end of one job with a plain subscription to its record subject. This costs the
//! broker almost nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Subscriber;
use async_trait::async_trait;
use futures_util::StreamExt;
use naq_core::transport::{EndWatch, JobKey, Place, TransportError};
use tokio::time::timeout;

use crate::api::Api;
use crate::connection_monitor::ConnectionState;

pub(crate) struct NatsEndWatch {
    api: Arc<Api>,
    /// The connection when the last change was reported.
    since: ConnectionState,
    subject: String,
    records: Subscriber,
}

impl NatsEndWatch {
    pub(crate) async fn begin(api: &Arc<Api>, key: &JobKey) -> Result<Self, TransportError> {
        let subject = api.subjects.job(Place::Record, key);
        let since = api.connection.state();
        let records = api.subscribe(&subject).await?;
        Ok(Self { api: api.clone(), since, subject, records })
    }
}

#[async_trait]
impl EndWatch for NatsEndWatch {
    async fn changed(&mut self, wait: Duration) {
        let connection = &self.api.connection;
        let since = self.since;
        let reconnected = timeout(wait, async {
            tokio::select! {
                record = self.records.next() => match record {
                    Some(_) => false,
                    // The client has ended. A new one is connected soon.
                    None => {
                        connection.reconnected(since).await;
                        true
                    }
                },
                // Records that were stored while there was no connection were not received.
                () = connection.reconnected(since) => true,
            }
        });
        if reconnected.await != Ok(true) {
            return;
        }
        let now = connection.state();
        if now.ends > since.ends {
            match self.api.subscribe(&self.subject).await {
                Ok(records) => self.records = records,
                // The caller's next request reports the error.
                Err(_) => return,
            }
        }
        self.since = now;
    }
}

impl fmt::Debug for NatsEndWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsEndWatch").finish_non_exhaustive()
    }
}
