//! The state of the connection, from the events of async-nats: whether it is open, how often it was
//! lost, and which subjects the broker refused. The broker reports a refusal as an event and sends
//! no reply to the refused request.

use std::collections::VecDeque;
use std::sync::Mutex;

use async_nats::{Event, ServerError};
use naq_core::sync::lock;
use tokio::sync::watch;

use crate::subjects;

/// How many refusals are stored for the requests that wait for a reply.
const REFUSALS: usize = 64;

/// The connection at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ConnectionState {
    pub(crate) connected: bool,
    /// How often it was opened.
    pub(crate) connects: u64,
    /// How often it was lost.
    pub(crate) losses: u64,
    /// How often the broker refused a subject.
    pub(crate) refusals: u64,
    /// How often the client ended, and not only its connection.
    pub(crate) ends: u64,
    /// The client has ended, and there is no new one yet.
    pub(crate) ended: bool,
}

impl ConnectionState {
    /// The new client of a client that has ended may be connected before it is in its place.
    fn is_usable(&self) -> bool {
        self.connected && !self.ended
    }
}

/// Why a reply will not arrive.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The connection was lost.
    Lost,
    /// The broker refused this subject.
    Refused(String),
}

/// Receives the connection's events and notifies the tasks that wait for them.
#[derive(Debug, Default)]
pub(crate) struct ConnectionMonitor {
    state: watch::Sender<ConnectionState>,
    refused: Mutex<VecDeque<(u64, String)>>,
}

impl ConnectionMonitor {
    /// Handles one event.
    pub(crate) fn on_event(&self, event: Event) {
        match event {
            Event::Connected => {
                tracing::debug!("connected to the broker");
                self.state.send_modify(|state| {
                    state.connected = true;
                    state.connects += 1;
                });
            }
            Event::Disconnected => {
                tracing::warn!("the connection to the broker was lost; reconnecting");
                self.state.send_modify(|state| {
                    state.connected = false;
                    state.losses += 1;
                });
            }
            Event::ServerError(ServerError::Other(text)) => {
                let subject = refused_subject(&text);
                // NAQ works without it, and most producers may not make one.
                if subject.is_some_and(subjects::api::is_of_uptime) {
                    tracing::debug!(error = %text, "this user may not read or make uptime consumers");
                } else {
                    tracing::warn!(error = %text, "the broker refused a request or a subscription");
                }
                if let Some(subject) = subject {
                    self.refuse(subject);
                }
            }
            other => tracing::debug!(event = %other, "connection event"),
        }
    }

    /// The client has ended. It sends no event.
    pub(crate) fn on_end(&self) {
        self.state.send_modify(|state| {
            state.losses += u64::from(state.connected);
            state.connected = false;
            state.ends += 1;
            state.ended = true;
        });
    }

    /// A new client is in the place of the one that has ended. Its connection counts from now on.
    pub(crate) fn on_replaced(&self) {
        self.state.send_modify(|state| state.ended = false);
    }

    fn refuse(&self, subject: &str) {
        let number = self.state().refusals + 1;
        let mut refused = lock(&self.refused);
        if refused.len() == REFUSALS {
            refused.pop_front();
        }
        refused.push_back((number, subject.to_owned()));
        drop(refused);
        // The counter changes last: a task that sees the new count finds the subject in the list.
        self.state.send_modify(|state| state.refusals = number);
    }

    pub(crate) fn state(&self) -> ConnectionState {
        let state = *self.state.borrow();
        ConnectionState { connected: state.is_usable(), ..state }
    }

    /// Returns when there is a connection.
    pub(crate) async fn connected(&self) {
        // The sender is in `self`, so this cannot fail.
        let _ = self.state.subscribe().wait_for(ConnectionState::is_usable).await;
    }

    /// Returns when the connection was lost more often than in `since`.
    pub(crate) async fn lost(&self, since: ConnectionState) {
        let _ = self.state.subscribe().wait_for(|state| state.losses > since.losses).await;
    }

    /// Returns when the connection was opened more often than in `since`.
    pub(crate) async fn reconnected(&self, since: ConnectionState) {
        let is_newer =
            |state: &ConnectionState| state.connects > since.connects && state.is_usable();
        let _ = self.state.subscribe().wait_for(is_newer).await;
    }

    /// Returns when the reply to a request sent at `since` will not arrive: the connection was
    /// lost, or the broker refused the request's subject or the reply subject below `inbox`.
    pub(crate) async fn wait_for_no_answer(
        &self,
        since: ConnectionState,
        subject: &str,
        inbox: &str,
    ) -> NoAnswer {
        let mut changes = self.state.subscribe();
        let mut seen = since;
        loop {
            let changed = |state: &ConnectionState| {
                state.losses > seen.losses || state.refusals > seen.refusals
            };
            // The sender is in `self`, so this cannot fail.
            let state = changes.wait_for(changed).await.map_or(since, |state| *state);
            if let Some(refused) = self.refused_since(since.refusals, subject, inbox) {
                return NoAnswer::Refused(refused);
            }
            if state.losses > since.losses {
                return NoAnswer::Lost;
            }
            seen = state;
        }
    }

    fn refused_since(&self, number: u64, subject: &str, inbox: &str) -> Option<String> {
        let refused = lock(&self.refused);
        let ours = |refused: &str| refused == subject || refused.starts_with(inbox);
        refused.iter().find(|(n, refused)| *n > number && ours(refused)).map(|(_, s)| s.clone())
    }
}

/// Reads the subject in `Permissions Violation for Publish to "naq.q.mail.1"`.
fn refused_subject(text: &str) -> Option<&str> {
    let rest = text.trim().trim_matches('\'');
    if !rest.to_ascii_lowercase().starts_with("permissions violation") {
        return None;
    }
    rest.split('"').nth(1)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn the_subject_of_a_refusal_is_read() {
        let text = r#"Permissions Violation for Publish to "naq.q.mail.1""#;
        assert_eq!(refused_subject(text), Some("naq.q.mail.1"));
        let text = r#"Permissions Violation for Subscription to "_INBOX.x.*" using queue "q""#;
        assert_eq!(refused_subject(text), Some("_INBOX.x.*"));
        assert_eq!(refused_subject("Maximum Payload Violation"), None);
    }

    #[tokio::test]
    async fn a_refusal_reaches_the_task_that_waits_for_that_subject() {
        let monitor = ConnectionMonitor::default();
        let since = monitor.state();
        for subject in ["a", "b"] {
            let text = format!(r#"Permissions Violation for Publish to "{subject}""#);
            monitor.on_event(Event::ServerError(ServerError::Other(text)));
        }
        assert_eq!(
            monitor.wait_for_no_answer(since, "b", "_INBOX").await,
            NoAnswer::Refused("b".into())
        );
        monitor.on_event(Event::Disconnected);
        assert_eq!(monitor.wait_for_no_answer(monitor.state(), "c", "_INBOX").now_or_never(), None);
        assert_eq!(monitor.wait_for_no_answer(since, "c", "_INBOX").await, NoAnswer::Lost);
    }
}
