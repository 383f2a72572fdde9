//! [`Gateway`]: the HTTP interface of one client, as an axum router.

use axum::Router;
use naq_client::Client;

use crate::app::App;
use crate::guard;
use crate::keys::ApiKeys;
use crate::options::Options;
use crate::routes;

/// The HTTP interface of a client. Cheap to clone; clones are one gateway.
#[derive(Debug, Clone)]
pub struct Gateway {
    app: App,
}

impl Gateway {
    /// A gateway over this client. It signs and encrypts jobs if the client does.
    ///
    /// Without [keys](Self::with_keys), every caller that reaches the gateway may do everything. It then answers
    /// only to the host names of this machine, and not to web pages.
    pub fn new(client: Client, options: Options) -> Self {
        Self { app: App::new(client, options) }
    }

    /// Answers only to callers with one of these keys.
    #[must_use]
    pub fn with_keys(self, keys: ApiKeys) -> Self {
        self.set_keys(keys);
        self
    }

    /// Replaces the keys, for every request from now on. An empty list lets no caller in.
    pub fn set_keys(&self, keys: ApiKeys) {
        self.app.set_keys(keys);
    }

    /// All calls, below `/v1`.
    ///
    /// ```no_run
    /// # fn f(client: naq_client::Client, own: axum::Router, keys: naq_gateway::ApiKeys) -> axum::Router {
    /// use naq_gateway::{Gateway, Options};
    ///
    /// let gateway = Gateway::new(client, Options::default()).with_keys(keys);
    /// own.nest("/naq", gateway.router())
    /// # }
    /// ```
    pub fn router(&self) -> Router {
        routes::router(&self.app)
    }

    /// Puts the gateway's guards around routes of your own, such as `/metrics`: only callers that may
    /// operate get in. `/healthz` and `/readyz` need no key.
    pub fn guard(&self, routes: Router) -> Router {
        guard::around(routes, &self.app)
    }

    /// Ends all waits for jobs, each with the state that the job has now. Call it when the server stops, so
    /// that no caller holds it up.
    pub fn drain(&self) {
        self.app.drain();
    }

    /// Whether the gateway is connected to the broker.
    pub fn is_connected(&self) -> bool {
        self.app.client.transport().is_connected()
    }

    /// Whether this process can work, or will reconnect to the broker by itself.
    pub fn is_alive(&self) -> bool {
        self.app.client.transport().is_alive()
    }
}
