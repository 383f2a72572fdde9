//! Progress: how far a handler is. Reported at once, written at most once a second.

use naq_client::{EncryptedJob, Progress};
use naq_core::seal::SealKind;
use naq_core::{Codec, Payload};

use super::Context;

/// The text as it is stored of a job whose arguments are encrypted. One that cannot be encrypted is left
/// out.
fn encrypted(job: &EncryptedJob, message: &str) -> String {
    let plain = Payload::encode(Codec::Json, message);
    let sealed = plain.and_then(|plain| job.seal(SealKind::Progress, &plain));
    let text = sealed.ok().and_then(|sealed| serde_json::from_slice(sealed.bytes()).ok());
    text.unwrap_or_default()
}

impl<S> Context<S> {
    /// Reports how far this attempt is: `done` of `total` steps (0 for an unknown number), and what
    /// it is doing. People see it in the dashboard, and programs in a
    /// [`JobReport`](naq_client::JobReport).
    ///
    /// Cheap: it returns at once. The newest progress is written in the background, at most once a
    /// second. The last progress before a failure is always written, unless the broker is away.
    ///
    /// ```
    /// # use naq_core::{Failure, Job};
    /// # use naq_worker::Context;
    /// # struct Import { rows: Vec<String> }
    /// async fn import(job: Import, cx: Context) -> Result<(), Failure> {
    ///     let total = job.rows.len() as u64;
    ///     for (done, row) in (1..).zip(&job.rows) {
    ///         // ... import the row ...
    ///         cx.progress(done, total, row);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn progress(&self, done: u64, total: u64, message: impl Into<String>) {
        let mut message = message.into();
        let fits = |end: &usize| message.is_char_boundary(*end);
        message.truncate((0..=Progress::MAX_MESSAGE).rev().find(fits).unwrap_or(0));
        let running = self.attempt_context();
        if let Some(job) = &running.encrypted {
            message = encrypted(job, &message);
        }
        let (attempt, at) = (self.attempt(), running.timer.now());
        let progress = Progress { done, total, message, attempt, at };
        running.held.saved.progress.report(
            progress,
            || Progress::key(&running.envelope),
            &running.runtime,
            running.client.transport(),
            &running.timer,
        );
    }
}
