//! A client over NATS in one call.

use std::sync::Arc;

use naq_client::Client;
use naq_core::transport::TransportError;
use naq_nats::NatsTransport;

use crate::env::{self, Env, EnvError};

/// A client that could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// A variable of the environment has a value that it cannot have.
    #[error(transparent)]
    Env(#[from] EnvError),
    /// The broker cannot be reached, or refuses.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The thread of a blocking client cannot be started.
    #[error("cannot start the client's thread: {0}")]
    Thread(#[source] std::io::Error),
}

/// Connects to the broker at `url`, or several with commas between. All else comes from the
/// environment, as for [`connect_from_env`].
///
/// # Errors
/// [`ConnectError`].
pub async fn connect(url: impl Into<String>) -> Result<Client, ConnectError> {
    open(&Env::process(), Some(url.into())).await
}

/// Connects as the `NAQ_*` variables say; without any to `nats://localhost:4222`.
///
/// | variable | meaning | default |
/// |---|---|---|
/// | `NAQ_NATS_URL` | the broker, or several with commas between | `nats://localhost:4222` |
/// | `NAQ_NATS_USER`, `NAQ_NATS_PASSWORD` | who connects | nobody |
/// | `NAQ_NATS_TOKEN` | a token instead | |
/// | `NAQ_NATS_NKEY` | a file with an nkey seed instead | |
/// | `NAQ_NATS_JWT` | a file with a user JWT, for the seed in `NAQ_NATS_NKEY` | |
/// | `NAQ_NATS_CREDS` | a `.creds` file instead | |
/// | `NAQ_NATS_TLS`, `NAQ_NATS_TLS_FIRST` | `true`: encrypt; begin with TLS | `false` |
/// | `NAQ_NATS_CA`, `NAQ_NATS_CERT`, `NAQ_NATS_KEY` | PEM files: authority, mTLS | the system's |
/// | `NAQ_NATS_INBOX_PREFIX` | what the subjects of answers begin with | `_INBOX` |
/// | `NAQ_PREFIX` | what all subjects and streams begin with | `naq` |
/// | `NAQ_REPLICAS` | copies of each stream that is created | 1 |
/// | `NAQ_STORAGE` | `file` or `memory`, for streams that are created | `file` |
/// | `NAQ_JOB_SERIALIZER` | `json` or `msgpack` | `json` |
/// | `NAQ_DEFAULT_QUEUE` | the queue of jobs that name none | `default` |
/// | `NAQ_DEFAULT_RESULT_TTL` | how long records are kept of jobs that do not say; 0 for none | `1h` |
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
    let record_ttl = env.span("NAQ_DEFAULT_RESULT_TTL")?;
    let mut client = Client::new(Arc::new(NatsTransport::connect(config).await?));
    if let Some(codec) = codec {
        client = client.codec(codec);
    }
    if let Some(queue) = queue {
        client = client.default_queue(queue);
    }
    if let Some(ttl) = record_ttl {
        client = client.default_record_ttl(ttl);
    }
    Ok(client)
}
