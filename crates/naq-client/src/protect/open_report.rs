//! Decrypts what a report has of a job.

use naq_core::Codec;
use naq_core::seal::{KeyRing, SealKind, key_of_text, shown_text};
use naq_core::transport::Stored;
use naq_core::wire::{Envelope, Payload};

use crate::protect::{decompressed, open_message};
use crate::{Client, DeadSummary, JobReport};

impl Client {
    /// A value of a job, decrypted and decompressed; as it is stored if that is not possible.
    fn opened(&self, job: &Envelope, kind: SealKind, value: Payload) -> Payload {
        let open = |ring: &KeyRing| ring.open_of_job(job, kind, &value).ok();
        let decrypted = self.key_ring.as_ref().and_then(open);
        let plain = decompressed(job, kind, decrypted.as_ref().unwrap_or(&value)).ok();
        plain.unwrap_or(value)
    }

    /// The message of an error, decrypted if this client has the key.
    fn opened_message(&self, job: &Envelope, message: &str) -> String {
        let ring = self.key_ring.as_ref();
        let opened = ring.map(|ring| open_message(ring, job, message));
        opened.unwrap_or_else(|| shown_text(message)).into_owned()
    }

    /// The summary of a dead letter, with its message decrypted if this client has the key.
    pub fn dead_summary(&self, letter: &Stored) -> DeadSummary {
        let mut summary = DeadSummary::from(letter);
        let stored = letter.dead_letter().message;
        if key_of_text(&stored).is_some()
            && let Ok(job) = letter.envelope()
        {
            summary.message = self.opened_message(&job, &stored);
        }
        summary
    }

    /// Decrypts and decompresses what a report has of a job, as far as this client has the keys.
    pub(crate) fn open_report(&self, report: &mut JobReport) {
        let Some(job) = &report.envelope else { return };
        if let Some(letter) = &mut report.dead {
            letter.message = self.opened_message(job, &letter.message);
        }
        report.encrypted_with = job.args.encrypted_with();
        report.args = Some(self.opened(job, SealKind::Args, job.args.clone()));
        report.result = report.result.take().map(|it| self.opened(job, SealKind::Result, it));
        if let Some(progress) = &mut report.progress {
            let sealed = Payload::from_raw(Codec::Json, format!("\"{}\"", progress.message).into());
            if let Some(key) = sealed.encrypted_with() {
                let opened = self.opened(job, SealKind::Progress, sealed);
                let hidden = format!("encrypted with the key {key}");
                progress.message = opened.decode().unwrap_or(hidden);
            }
        }
        let Some(mut job) = report.envelope.take() else { return };
        let mut history = std::mem::take(&mut job.history);
        for message in history.iter_mut().filter_map(|record| record.message.as_mut()) {
            *message = self.opened_message(&job, message);
        }
        job.history = history;
        report.envelope = Some(job);
    }
}
