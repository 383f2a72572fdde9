//! Waits for the end of one job.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use naq_core::transport::{EndWatch, JobKey, Place};

use crate::transport::SharedBroker;

pub(crate) struct MemoryEndWatch {
    shared: Arc<SharedBroker>,
    key: JobKey,
    /// The sequence of the last record that was reported; 0 for none.
    seen: u64,
}

impl MemoryEndWatch {
    pub(crate) fn new(shared: Arc<SharedBroker>, key: JobKey) -> Self {
        let mut watch = Self { shared, key, seen: 0 };
        watch.seen = watch.last_record();
        watch
    }

    fn last_record(&self) -> u64 {
        let (state, _) = self.shared.state();
        state.records.last(Place::Record, &self.key).map_or(0, |record| record.seq)
    }
}

#[async_trait]
impl EndWatch for MemoryEndWatch {
    async fn changed(&mut self, wait: Duration) {
        let shared = self.shared.clone();
        let until = shared.timer.now() + wait;
        loop {
            let mut changed = pin!(shared.changed.notified());
            changed.as_mut().enable();
            let last = self.last_record();
            if std::mem::replace(&mut self.seen, last) != last {
                return;
            }
            tokio::select! {
                biased;
                () = changed => {}
                () = shared.timer.sleep_until(until) => return,
            }
        }
    }
}

impl fmt::Debug for MemoryEndWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryEndWatch({})", self.key)
    }
}
