//! [`Client::open_args`], [`OpenedArgs`], [`EncryptedJob`]: the payloads of a job whose arguments are encrypted or
//! compressed.

use std::borrow::Cow;

use naq_core::Failure;
use naq_core::compress::{CompressError, Compression, MAX_IN_MESSAGE};
use naq_core::seal::{KeyRing, OpenError, SealKind, key_of_text, shown_text};
use naq_core::transport::MAX_BLOB_BYTES;
use naq_core::wire::{Codec, EncodeError, Envelope, Payload};

use crate::Client;
use crate::saved::size::MAX_CHECKPOINT_BYTES;

/// Encrypts and decrypts what is stored of one job, whose arguments are encrypted.
#[derive(Debug, Clone)]
pub struct EncryptedJob {
    ring: KeyRing,
    compression: Compression,
    encrypts_errors: bool,
    job: Box<Envelope>,
}

/// The arguments of a job that are not stored as they are.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OpenedArgs {
    /// The arguments for the handler.
    pub plain: Payload,
    /// Encrypts the other values of the job. None if the arguments are only compressed.
    pub encrypted: Option<EncryptedJob>,
}

impl EncryptedJob {
    /// Encrypts a value of the job. Compresses it before, if the client does.
    ///
    /// # Errors
    /// [`EncodeError`] if it is too large for the cipher.
    pub fn seal(&self, kind: SealKind, plain: &Payload) -> Result<Payload, EncodeError> {
        Ok(self.ring.seal_of_job(&self.job, kind, &self.compression.apply(plain)?)?)
    }

    /// Decrypts a value of the job, and decompresses it. A value that is not encrypted is returned as it is.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&self, kind: SealKind, sealed: &Payload) -> Result<Payload, OpenError> {
        let opened = self.ring.open_of_job(&self.job, kind, sealed)?;
        Ok(decompressed(&self.job, kind, &opened)?)
    }
}

/// The most bytes in JSON of an encrypted message in the history: as text it has less than
/// [`MAX_MESSAGE_BYTES`](naq_core::wire::MAX_MESSAGE_BYTES), and is not cut.
const MAX_IN_HISTORY: usize = 6000;
/// The same in the header of a dead letter, which has room for 1 KiB.
const MAX_IN_HEADER: usize = 640;

impl EncryptedJob {
    /// The failure as it is stored: with its message encrypted, if the client does that.
    ///
    /// # Errors
    /// [`EncodeError`] if the message cannot be encrypted.
    pub fn seal_failure(&self, failure: Failure) -> Result<Failure, EncodeError> {
        if !self.encrypts_errors {
            return Ok(failure);
        }
        let seal = |max| {
            let plain = Payload::encode(Codec::Json, clip(failure.message(), max))?;
            let sealed = self.seal(SealKind::Error, &plain)?;
            // The text of an encrypted value has no escapes.
            let text = String::from_utf8_lossy(sealed.bytes());
            Ok::<_, EncodeError>(text.trim_matches('"').to_owned())
        };
        let (of_history, of_letter) = (seal(MAX_IN_HISTORY)?, seal(MAX_IN_HEADER)?);
        Ok(failure.stored_as(of_history, of_letter))
    }

    /// The message of an error, decrypted. A message that cannot be decrypted becomes the sentence that says which key
    /// it needs.
    pub fn open_message<'a>(&self, message: &'a str) -> Cow<'a, str> {
        open_message(&self.ring, &self.job, message)
    }
}

/// The longest beginning of the text that has at most `max` bytes in JSON.
fn clip(text: &str, max: usize) -> &str {
    let mut bytes = 2;
    let end = text.char_indices().find(|(_, c)| {
        bytes += match c {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            c if c.is_ascii_control() => 6,
            c => c.len_utf8(),
        };
        bytes > max
    });
    end.map_or(text, |(end, _)| &text[..end])
}

/// The message of an error of this job, decrypted as [`EncryptedJob::open_message`] does it.
pub(crate) fn open_message<'a>(ring: &KeyRing, job: &Envelope, message: &'a str) -> Cow<'a, str> {
    if key_of_text(message).is_none() {
        return Cow::Borrowed(message);
    }
    let sealed = Payload::from_raw(Codec::Json, format!("\"{message}\"").into());
    let opened = ring.open_of_job(job, SealKind::Error, &sealed).ok();
    let plain = opened.and_then(|opened| decompressed(job, SealKind::Error, &opened).ok());
    match plain.and_then(|plain| plain.decode().ok()) {
        Some(text) => Cow::Owned(text),
        None => shown_text(message),
    }
}

impl Client {
    /// The arguments of a job, decrypted and decompressed, and what encrypts the other values of the job. None if
    /// the arguments are neither encrypted nor compressed.
    ///
    /// # Errors
    /// [`OpenError`] if they cannot be decrypted or decompressed.
    pub fn open_args(&self, job: &Envelope) -> Result<Option<OpenedArgs>, OpenError> {
        let Some(key) = job.args.encrypted_with() else {
            if !job.args.is_compressed() {
                return Ok(None);
            }
            let plain = decompressed(job, SealKind::Args, &job.args)?;
            return Ok(Some(OpenedArgs { plain, encrypted: None }));
        };
        let Some(ring) = &self.key_ring else { return Err(OpenError::UnknownKey(key)) };
        let opened = ring.open_of_job(job, SealKind::Args, &job.args)?;
        let plain = decompressed(job, SealKind::Args, &opened)?;
        let mut of_job = Box::new(job.clone());
        of_job.args = Payload::null(job.codec);
        of_job.history.clear();
        let encrypted = EncryptedJob {
            ring: ring.clone(),
            compression: self.compression,
            encrypts_errors: self.encrypts_errors,
            job: of_job,
        };
        Ok(Some(OpenedArgs { plain, encrypted: Some(encrypted) }))
    }

    /// The value as this client stores it: compressed, if the client does that and the value is large.
    ///
    /// # Errors
    /// [`EncodeError`] if it cannot be written.
    pub fn compressed(&self, plain: &Payload) -> Result<Payload, EncodeError> {
        self.compression.apply(plain)
    }
}

/// The plain value of a job. A value that says it is larger than such a value may be is refused before it takes memory.
pub(crate) fn decompressed(
    job: &Envelope,
    kind: SealKind,
    value: &Payload,
) -> Result<Payload, CompressError> {
    value.decompressed(match kind {
        SealKind::Args => job.max_plain_args(),
        SealKind::Result => MAX_BLOB_BYTES,
        SealKind::Checkpoint => MAX_CHECKPOINT_BYTES,
        _ => MAX_IN_MESSAGE,
    })
}
