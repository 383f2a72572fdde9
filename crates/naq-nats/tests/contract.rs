//! The transport over a real nats-server passes the contract suite.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use naq_conformance::{Subject, contract_suite, schedule};
use naq_core::clock::{Clock, Timer};
use naq_core::transport::{Lookup, Transport};
use naq_core::{QueueName, SystemClock};
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{NatsServer, shared_server, unique};

struct Nats {
    transport: NatsTransport,
    /// A server of its own, for tests that restart it.
    own: Option<Mutex<NatsServer>>,
}

async fn connect(url: &str) -> NatsTransport {
    let config = NatsConfig::new(url).prefix(unique("c"));
    NatsTransport::connect(config).await.expect("a transport")
}

async fn shared() -> Nats {
    Nats { transport: connect(&shared_server().url()).await, own: None }
}

#[async_trait]
impl Subject for Nats {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(self.transport.clone())
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }

    fn lease(&self) -> Duration {
        Duration::from_secs(1)
    }

    async fn pass(&self, span: Duration) {
        SystemClock.sleep_until(SystemClock.now() + span).await;
    }

    async fn restart(&self) -> bool {
        let Some(own) = &self.own else { return false };
        own.lock().expect("not poisoned").restart().expect("restarts");
        // The transport reconnects by itself.
        self.transport.queue_info(&QueueName::default()).await.expect("an answer");
        true
    }
}

contract_suite!(shared);

#[tokio::test]
async fn what_is_stored_survives_a_real_restart() {
    let server = NatsServer::start().expect("a server");
    let transport = connect(&server.url()).await;
    let subject = Nats { transport, own: Some(Mutex::new(server)) };
    schedule::stored_jobs_survive_a_restart_of_the_broker(&subject).await;
}
