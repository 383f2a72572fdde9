//! Keeps the local breakers and the state store in step.

use naq_core::flow::breaker::BreakerEntry;
use naq_core::transport::{StateChange, TransportError};

use super::BreakerGate;
use crate::outage::{Outage, backoff};

impl BreakerGate {
    /// Watches the stored breakers for as long as the worker runs.
    pub(super) async fn sync_loop(&self) {
        let mut outage = Outage::new("the circuit breakers");
        loop {
            // A watch that ends without an error begins again.
            if let Err(err) = self.watch(&mut outage).await {
                // The breakers cannot be read, so jobs start without them.
                self.first_read_done();
                let now = self.timer.now();
                let wait = outage.failed(&err, now);
                self.timer.sleep_until(now + wait).await;
            }
        }
    }

    async fn watch(&self, outage: &mut Outage) -> Result<(), TransportError> {
        let prefix = BreakerEntry::prefix().map_err(|err| TransportError::Rejected {
            what: "watch breakers".into(),
            reason: err.to_string(),
        })?;
        let mut watch = self.client.transport().state_watch(&prefix).await?;
        // All breakers at once: the watch does not say where its first entries end.
        let entries = self.client.breakers().await?;
        let now = self.timer.now();
        self.update(|table| table.replace_all(entries, now));
        self.first_read_done();
        outage.recovered(now);
        while let Some(change) = watch.next().await {
            self.apply_change(&change);
        }
        Ok(())
    }

    fn apply_change(&self, change: &StateChange) {
        let now = self.timer.now();
        match &change.entry {
            Some(entry) => match BreakerEntry::read(entry) {
                Some(entry) => self.update(|table| table.apply_entry(entry, now)),
                None => tracing::warn!(
                    "{}: written by another version of NAQ; this worker keeps what it knew",
                    change.key
                ),
            },
            None => {
                if let Some(key) = change.key.tokens().nth(1) {
                    self.update(|table| table.forget(&key, now));
                }
            }
        }
    }

    /// Sends counts and probes to the state store when they are due.
    pub(super) async fn send_updates(&self) {
        let mut failures = 0;
        loop {
            let (now, due) = (self.timer.now(), self.table().due());
            let updates = self.table().take_updates(now);
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
                        self.update(|table| table.update_stored(entry, now));
                    }
                    Err(err) => {
                        failures += 1;
                        let key = &update.entry.key;
                        tracing::debug!("breaker {key}: the update is not stored: {err}");
                        let again = now + backoff(failures);
                        self.update(|table| table.update_failed(update, again, now));
                    }
                }
            }
        }
    }
}
