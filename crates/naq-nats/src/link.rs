//! What is known of the connection, as async-nats reports it: whether it stands, how often it fell,
//! and what the broker refused. A refusal comes apart from the answer that it keeps away.

use std::collections::VecDeque;

use async_nats::{Event, ServerError};
use tokio::sync::watch;

/// Refusals remembered, for those who waited for what was refused.
const REFUSALS: usize = 64;

/// The connection at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LinkState {
    pub(crate) connected: bool,
    /// How often it was made.
    pub(crate) connects: u64,
    /// How often it was lost.
    pub(crate) losses: u64,
}

#[derive(Debug, Default)]
struct Refusals {
    count: u64,
    latest: VecDeque<(u64, String)>,
}

/// Hears the connection's events and tells whoever waits.
#[derive(Debug, Default)]
pub(crate) struct Link {
    state: watch::Sender<LinkState>,
    refusals: watch::Sender<Refusals>,
}

impl Link {
    /// Takes in one event.
    pub(crate) fn hear(&self, event: Event) {
        match event {
            Event::Connected => {
                tracing::debug!("connected to the broker");
                self.state.send_modify(|now| {
                    now.connected = true;
                    now.connects += 1;
                });
            }
            Event::Disconnected => {
                tracing::warn!("the connection to the broker was lost; connecting again");
                self.state.send_modify(|now| {
                    now.connected = false;
                    now.losses += 1;
                });
            }
            Event::ServerError(ServerError::Other(text)) => {
                tracing::warn!(error = %text, "the broker refused something");
                if let Some(subject) = refused_subject(&text) {
                    self.refuse(subject);
                }
            }
            other => tracing::debug!(event = %other, "connection event"),
        }
    }

    fn refuse(&self, subject: &str) {
        self.refusals.send_modify(|refusals| {
            refusals.count += 1;
            if refusals.latest.len() == REFUSALS {
                refusals.latest.pop_front();
            }
            refusals.latest.push_back((refusals.count, subject.to_owned()));
        });
    }

    pub(crate) fn now(&self) -> LinkState {
        *self.state.borrow()
    }

    /// Refusals so far: what [`refused`](Self::refused) counts from.
    pub(crate) fn refusal_count(&self) -> u64 {
        self.refusals.borrow().count
    }

    /// Returns once the connection stands.
    pub(crate) async fn connected(&self) {
        // The sender lives in `self`, so this cannot fail.
        let _ = self.state.subscribe().wait_for(|now| now.connected).await;
    }

    /// Returns once the connection has been lost more often than in `since`.
    pub(crate) async fn lost(&self, since: LinkState) {
        let _ = self.state.subscribe().wait_for(|now| now.losses > since.losses).await;
    }

    /// Returns once the connection is another one than in `since`.
    pub(crate) async fn reconnected(&self, since: LinkState) {
        let _ = self.state.subscribe().wait_for(|now| now.connects > since.connects).await;
    }

    /// Returns the subject once the broker refuses, after the refusal number `since`, this subject
    /// or one below `inbox`, where the answer would have come.
    pub(crate) async fn refused(&self, since: u64, subject: &str, inbox: &str) -> String {
        let mut found = None;
        let ours = |refused: &str| refused == subject || refused.starts_with(inbox);
        let _ = self
            .refusals
            .subscribe()
            .wait_for(|refusals| {
                let mut later = refusals.latest.iter().filter(|(number, _)| *number > since);
                found = later.find(|(_, refused)| ours(refused)).map(|(_, s)| s.clone());
                found.is_some()
            })
            .await;
        found.unwrap_or_default()
    }
}

/// The subject in `Permissions Violation for Publish to "naq.q.mail.1"`.
fn refused_subject(text: &str) -> Option<&str> {
    let rest = text.trim().trim_matches('\'');
    if !rest.to_ascii_lowercase().starts_with("permissions violation") {
        return None;
    }
    rest.split('"').nth(1)
}

#[cfg(test)]
mod tests {
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
    async fn a_refusal_reaches_whoever_waits_for_that_subject() {
        let link = Link::default();
        let since = link.refusal_count();
        for subject in ["a", "b"] {
            let text = format!(r#"Permissions Violation for Publish to "{subject}""#);
            link.hear(Event::ServerError(ServerError::Other(text)));
        }
        assert_eq!(link.refused(since, "b", "_INBOX").await, "b");
        assert_eq!(link.refusal_count(), since + 2);
    }
}
