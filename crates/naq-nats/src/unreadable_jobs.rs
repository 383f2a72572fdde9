//! Finds the jobs that broke the connection: the broker has delivered them, and the client could not parse
//! them. They become deliveries that no handler runs, and so dead letters with their bytes (ADR 0038).

use std::sync::Arc;

use naq_core::QueueName;
use naq_core::transport::{Delivery, Place, Stored, TransportError};

use crate::ack_handle;
use crate::api::Api;
use crate::connection_monitor::ConnectionState;
use crate::direct::StreamMessage;
use crate::message::incoming;

/// What a subscription knows of the connection on which it fetched.
#[derive(Debug)]
pub(crate) struct FetchedOn {
    connection: ConnectionState,
    /// The server, which has another id after each start.
    server: String,
}

impl FetchedOn {
    pub(crate) fn now(api: &Api, connection: ConnectionState) -> Self {
        Self { connection, server: api.client().server_info().server_id }
    }

    /// Whether a message may be why this connection was lost. A server that was restarted has closed it
    /// itself. In a cluster the client goes to another server in any case.
    fn may_be_broken_by_a_message(&self, api: &Api) -> bool {
        let server = api.client().server_info();
        api.connection.state().ends > self.connection.ends
            || server.server_id == self.server
            || server.cluster.is_some()
    }
}

impl Api {
    /// The jobs of the queue that may have broken the connection `before`: those that a worker holds, as
    /// far as the broker knows, and that the client cannot parse.
    pub(crate) async fn unreadable_jobs(
        self: &Arc<Self>,
        queue: &QueueName,
        before: &FetchedOn,
    ) -> Vec<Delivery> {
        let stream = self.subjects.queue_stream(queue);
        if !before.may_be_broken_by_a_message(self) || !self.may_read_json(&stream) {
            return Vec::new();
        }
        match self.look_for_unreadable(queue).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(
                    %queue,
                    %error,
                    "cannot look for a job that broke the connection; the broker delivers it again"
                );
                Vec::new()
            }
        }
    }

    async fn look_for_unreadable(
        self: &Arc<Self>,
        queue: &QueueName,
    ) -> Result<Vec<Delivery>, TransportError> {
        let fail = |e: crate::error::ApiError| e.into_transport("look at the queue", self.url());
        let Some(consumer) = self.consumer_info(queue).await.map_err(fail)? else {
            return Ok(Vec::new());
        };
        let held = consumer.ack_floor.stream_seq + 1..=consumer.delivered.stream_seq;
        if consumer.num_ack_pending == 0 || held.is_empty() {
            return Ok(Vec::new());
        }
        let stream = self.subjects.queue_stream(queue);
        let subject = self.subjects.of_queue(Place::Queue, queue);
        let (from, until) = held.into_inner();
        let found = self.find_unreadable(&stream, &subject, from, until).await?;
        Ok(found.into_iter().map(|message| self.unreadable_delivery(queue, message)).collect())
    }

    fn unreadable_delivery(
        self: &Arc<Self>,
        queue: &QueueName,
        message: StreamMessage,
    ) -> Delivery {
        let stored = Stored {
            key: ack_handle::job_key(self, queue, &message.subject, message.seq),
            place: Place::Queue,
            seq: message.seq,
            stored_at: message.stored_at,
            due_at: None,
            delivered: true,
            message: incoming(Some(&message.headers), message.body),
        };
        ack_handle::by_hand_on(self, stored, &message.subject)
    }
}
