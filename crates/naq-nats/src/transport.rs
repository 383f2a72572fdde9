//! [`NatsTransport`]: all ports over one connection.

use std::sync::Arc;

use naq_core::transport::TransportError;
use naq_core::{Clock, SystemClock, Timer};

use crate::api::Api;
use crate::config::NatsConfig;
use crate::server::Unfit;
use crate::wait_log::WaitLog;
use crate::{connect, server};

/// NAQ over NATS JetStream. It is cheap to clone. All clones share one connection, which reconnects
/// by itself.
///
/// ```no_run
/// use std::sync::Arc;
/// use naq_client::Client;
/// use naq_nats::{NatsConfig, NatsTransport};
///
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let transport = NatsTransport::connect(NatsConfig::new("nats://localhost:4222")).await?;
/// let client = Client::new(Arc::new(transport));
/// client.enqueue_task("email.send", &serde_json::json!({"to": "a@example.com"}))?.await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct NatsTransport {
    pub(crate) api: Arc<Api>,
}

impl NatsTransport {
    /// Connects, and checks that the broker can run NAQ. Creates nothing yet.
    ///
    /// # Errors
    /// [`TransportError::Unreachable`], [`TransportError::Auth`], or
    /// [`TransportError::Unsupported`] with what to install or enable; and
    /// [`TransportError::Unavailable`] while the broker starts or has no quorum.
    pub async fn connect(config: NatsConfig) -> Result<Self, TransportError> {
        let api = Api::connect(config).await?;
        let mut tries = 1;
        let mut log = WaitLog::default();
        // A broker that has accepted the connection may still be starting, or too busy to answer.
        while let Err(Unfit { error, may_pass }) = server::check(&api).await {
            if !(api.config.wait_for_broker && may_pass) {
                return Err(error);
            }
            log.failed(&error, SystemClock.now());
            tries += 1;
            SystemClock.sleep_until(SystemClock.now() + connect::pause(tries)).await;
        }
        Ok(Self { api: Arc::new(api) })
    }

    /// The NATS client, for benchmarks that compare NAQ with plain NATS calls.
    #[doc(hidden)]
    pub fn client(&self) -> async_nats::Client {
        (**self.api.client()).clone()
    }

    /// Sends all buffered messages, such as the last acks. Call it before the process exits.
    ///
    /// # Errors
    /// [`TransportError`] when the broker cannot be reached.
    pub async fn flush(&self) -> Result<(), TransportError> {
        let time_limit = self.api.config.answer_timeout;
        match tokio::time::timeout(time_limit, self.api.client().flush()).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(self.api.unanswered_error("flush", time_limit)),
        }
    }
}
