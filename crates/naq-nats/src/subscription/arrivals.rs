//! What arrives at the inboxes of a subscription: deliveries, and the statuses that end pulls.

use async_nats::Message;
use futures_util::{FutureExt, StreamExt};
use naq_core::transport::TransportError;
use tokio::time::Instant;

use super::{CHECK_INTERVAL, NatsSubscription, PullInbox, REFUSED_PAUSE};
use crate::ack_handle;
use crate::connection_monitor::ConnectionState;
use crate::pull_status::PullStatus;
use crate::unreadable_jobs::FetchedOn;

impl NatsSubscription {
    /// Handles all messages that have arrived.
    pub(super) fn drain_inboxes(&mut self) {
        while let Some(message) =
            self.inbox.as_mut().and_then(|inbox| inbox.messages.next().now_or_never()).flatten()
        {
            self.on_message(message);
        }
        let mut late = Vec::new();
        self.old_inboxes.retain_mut(|inbox| {
            loop {
                match inbox.next().now_or_never() {
                    Some(Some(message)) => late.push(message),
                    // Empty, and closed by `drain`.
                    Some(None) => return false,
                    None => return true,
                }
            }
        });
        for message in late {
            self.on_delivery(message, None);
        }
    }

    pub(super) fn on_message(&mut self, message: Message) {
        let now = Instant::now();
        let number = self.inbox.as_ref().and_then(|inbox| {
            message.subject.strip_prefix(inbox.subject.as_str())?.strip_prefix('.')?.parse().ok()
        });
        // The author of a job may have given its message a status line. So only the subject shows
        // whether a message is a status or a delivery.
        match number {
            Some(number) => self.status(number, &message, now),
            None => {
                self.pulls.on_delivery(now);
                let connection = self.inbox.as_ref().map(|inbox| inbox.connection);
                self.on_delivery(message, connection);
            }
        }
        self.watch.heard(self.pulls.are_open(), now);
    }

    /// `connection` is the one on which the current inbox was opened. `None` for an earlier inbox.
    pub(super) fn on_delivery(&mut self, message: Message, connection: Option<ConnectionState>) {
        if let Some(number) = ack_handle::consumer_number(&message).filter(|_| connection.is_some())
        {
            self.watch.arrived(number);
        }
        let doubt = self.watch.doubt(Instant::now());
        let by = connection.map(|connection| self.watch.delivered_by(connection));
        let read = ack_handle::read_delivery(&self.api, &self.queue, message, doubt, by);
        let due = read.and_then(|delivery| self.early.arrived(delivery, Instant::now()));
        self.ready.extend(due);
    }

    fn status(&mut self, number: u64, message: &Message, now: Instant) {
        let left = message.headers.as_ref().and_then(|headers| {
            headers.get("Nats-Pending-Messages")?.as_str().parse::<usize>().ok()
        });
        let bytes = self.pulls.bytes_of(number).unwrap_or_default();
        let was_empty = self.pulls.on_end(number, left, now);
        match PullStatus::of(message) {
            PullStatus::Expired if was_empty && self.checked_at + CHECK_INTERVAL <= now => {
                self.checked_at = now;
                self.check_needed = true;
            }
            PullStatus::Expired | PullStatus::Complete => {}
            PullStatus::NoConsumer => {
                self.watch.consumer_changed();
                self.back_off(now);
            }
            PullStatus::TooLarge => {
                if was_empty {
                    self.large = self.large.max(bytes.saturating_mul(2));
                }
            }
            // As after a reconnect: acks that were sent to the old leader may be lost.
            PullStatus::LeaderChanged => self.watch.consumer_changed(),
            PullStatus::Refused => {
                self.watch.consumer_changed();
                let text = message.description.as_deref().unwrap_or_default();
                tracing::warn!(queue = %self.queue, text, "the broker ended a pull");
                self.back_off(now);
            }
        }
    }

    pub(super) fn back_off(&mut self, now: Instant) {
        self.check_needed = true;
        self.resume_at = Some(now + REFUSED_PAUSE);
    }

    /// Opens a new inbox. Earlier pulls cannot deliver to it, so its count of deliveries is exact.
    /// Returns the connection of the inbox before it.
    pub(super) async fn open_inbox(
        &mut self,
        connection: ConnectionState,
    ) -> Result<Option<FetchedOn>, TransportError> {
        let subject = self.api.client().new_inbox();
        let messages = self.api.subscribe(&format!("{subject}.*")).await?;
        self.drain_inboxes();
        self.pulls.reset();
        self.watch.inbox_opened(Instant::now());
        let fetched_on = FetchedOn::now(&self.api, connection);
        let new = PullInbox { subject, messages, connection, fetched_on };
        let Some(PullInbox { mut messages, fetched_on, .. }) = self.inbox.replace(new) else {
            return Ok(self.lost_inbox.take());
        };
        if messages.drain().await.is_ok() {
            self.old_inboxes.push(messages);
        }
        Ok(Some(fetched_on))
    }
}
