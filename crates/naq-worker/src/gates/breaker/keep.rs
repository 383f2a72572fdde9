//! What the gate does beside the jobs: hears what others say of breakers, and tells them.

use naq_core::flow::breaker::BreakerEntry;
use naq_core::transport::{StateChange, TransportError};

use super::BreakerGate;
use crate::outage::{Outage, backoff};

impl BreakerGate {
    /// Hears of breakers for as long as the worker runs.
    pub(super) async fn listen(&self) {
        let mut outage = Outage::of("the circuit breakers");
        loop {
            match self.follow(&mut outage).await {
                // Broken off: once more from the beginning.
                Ok(()) => {}
                Err(err) => {
                    // Nobody waits for what cannot be known.
                    self.look_is_over();
                    let now = self.timer.now();
                    let wait = outage.failed(&err, now);
                    self.timer.sleep_until(now + wait).await;
                }
            }
        }
    }

    async fn follow(&self, outage: &mut Outage) -> Result<(), TransportError> {
        let prefix = BreakerEntry::prefix().map_err(|err| TransportError::Rejected {
            what: "watch breakers".into(),
            reason: err.to_string(),
        })?;
        let mut watch = self.client.transport().state_watch(&prefix).await?;
        // All there is, at once: what the watch begins with has no end that could be seen.
        let entries = self.client.breakers().await?;
        let now = self.timer.now();
        self.note(|book| book.hear_all(entries, now));
        self.look_is_over();
        outage.over(now);
        while let Some(change) = watch.next().await {
            self.hear(&change);
        }
        Ok(())
    }

    fn hear(&self, change: &StateChange) {
        let now = self.timer.now();
        match &change.entry {
            Some(entry) => match BreakerEntry::read(entry) {
                Some(entry) => self.note(|book| book.hear(entry, now)),
                None => tracing::warn!(
                    "{}: another version of NAQ has written it; this worker goes by what it knew",
                    change.key
                ),
            },
            None => {
                if let Some(key) = change.key.tokens().nth(1) {
                    self.note(|book| book.forget(&key, now));
                }
            }
        }
    }

    /// Tells the others what was counted here, when it is due.
    pub(super) async fn send(&self) {
        let mut failures = 0;
        loop {
            let (now, due) = (self.timer.now(), self.book().due());
            let sendings = self.book().send(now);
            if sendings.is_empty() {
                tokio::select! {
                    () = self.due.notified() => {}
                    () = self.timer.sleep_until(due.unwrap_or(now)), if due.is_some() => {}
                }
                continue;
            }
            for sending in sendings {
                let known = sending.entry.clone();
                let change = self.client.change_breaker(known, &sending.config, &sending.events);
                let (sent, now) = (change.await, self.timer.now());
                match sent {
                    Ok(entry) => {
                        failures = 0;
                        self.note(|book| book.sent(entry, now));
                    }
                    Err(err) => {
                        failures += 1;
                        let key = &sending.entry.key;
                        tracing::debug!("breaker {key}: the others cannot be told: {err}");
                        let again = now + backoff(failures);
                        self.note(|book| book.not_sent(sending, again, now));
                    }
                }
            }
        }
    }
}
