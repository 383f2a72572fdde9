//! Circuit breakers, as an operator sees and moves them.

use std::slice;
use std::time::Duration;

use naq_core::flow::breaker::{BreakerConfig, BreakerEntry, BreakerEvent, BreakerState, step};
use naq_core::transport::{Expect, Saved, StateKey, StateKeyError, TransportError};

use crate::Client;

/// Entries read at once.
const PAGE: usize = 500;
/// How often a change is made anew because somebody else was faster.
const TRIES: usize = 64;

impl Client {
    /// The breakers that are not quite closed: open, half open, recovering, or with failures
    /// counted lately. Sorted by key. One that is not among them lets all calls go.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn breakers(&self) -> Result<Vec<BreakerEntry>, TransportError> {
        let (prefix, mut from) = (BreakerEntry::prefix().map_err(refused)?, 0);
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

    /// The breaker of a task or dependency; closed when nothing is known of it.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn breaker(&self, key: &str) -> Result<BreakerEntry, TransportError> {
        let place = BreakerEntry::state_key(key).map_err(refused)?;
        let found = self.transport.state_get(slice::from_ref(&place)).await?.pop().flatten();
        let read = found.as_ref().map(|entry| BreakerEntry::read(entry).ok_or(entry));
        match read {
            None => Ok(BreakerEntry::absent(key)),
            Some(Ok(entry)) => Ok(entry),
            Some(Err(_)) => Err(unreadable(&place)),
        }
    }

    /// Opens a breaker by hand, for `span` or until it is closed by hand. Within a second no worker
    /// starts a job under it any more; what runs goes on. With the name of a task as its key it
    /// pauses that task, also where no breaker is registered.
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
        let until = span.map(|span| self.clock.now() + span);
        let open = BreakerEvent::Open { until, reason: reason.to_owned() };
        let known = self.breaker(key).await?;
        self.change_breaker(known, &BreakerEntry::by_hand(), &[open]).await
    }

    /// Closes a breaker by hand: it recovers over `recovery`, in which a share of the calls goes
    /// that grows. Nothing happens to one that is closed.
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

    /// Forgets all that is known of a breaker: it is closed at once. False when nothing was known.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn reset_breaker(&self, key: &str) -> Result<bool, TransportError> {
        let place = BreakerEntry::state_key(key).map_err(refused)?;
        let known = self.transport.state_get(slice::from_ref(&place)).await?.pop().flatten();
        self.transport.state_remove(&place, Expect::Any).await?;
        Ok(known.is_some())
    }

    /// Lets events happen to a breaker, by compare and set: whatever others do to it meanwhile,
    /// none is lost. `known` is what the caller knows of it, and saves a request if it is still
    /// so. Returns what became of it; nothing is written when nothing changes.
    ///
    /// A worker that dies in here has changed it or has not; a caller who cannot know tries again,
    /// and may count its calls twice.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn change_breaker(
        &self,
        known: BreakerEntry,
        config: &BreakerConfig,
        events: &[BreakerEvent],
    ) -> Result<BreakerEntry, TransportError> {
        let place = BreakerEntry::state_key(&known.key).map_err(refused)?;
        let mut entry = known;
        for _ in 0..TRIES {
            let now = self.clock.now();
            let happen = |state: BreakerState, event| step(config, &state, event, now);
            let state = events.iter().fold(entry.state.at(config, now), happen);
            if state == entry.state {
                return Ok(entry);
            }
            let ttl = state.kept_for(config, now);
            let value = BreakerEntry::value(&state);
            match self.transport.state_put(&place, value, entry.expect(), ttl).await? {
                Saved::Stored(revision) => return Ok(entry.stored(state, revision, now)),
                Saved::Conflict => entry = self.breaker(&entry.key).await?,
            }
        }
        let reason = format!("others changed it {TRIES} times meanwhile");
        Err(TransportError::Rejected { what: format!("change breaker {:?}", entry.key), reason })
    }
}

fn refused(err: StateKeyError) -> TransportError {
    TransportError::Rejected { what: "the key of a breaker".into(), reason: err.to_string() }
}

fn unreadable(place: &StateKey) -> TransportError {
    let reason = "another version of NAQ has written it; reset it, or use that version".into();
    TransportError::Rejected { what: format!("read {place}"), reason }
}
