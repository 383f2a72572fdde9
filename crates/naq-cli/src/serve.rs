//! [`serve`]: an HTTP server with limits, so that neither many open connections nor slow ones block
//! the server for other clients.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::serve::Listener;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;

/// The limits of a server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ServerBounds {
    /// Connections at once, live streams included. Further ones wait.
    pub(crate) connections: usize,
    /// How long a client may take to send the head of a request, counted from the previous answer.
    pub(crate) head: Duration,
}

impl Default for ServerBounds {
    fn default() -> Self {
        Self { connections: 1_024, head: Duration::from_secs(10) }
    }
}

/// The open connections on which no whole request has arrived yet, the oldest first. Some may have ended.
#[derive(Debug, Default)]
struct Unasked(VecDeque<(Arc<AtomicBool>, AbortHandle)>);

impl Unasked {
    fn add(&mut self, asked: Arc<AtomicBool>, task: AbortHandle) {
        if self.0.len() == self.0.capacity() {
            self.0.retain(|(asked, task)| !task.is_finished() && !asked.load(Ordering::Relaxed));
        }
        self.0.push_back((asked, task));
    }

    /// Closes the oldest of them, so that clients that send no request cannot keep others out.
    fn close_oldest(&mut self) {
        while let Some((asked, task)) = self.0.pop_front() {
            if !task.is_finished() && !asked.load(Ordering::Relaxed) {
                task.abort();
                return;
            }
        }
    }
}

/// Serves until `stop`, and then until all running answers are sent.
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
    let mut unasked = Unasked::default();
    loop {
        let next = async {
            // `accept` waits by itself when the process has no free file descriptor.
            let accepted = Listener::accept(&mut listener).await;
            if places.available_permits() == 0 {
                unasked.close_oldest();
            }
            (places.clone().acquire_owned().await, accepted)
        };
        let (place, (stream, peer)) = tokio::select! {
            biased;
            () = &mut stop => break,
            next = next => next,
        };
        let asked = Arc::new(AtomicBool::new(false));
        let routes = TowerToHyperService::new(routes.clone());
        let service = {
            let asked = asked.clone();
            service_fn(move |mut request: Request<Incoming>| {
                asked.store(true, Ordering::Relaxed);
                request.extensions_mut().insert(ConnectInfo(peer));
                routes.call(request)
            })
        };
        let connection = open.watch(http.serve_connection(TokioIo::new(stream), service));
        let task = tokio::spawn(async move {
            // An error means that the client has closed the connection.
            let _ = connection.await;
            drop(place);
        });
        unasked.add(asked, task.abort_handle());
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

    /// Everything that the server sends until it closes the connection.
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
    async fn a_client_that_never_finishes_its_request_is_disconnected_and_frees_its_place() {
        let bounds = ServerBounds { connections: 1, head: Duration::from_millis(300) };
        let address = start(bounds, std::future::pending()).await;
        let slow = connect(address, "GET / HTTP/1.1\r\nHost: local").await;
        let silent = connect(address, "").await;
        let answer = rest(connect(address, WHOLE).await).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"), "{answer}");
        // The limit is one connection, so both earlier ones must be closed by now.
        for gone in [slow, silent] {
            let mut byte = [0];
            match gone.try_read(&mut byte) {
                Err(err) if err.kind() == ErrorKind::WouldBlock => panic!("still open"),
                _ => {}
            }
        }
    }

    #[tokio::test]
    async fn clients_that_send_no_request_do_not_keep_others_out() {
        let bounds = ServerBounds { connections: 4, head: 10 * SOON };
        let address = start(bounds, std::future::pending()).await;
        let mut silent = Vec::new();
        for _ in 0..20 {
            silent.push(connect(address, "GET / HTTP/1.1\r\n").await);
        }
        let answer = rest(connect(address, WHOLE).await).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    #[tokio::test]
    async fn at_stop_it_closes_idle_connections_and_ends() {
        let (end, ends) = oneshot::channel();
        let address = start(ServerBounds::default(), async { drop(ends.await) }).await;
        let mut idle = connect(address, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        let mut seen = [0; 12];
        idle.read_exact(&mut seen).await.expect("an answer");
        assert_eq!(&seen, b"HTTP/1.1 200");
        end.send(()).expect("the server waits for it");
        rest(idle).await;
    }
}
