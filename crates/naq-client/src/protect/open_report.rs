//! Decrypts what a report has of a job.

use naq_core::Codec;
use naq_core::seal::{KeyRing, SealKind};
use naq_core::wire::{Envelope, Payload};

use crate::{Client, JobReport};

impl Client {
    /// A value of a job, decrypted; as it is stored if that is not possible.
    fn opened(&self, job: &Envelope, kind: SealKind, value: Payload) -> Payload {
        let open = |ring: &KeyRing| ring.open_of_job(job, kind, &value).ok();
        self.key_ring.as_ref().and_then(open).unwrap_or(value)
    }

    /// Decrypts what a report has of a job, as far as this client has the keys.
    pub(crate) fn open_report(&self, report: &mut JobReport) {
        let Some(job) = &report.envelope else { return };
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
    }
}
