//! [`NatsTransport`]: all ports over one connection.

use std::sync::Arc;

use naq_core::transport::TransportError;

use crate::api::Api;
use crate::config::NatsConfig;
use crate::server;

/// NAQ over NATS JetStream. Cheap to clone; clones share the connection, which heals itself.
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
    /// [`TransportError::Unreachable`], [`TransportError::Auth`], or [`TransportError::Unsupported`]
    /// with what to install or enable.
    pub async fn connect(config: NatsConfig) -> Result<Self, TransportError> {
        let api = Api::connect(config).await?;
        server::check(&api).await?;
        Ok(Self { api: Arc::new(api) })
    }

    /// The connection underneath, for `naq bench`, which does by hand what NAQ does.
    #[doc(hidden)]
    pub fn client(&self) -> &async_nats::Client {
        self.api.client()
    }

    /// Sends what is still in this process, such as the last acks. Call it before exiting.
    ///
    /// # Errors
    /// [`TransportError`] when the broker cannot be reached.
    pub async fn flush(&self) -> Result<(), TransportError> {
        let patience = self.api.config.answer_timeout;
        match tokio::time::timeout(patience, self.api.client().flush()).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(self.api.unanswered("flush", patience)),
        }
    }
}
