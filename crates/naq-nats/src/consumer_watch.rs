//! [`ConsumerWatch`]: notices that the connection, the consumer of a queue or its leader has changed, and
//! knows which deliveries may have been settled before that.

use std::sync::Arc;
use std::time::Duration;

use naq_core::QueueName;
use tokio::time::Instant;

use crate::ack_handle::DeliveredBy;
use crate::api::Api;
use crate::connection_monitor::ConnectionState;
use crate::consumer_era::ConsumerEra;
use crate::doubt::Doubt;

/// When a crashed broker is back, it may move a due job to the queue a second time. For this long
/// after a connection was opened, jobs that were due earlier are suspects too.
const LATE_CHECK_TIME: Duration = Duration::from_secs(10);

/// What one subscription knows of the consumer of its queue.
#[derive(Debug)]
pub(crate) struct ConsumerWatch {
    /// For how long the consumer is known to be the same. The handles of deliveries share it.
    era: Arc<ConsumerEra>,
    /// The stream's last sequence when this connection was opened. `None` if it is unknown.
    settled_until: Option<u64>,
    /// The consumer's own number of its newest delivery. They only grow: a number that is not larger is
    /// one of a consumer that was removed and made again.
    newest: u64,
    /// When this connection was first used.
    opened: Instant,
    /// This user may not read the stream's information.
    info_denied: bool,
}

impl ConsumerWatch {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            era: Arc::default(),
            settled_until: None,
            newest: 0,
            opened: now,
            info_denied: false,
        }
    }

    /// The consumer is, or may be, another one from now on. Acks to the old one may be lost, and the new
    /// one delivers what they were for with a count of one.
    pub(crate) fn consumer_changed(&mut self) {
        self.settled_until = None;
        self.era.broken();
    }

    /// Another connection is used from now on.
    pub(crate) fn connection_opened(&mut self, now: Instant) {
        self.settled_until = None;
        self.opened = now;
    }

    /// A new inbox receives the deliveries. The cause may have lost acks too.
    pub(crate) fn inbox_opened(&mut self, now: Instant) {
        self.consumer_changed();
        self.era.heard(false, now);
        self.newest = 0;
    }

    /// A delivery with this number of the consumer has arrived on the current inbox.
    pub(crate) fn arrived(&mut self, number: u64) {
        if number <= self.newest {
            self.consumer_changed();
        }
        self.newest = number;
    }

    /// The broker has sent something. `open` says whether a pull is still open.
    pub(crate) fn heard(&self, open: bool, now: Instant) {
        self.era.heard(open, now);
    }

    /// A pull is sent.
    pub(crate) fn pull_sent(&self, now: Instant) {
        self.era.pull_sent(now);
    }

    /// From now on nothing is heard of the consumer.
    pub(crate) fn closed(&self) {
        self.era.broken();
    }

    pub(crate) fn doubt(&self, now: Instant) -> Doubt {
        let check_late = now.duration_since(self.opened) < LATE_CHECK_TIME;
        Doubt { settled_until: self.settled_until, check_late }
    }

    /// The consumer that makes a delivery which arrives now, on an inbox of this connection.
    pub(crate) fn delivered_by(&self, connection: ConnectionState) -> DeliveredBy {
        DeliveredBy::now(&self.era, connection)
    }

    /// Reads what is unknown since the last change. False if the queue's stream does not exist.
    pub(crate) async fn learn(&mut self, api: &Api, queue: &QueueName, stream: &str) -> bool {
        if self.settled_until.is_some() || self.info_denied {
            return true;
        }
        match api.stream_info(stream).await {
            Ok(Some(info)) => self.settled_until = Some(info.state.last_seq),
            Ok(None) => return false,
            Err(error) => {
                self.info_denied = error.is_permission();
                tracing::warn!(
                    %queue,
                    ?error,
                    "cannot read the stream: every job is checked before it runs"
                );
            }
        }
        true
    }
}
