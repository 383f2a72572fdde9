//! Keeps the local breakers and the state store in step.

use naq_core::flow::breaker::BreakerEntry;
use naq_core::transport::{StateChange, TransportError};

use super::BreakerGate;
use crate::outage::{Outage, backoff};

impl BreakerGate {
    /// Watches the stored breakers for as long as the worker runs.
    pub(super) async fn watch(&self) {
        let mut outage = Outage::of("the circuit breakers");
        loop {
            // A watch that ends without an error begins again.
            if let Err(err) = self.follow(&mut outage).await {
                // Jobs do not wait for what cannot be read.
                self.end_first_look();
                let now = self.timer.now();
                let wait = outage.failed(&err, now);
                self.timer.sleep_until(now + wait).await;
            }
        }
    }

    async fn follow(&self, outage: &mut Outage) -> Result<(), TransportError> {
        let prefix = BreakerEntry::prefix().map_err(|err| TransportError::Rejected {
            what: "watch breakers".into(),
            reason: err.to_string(),
        })?;
        let mut watch = self.client.transport().state_watch(&prefix).await?;
        // All breakers at once: the watch does not say where its first entries end.
        let entries = self.client.breakers().await?;
        let now = self.timer.now();
        self.change(|local| local.take_over_all(entries, now));
        self.end_first_look();
        outage.over(now);
        while let Some(change) = watch.next().await {
            self.take_over(&change);
        }
        Ok(())
    }

    fn take_over(&self, change: &StateChange) {
        let now = self.timer.now();
        match &change.entry {
            Some(entry) => match BreakerEntry::read(entry) {
                Some(entry) => self.change(|local| local.take_over(entry, now)),
                None => tracing::warn!(
                    "{}: written by another version of NAQ; this worker keeps what it knew",
                    change.key
                ),
            },
            None => {
                if let Some(key) = change.key.tokens().nth(1) {
                    self.change(|local| local.forget(&key, now));
                }
            }
        }
    }

    /// Sends counts and probes to the state store when they are due.
    pub(super) async fn send(&self) {
        let mut failures = 0;
        loop {
            let (now, due) = (self.timer.now(), self.local().due());
            let updates = self.local().send(now);
            if updates.is_empty() {
                tokio::select! {
                    () = self.due.notified() => {}
                    () = self.timer.sleep_until(due.unwrap_or(now)), if due.is_some() => {}
                }
                continue;
            }
            for update in updates {
                let known = update.entry.clone();
                let change = self.client.change_breaker(known, &update.config, &update.events);
                let (sent, now) = (change.await, self.timer.now());
                match sent {
                    Ok(entry) => {
                        failures = 0;
                        self.change(|local| local.sent(entry, now));
                    }
                    Err(err) => {
                        failures += 1;
                        let key = &update.entry.key;
                        tracing::debug!("breaker {key}: the update is not stored: {err}");
                        let again = now + backoff(failures);
                        self.change(|local| local.not_sent(update, again, now));
                    }
                }
            }
        }
    }
}
