//! Encrypts and decrypts one value.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf;
use ring::hmac;

use super::key_ring::{Key, KeyRing};
use super::salt::{SALT, Salt};
use super::subject::{Owner, SealKind, Subject};
use crate::compress::{CompressError, block_of, text_of};
use crate::names::ScheduleName;
use crate::wire::{Codec, EncodeError, Envelope, Payload, SEALED, SEALED_COMPRESSED};

/// What the key of each value is derived for.
const PURPOSE: &[u8] = b"naq-seal-1";
/// A value could not be encrypted.
#[derive(Debug, thiserror::Error)]
#[error("cannot encrypt {what}: {reason}")]
pub struct SealError {
    what: &'static str,
    reason: String,
}

impl From<SealError> for EncodeError {
    fn from(err: SealError) -> Self {
        Self::Value { what: err.what.into(), codec: Codec::Json, reason: err.reason }
    }
}

/// A value could not be decrypted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no key of this id here.
    #[error("it is encrypted with the key {0}, which is not among the keys here")]
    UnknownKey(String),
    /// The value was changed, or belongs to another job, or the key has the same id and other bytes.
    #[error(
        "it cannot be decrypted with the key {0}: it was changed, or it belongs to another job"
    )]
    Broken(String),
    /// The value is compressed, and cannot be decompressed.
    #[error(transparent)]
    Compressed(#[from] CompressError),
}

impl KeyRing {
    /// Encrypts a value with the current key. A compressed value stays compressed.
    ///
    /// # Errors
    /// [`SealError`] if it is too large for the cipher.
    pub fn seal(
        &self,
        subject: &Subject<'_>,
        plain: &Payload,
        salt: Salt,
    ) -> Result<Payload, SealError> {
        seal(self.first(), subject, plain, salt)
    }

    /// Encrypts a value so that the same value of the same owner gives the same text, as the job of a
    /// schedule needs: it is compared when it is registered again.
    ///
    /// # Errors
    /// [`SealError`] if it is too large for the cipher.
    pub fn seal_again(&self, subject: &Subject<'_>, plain: &Payload) -> Result<Payload, SealError> {
        let key = self.first();
        let mut hmac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &key.secret));
        hmac.update(b"naq-salt-1");
        hmac.update(&subject.bytes(&key.id));
        // All bytes that are encrypted: two texts of one value must not share a salt.
        hmac.update(&plain_text(plain).ok_or_else(|| broken_block(subject))?);
        let mut salt = [0; SALT];
        salt.copy_from_slice(&hmac.sign().as_ref()[..SALT]);
        seal(key, subject, plain, Salt(salt))
    }

    /// Encrypts a value with the current key: what a worker stores of a job whose arguments are encrypted.
    /// The owner is that of the arguments.
    ///
    /// # Errors
    /// [`SealError`] if it is too large for the cipher.
    pub fn seal_of_job(
        &self,
        job: &Envelope,
        kind: SealKind,
        plain: &Payload,
    ) -> Result<Payload, SealError> {
        let owner = Owner::Job(&job.id);
        let subject = Subject { kind, queue: &job.queue, owner, task: &job.task };
        self.seal(&subject, plain, Salt::random())
    }

    /// Decrypts a value of this job. A value that is not encrypted is returned as it is.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_of_job(
        &self,
        job: &Envelope,
        kind: SealKind,
        sealed: &Payload,
    ) -> Result<Payload, OpenError> {
        let schedule = sealed.sealed_text().and_then(|text| text.schedule);
        let schedule = schedule.map(|name| {
            // A run of a schedule, not any other job.
            let of_run = job.id.as_str().strip_prefix(name).is_some_and(|it| it.starts_with('-'));
            ScheduleName::new(name).ok().filter(|_| of_run)
        });
        let owner = match &schedule {
            None => Owner::Job(&job.id),
            Some(Some(name)) => Owner::Schedule(name),
            Some(None) => {
                return Err(OpenError::Broken(sealed.encrypted_with().unwrap_or_default()));
            }
        };
        let subject = Subject { kind, queue: &job.queue, owner, task: &job.task };
        self.open(&subject, sealed)
    }

    /// Decrypts a value. A value that is not encrypted is returned as it is. A value that was compressed before is
    /// still [compressed](crate::compress).
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&self, subject: &Subject<'_>, sealed: &Payload) -> Result<Payload, OpenError> {
        let Some(text) = sealed.sealed_text() else { return Ok(sealed.clone()) };
        let id = text.key.to_owned();
        let Some(key) = self.find(&id) else { return Err(OpenError::UnknownKey(id)) };
        let broken = || OpenError::Broken(id.clone());
        let data = URL_SAFE_NO_PAD.decode(text.data).map_err(|_| broken())?;
        let (salt, rest) = data.split_first_chunk::<SALT>().ok_or_else(broken)?;
        let mut rest = rest.to_vec();
        let aad = Aad::from(subject.bytes(&id));
        let plain = value_key(key, salt).open_in_place(zero(), aad, &mut rest);
        let plain = plain.map_err(|_| broken())?;
        let (codec, bytes) = plain.split_first().ok_or_else(broken)?;
        let codec = match codec {
            b'j' => Codec::Json,
            b'm' => Codec::MsgPack,
            b'J' | b'M' => {
                return Payload::encode(sealed.codec(), &text_of(plain)).map_err(|_| broken());
            }
            _ => return Err(broken()),
        };
        Ok(Payload::from_raw(codec, bytes.to_vec().into()))
    }
}

/// What is encrypted of a value: its codec, and the value; or the bytes of a compressed value.
fn plain_text(plain: &Payload) -> Option<Vec<u8>> {
    if let Some(data) = plain.compressed_data() {
        return block_of(data);
    }
    let mut data = Vec::with_capacity(1 + plain.bytes().len() + 16);
    data.push(codec_byte(plain.codec()));
    data.extend_from_slice(plain.bytes());
    Some(data)
}

fn broken_block(subject: &Subject<'_>) -> SealError {
    SealError { what: subject.kind.as_str(), reason: CompressError::Broken.to_string() }
}

fn seal(
    key: &Key,
    subject: &Subject<'_>,
    plain: &Payload,
    salt: Salt,
) -> Result<Payload, SealError> {
    let fault = |reason: String| SealError { what: subject.kind.as_str(), reason };
    let mut data = plain_text(plain).ok_or_else(|| broken_block(subject))?;
    let aad = Aad::from(subject.bytes(&key.id));
    let sealed = value_key(key, &salt.0).seal_in_place_append_tag(zero(), aad, &mut data);
    sealed.map_err(|_| fault("it is too large".into()))?;
    let prefix = if plain.is_compressed() { SEALED_COMPRESSED } else { SEALED };
    let mut text = format!("{prefix}{}:", key.id);
    if let Owner::Schedule(name) = subject.owner {
        text.push_str(name.as_str());
        text.push(':');
    }
    let mut all = salt.0.to_vec();
    all.append(&mut data);
    URL_SAFE_NO_PAD.encode_string(all, &mut text);
    Payload::encode(plain.codec(), &text).map_err(|err| fault(err.to_string()))
}

fn codec_byte(codec: Codec) -> u8 {
    match codec {
        Codec::Json => b'j',
        Codec::MsgPack => b'm',
    }
}

/// The key of one value. No two values share one, so each may use the nonce 0.
fn value_key(key: &Key, salt: &[u8; SALT]) -> LessSafeKey {
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA256, salt).extract(&key.secret);
    let okm = prk.expand(&[PURPOSE], &CHACHA20_POLY1305);
    let okm = okm.unwrap_or_else(|_| unreachable!("32 bytes can be derived"));
    LessSafeKey::new(UnboundKey::from(okm))
}

fn zero() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}
