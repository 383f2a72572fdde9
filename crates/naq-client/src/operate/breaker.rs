//! Circuit breakers: list, open, close and reset them.

use std::slice;
use std::time::Duration;

use naq_core::flow::breaker::{BreakerConfig, BreakerEntry, BreakerEvent, BreakerState, step};
use naq_core::names::{StateKey, StateKeyError};
use naq_core::transport::{Expect, Saved, TransportError};

use crate::Client;

/// Entries that one request reads.
const PAGE: usize = 500;
/// How often a change is attempted again after another process was faster.
const MAX_CONFLICTS: usize = 64;

impl Client {
    /// The breakers that are open, half open, recovering, or that have counted failures recently.
    /// Sorted by key. A breaker that is not listed is closed: it lets all calls pass.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn breakers(&self) -> Result<Vec<BreakerEntry>, TransportError> {
        let prefix = BreakerEntry::prefix().map_err(refused)?;
        let mut from = 0;
        let mut breakers = Vec::new();
        loop {
            let page = self.transport.state_list(&prefix, from, PAGE).await?;
            breakers.extend(page.entries.iter().filter_map(BreakerEntry::read));
            match page.next {
                Some(next) => from = next,
                None => break,
            }
        }
        breakers.sort_by(|a: &BreakerEntry, b| a.key.cmp(&b.key));
        breakers.dedup_by(|a, b| a.key == b.key);
        Ok(breakers)
    }

    /// The breaker with this key, of a task or of a dependency. Closed if it has no entry.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn breaker(&self, key: &str) -> Result<BreakerEntry, TransportError> {
        let state_key = BreakerEntry::state_key(key).map_err(refused)?;
        let found = self.transport.state_get(slice::from_ref(&state_key)).await?.pop().flatten();
        let read = found.as_ref().map(|entry| BreakerEntry::read(entry).ok_or(entry));
        match read {
            None => Ok(BreakerEntry::absent(key)),
            Some(Ok(entry)) => Ok(entry),
            Some(Err(_)) => Err(unreadable(&state_key)),
        }
    }

    /// Opens a breaker by hand, for `span` or until it is closed by hand. Within a second no worker
    /// starts a job under it; running jobs continue. With the name of a task as its key it pauses
    /// that task, even if the task has no breaker.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # async fn f(client: naq_client::Client) -> Result<(), naq_core::transport::TransportError> {
    /// client.open_breaker("stripe", Some(Duration::from_secs(600)), "maintenance").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn open_breaker(
        &self,
        key: &str,
        span: Option<Duration>,
        reason: &str,
    ) -> Result<BreakerEntry, TransportError> {
        let now = self.broker_now().await?;
        let until = span.map(|span| now + span);
        let open = BreakerEvent::Open { until, reason: reason.to_owned() };
        let known = self.breaker(key).await?;
        self.change_breaker(known, &BreakerEntry::by_hand(), &[open]).await
    }

    /// Closes a breaker by hand. It recovers during `recovery`, in which it lets a growing share of
    /// the calls pass. Does nothing if the breaker is closed.
    ///
    /// # Errors
    /// [`TransportError`].
    ///
    /// # Panics
    /// When `recovery` is longer than 10 years.
    pub async fn close_breaker(
        &self,
        key: &str,
        recovery: Duration,
    ) -> Result<BreakerEntry, TransportError> {
        let known = self.breaker(key).await?;
        let config = BreakerEntry::by_hand().recovery(recovery);
        self.change_breaker(known, &config, &[BreakerEvent::Close]).await
    }

    /// Removes the entry of a breaker, which closes it at once. False when it had no entry.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn reset_breaker(&self, key: &str) -> Result<bool, TransportError> {
        let state_key = BreakerEntry::state_key(key).map_err(refused)?;
        let known = self.transport.state_get(slice::from_ref(&state_key)).await?.pop().flatten();
        self.transport.state_remove(&state_key, Expect::Any).await?;
        Ok(known.is_some())
    }

    /// Applies events to a breaker by compare and set, so that no event is lost when several
    /// processes change it. `known` is the entry as the caller knows it, and saves a request if it
    /// is current. Returns the new entry. Writes nothing when nothing changes.
    ///
    /// If the call fails, the events may be applied or not. A caller that repeats it may count its
    /// calls twice.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn change_breaker(
        &self,
        known: BreakerEntry,
        config: &BreakerConfig,
        events: &[BreakerEvent],
    ) -> Result<BreakerEntry, TransportError> {
        let state_key = BreakerEntry::state_key(&known.key).map_err(refused)?;
        let mut entry = known;
        for _ in 0..MAX_CONFLICTS {
            let now = self.clock.now();
            let apply = |state: BreakerState, event| step(config, &state, event, now);
            let state = events.iter().fold(entry.state.at(config, now), apply);
            if state == entry.state {
                return Ok(entry);
            }
            let ttl = state.kept_for(config, now);
            let value = BreakerEntry::value(&state);
            match self.transport.state_put(&state_key, value, entry.expect(), ttl).await? {
                Saved::Stored(revision) => return Ok(entry.stored(state, revision, now)),
                Saved::Conflict => entry = self.breaker(&entry.key).await?,
            }
        }
        Err(TransportError::Rejected {
            what: format!("change breaker {:?}", entry.key),
            reason: format!("other processes changed it {MAX_CONFLICTS} times meanwhile"),
        })
    }
}

fn refused(err: StateKeyError) -> TransportError {
    TransportError::Rejected { what: "the key of a breaker".into(), reason: err.to_string() }
}

fn unreadable(key: &StateKey) -> TransportError {
    TransportError::Rejected {
        what: format!("read {key}"),
        reason: "another version of NAQ has written it; reset it, or use that version".into(),
    }
}
