//! Hears of the end of one job: a plain subscription to its record subject, which costs the broker
//! as good as nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Subscriber;
use async_trait::async_trait;
use futures_util::StreamExt;
use naq_core::transport::{EndWatch, JobKey, Place, TransportError};
use tokio::time::timeout;

use crate::api::Api;
use crate::link::LinkState;

pub(crate) struct Ending {
    api: Arc<Api>,
    /// The connection as it was when it was last told something.
    since: LinkState,
    records: Subscriber,
}

impl Ending {
    pub(crate) async fn begin(api: &Arc<Api>, key: &JobKey) -> Result<Self, TransportError> {
        let subject = api.subjects.job(Place::Record, key);
        let since = api.link.now();
        let records = api.client().subscribe(subject.clone()).await;
        let records = records.map_err(|e| TransportError::Rejected {
            what: format!("listen to {subject}"),
            reason: e.to_string(),
        })?;
        Ok(Self { api: api.clone(), since, records })
    }
}

#[async_trait]
impl EndWatch for Ending {
    async fn changed(&mut self, wait: Duration) {
        let told = async {
            tokio::select! {
                record = self.records.next() => match record {
                    Some(_) => {}
                    // The connection is closed for good, which others will say.
                    None => std::future::pending().await,
                },
                // What was written meanwhile was told to nobody.
                () = self.api.link.reconnected(self.since) => self.since = self.api.link.now(),
            }
        };
        let _ = timeout(wait, told).await;
    }
}

impl fmt::Debug for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ending").finish_non_exhaustive()
    }
}
