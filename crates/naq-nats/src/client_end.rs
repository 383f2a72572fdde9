//! [`ClientEnd`]: when the client of a connection has ended, for any reason.

use tokio::sync::oneshot;

/// In the event callback of a client: its drop is the end of the client.
#[derive(Debug)]
pub(crate) struct ClientLife {
    _ends: oneshot::Sender<()>,
}

/// Resolves when the client has ended.
#[derive(Debug)]
pub(crate) struct ClientEnd(oneshot::Receiver<()>);

impl ClientEnd {
    pub(crate) fn pair() -> (ClientLife, Self) {
        let (ends, end) = oneshot::channel();
        (ClientLife { _ends: ends }, Self(end))
    }

    pub(crate) async fn ended(self) {
        // Nothing is sent: the sender is dropped.
        let _ = self.0.await;
    }
}
