//! What is known of the connection, as async-nats reports it: whether it stands, how often it fell,
//! and what the broker refused. A refusal comes apart from the answer that it keeps away.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

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
    /// How often the broker refused something.
    pub(crate) refusals: u64,
}

/// Why an answer will not come.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Its connection is gone.
    Lost,
    /// The broker refused this subject.
    Refused(String),
}

/// Hears the connection's events and tells whoever waits.
#[derive(Debug, Default)]
pub(crate) struct Link {
    state: watch::Sender<LinkState>,
    refused: Mutex<VecDeque<(u64, String)>>,
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
        let number = self.now().refusals + 1;
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() == REFUSALS {
            refused.pop_front();
        }
        refused.push_back((number, subject.to_owned()));
        drop(refused);
        // Told last, so that whoever hears of it finds it.
        self.state.send_modify(|now| now.refusals = number);
    }

    pub(crate) fn now(&self) -> LinkState {
        *self.state.borrow()
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

    /// Returns once an answer that was asked for at `since` will not come: the connection is gone,
    /// or the broker has refused this subject, or one below `inbox`, where it would have come.
    pub(crate) async fn trouble(&self, since: LinkState, subject: &str, inbox: &str) -> Trouble {
        let mut changes = self.state.subscribe();
        let mut seen = since;
        loop {
            let news = |now: &LinkState| now.losses > seen.losses || now.refusals > seen.refusals;
            // The sender lives in `self`, so this cannot fail.
            let now = changes.wait_for(news).await.map_or(since, |now| *now);
            if let Some(refused) = self.refused_since(since.refusals, subject, inbox) {
                return Trouble::Refused(refused);
            }
            if now.losses > since.losses {
                return Trouble::Lost;
            }
            seen = now;
        }
    }

    fn refused_since(&self, number: u64, subject: &str, inbox: &str) -> Option<String> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = |refused: &str| refused == subject || refused.starts_with(inbox);
        refused.iter().find(|(n, refused)| *n > number && ours(refused)).map(|(_, s)| s.clone())
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
    async fn a_refusal_reaches_whoever_waits_for_that_subject() {
        let link = Link::default();
        let since = link.now();
        for subject in ["a", "b"] {
            let text = format!(r#"Permissions Violation for Publish to "{subject}""#);
            link.hear(Event::ServerError(ServerError::Other(text)));
        }
        assert_eq!(link.trouble(since, "b", "_INBOX").await, Trouble::Refused("b".into()));
        link.hear(Event::Disconnected);
        assert_eq!(link.trouble(link.now(), "c", "_INBOX").now_or_never(), None);
        assert_eq!(link.trouble(since, "c", "_INBOX").await, Trouble::Lost);
    }
}
