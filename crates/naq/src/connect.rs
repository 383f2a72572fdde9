//! Connects to NATS and returns a client, in one call.

use std::sync::Arc;

use naq_client::Client;
use naq_core::seal::KeyRing;
use naq_core::sign::{SigningKey, TrustedKeys};
use naq_core::transport::TransportError;
use naq_nats::NatsTransport;

use crate::env::{self, Env, EnvError};

/// Why a client could not be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// An environment variable has an invalid value.
    #[error(transparent)]
    Env(#[from] EnvError),
    /// The broker cannot be reached or refuses the connection.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The thread of a blocking client cannot be started.
    #[error("cannot start the client's thread: {0}")]
    Thread(#[source] std::io::Error),
}

/// Connects to the broker at `url`, which may be several URLs separated by commas. All other settings
/// come from the environment, as for [`connect_from_env`].
///
/// # Errors
/// [`ConnectError`].
pub async fn connect(url: impl Into<String>) -> Result<Client, ConnectError> {
    open(&Env::process(), Some(url.into())).await
}

/// Connects with the settings in the `NAQ_*` variables. If none is set, it connects to
/// `nats://localhost:4222`.
///
/// | variable | meaning | default |
/// |---|---|---|
/// | `NAQ_NATS_URL` | the URL of the broker; several are separated by commas | `nats://localhost:4222` |
/// | `NAQ_NATS_USER`, `NAQ_NATS_PASSWORD` | user and password | none |
/// | `NAQ_NATS_TOKEN` | a token, instead of user and password | |
/// | `NAQ_NATS_NKEY` | a file with an nkey seed, instead of user and password | |
/// | `NAQ_NATS_JWT` | a file with a user JWT; its seed is in `NAQ_NATS_NKEY` | |
/// | `NAQ_NATS_CREDS` | a `.creds` file, instead of all of these | |
/// | `NAQ_NATS_TLS`, `NAQ_NATS_TLS_FIRST` | `true`: use TLS; start TLS before the broker sends its first message | `false` |
/// | `NAQ_NATS_CA`, `NAQ_NATS_CERT`, `NAQ_NATS_KEY` | PEM files: certificate authority; client certificate and its key, for mTLS | the system's authorities |
/// | `NAQ_NATS_INBOX_PREFIX` | the prefix of the subjects on which the broker replies | `_INBOX` |
/// | `NAQ_PREFIX` | the prefix of all NAQ subjects and streams | `naq` |
/// | `NAQ_REPLICAS` | replicas of each stream, if the client creates the first one; the choice is written down in the broker | 3 on a cluster, 1 on one server |
/// | `NAQ_STORAGE` | `file` or `memory`, for streams that the client creates | `file` |
/// | `NAQ_JOB_SERIALIZER` | `json` or `msgpack` | `json` |
/// | `NAQ_DEFAULT_QUEUE` | the queue of a job without a queue | `default` |
/// | `NAQ_SIGN_KEY` | a file with the key that signs jobs and schedules | none |
/// | `NAQ_TRUSTED_KEYS` | a file with the public keys that are trusted: `NAME KEY [QUEUE,...]` on each line | none |
/// | `NAQ_ENCRYPTION_KEYS`, or `NAQ_ENCRYPTION_KEYS_FILE` | the keys that encrypt and decrypt payloads, `ID=BASE64,...`; or a file with `ID BASE64` on each line. The first key encrypts | none |
/// | `NAQ_ENCRYPT_ERRORS` | `true`: a worker also encrypts the messages of errors, of jobs whose arguments are encrypted | `false` |
/// | `NAQ_LARGE_ARGS` | what happens to arguments that are too large for a message: `refuse` or `store` | `refuse` |
/// | `NAQ_COMPRESS` | `lz4`: large arguments, results and checkpoints are compressed; `none` | `none` |
/// | `NAQ_DEFAULT_RESULT_TTL` | how long the broker stores the record of a job without a TTL of its own; 0 for no record | `1h` |
///
/// # Errors
/// [`ConnectError`].
pub async fn connect_from_env() -> Result<Client, ConnectError> {
    open(&Env::process(), None).await
}

async fn open(env: &Env<'_>, url: Option<String>) -> Result<Client, ConnectError> {
    let mut config = env::config(env)?;
    if let Some(url) = url {
        config.url = url;
    }
    let codec = env.parsed("NAQ_JOB_SERIALIZER")?;
    let queue = env.parsed("NAQ_DEFAULT_QUEUE")?;
    let record_ttl = env.duration("NAQ_DEFAULT_RESULT_TTL")?;
    let large_args = env.parsed("NAQ_LARGE_ARGS")?;
    let compression = env.parsed("NAQ_COMPRESS")?;
    let encrypt_errors = env.flag("NAQ_ENCRYPT_ERRORS")?;
    let sign_key: Option<SigningKey> = env.file("NAQ_SIGN_KEY")?;
    let trusted_keys: Option<TrustedKeys> = env.file("NAQ_TRUSTED_KEYS")?;
    let ring: Option<KeyRing> = match env.parsed("NAQ_ENCRYPTION_KEYS")? {
        Some(ring) => Some(ring),
        None => env.file("NAQ_ENCRYPTION_KEYS_FILE")?,
    };
    let mut client = Client::new(Arc::new(NatsTransport::connect(config).await?));
    if let Some(codec) = codec {
        client = client.codec(codec);
    }
    if let Some(queue) = queue {
        client = client.default_queue(queue);
    }
    if let Some(key) = sign_key {
        client = client.sign_with(key);
    }
    if let Some(keys) = trusted_keys {
        client = client.trusted_keys(keys);
    }
    if let Some(ring) = ring {
        client = client.encrypt_with(ring);
    }
    if let Some(large_args) = large_args {
        client = client.large_args(large_args);
    }
    if let Some(compression) = compression {
        client = client.compress(compression);
    }
    client = client.encrypt_errors(encrypt_errors);
    if let Some(ttl) = record_ttl {
        client = client.default_record_ttl(ttl);
    }
    Ok(client)
}
