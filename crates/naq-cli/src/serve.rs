//! [`serve`]: HTTP for whoever connects, within limits: neither a thousand open connections nor one
//! that never says what it wants takes the server from the others.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// What a server bears.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerBounds {
    /// Connections at once, live streams among them; further ones wait.
    pub(crate) connections: usize,
    /// How long the head of a request may take, the time since the last answer included.
    pub(crate) head: Duration,
}

impl Default for ServerBounds {
    fn default() -> Self {
        Self { connections: 1_024, head: Duration::from_secs(10) }
    }
}

/// Serves until `stop`, and then until the answers that are under way are given.
pub(crate) async fn serve(
    mut listener: TcpListener,
    routes: Router,
    bounds: ServerBounds,
    stop: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(bounds.connections));
    let open = GracefulShutdown::new();
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(bounds.head);
    let mut stop = std::pin::pin!(stop);
    loop {
        let next = async {
            let place = places.clone().acquire_owned().await;
            // Waits by itself where the process has no file left for another connection.
            (place, Listener::accept(&mut listener).await.0)
        };
        let (place, stream) = tokio::select! {
            biased;
            () = &mut stop => break,
            next = next => next,
        };
        let service = TowerToHyperService::new(routes.clone());
        let connection = open.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            // Whoever broke it off knows.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    open.shutdown().await;
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::SocketAddr;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::oneshot;

    use super::*;

    const SOON: Duration = Duration::from_secs(30);

    async fn start(
        bounds: ServerBounds,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let routes = Router::new().route("/", get(async || "here"));
        tokio::spawn(serve(listener, routes, bounds, stop));
        address
    }

    async fn connect(address: SocketAddr, says: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(says.as_bytes()).await.expect("sent");
        stream
    }

    /// All that comes until the other side closes.
    async fn rest(mut stream: TcpStream) -> String {
        let mut answer = Vec::new();
        let read = tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await;
        match read.expect("closed in time") {
            Err(err) if err.kind() != ErrorKind::ConnectionReset => panic!("{err}"),
            _ => String::from_utf8(answer).expect("text"),
        }
    }

    const WHOLE: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

    #[tokio::test]
    async fn who_never_ends_the_head_of_a_request_is_shown_out_and_makes_room() {
        let bounds = ServerBounds { connections: 1, head: Duration::from_millis(300) };
        let address = start(bounds, std::future::pending()).await;
        let slow = connect(address, "GET / HTTP/1.1\r\nHost: local").await;
        let silent = connect(address, "").await;
        let answer = rest(connect(address, WHOLE).await).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"), "{answer}");
        // There is but one place: both who came before have left it.
        for gone in [slow, silent] {
            let mut byte = [0];
            match gone.try_read(&mut byte) {
                Err(err) if err.kind() == ErrorKind::WouldBlock => panic!("it is still open"),
                _ => {}
            }
        }
    }

    #[tokio::test]
    async fn it_ends_when_told_to_and_closes_what_is_idle() {
        let (end, ends) = oneshot::channel();
        let address = start(ServerBounds::default(), async { drop(ends.await) }).await;
        let mut kept = connect(address, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        let mut seen = [0; 12];
        kept.read_exact(&mut seen).await.expect("an answer");
        assert_eq!(&seen, b"HTTP/1.1 200");
        end.send(()).expect("it listens");
        rest(kept).await;
    }
}
