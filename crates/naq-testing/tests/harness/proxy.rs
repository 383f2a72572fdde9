use std::time::Duration;

use naq_testing::{ChaosProxy, Direction, shared_server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const SHORT: Duration = Duration::from_millis(150);
const SOON: Duration = Duration::from_secs(10);

/// A client and a server with the proxy between them.
async fn connect() -> (ChaosProxy, TcpListener, TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = ChaosProxy::start(listener.local_addr().unwrap().to_string()).await.unwrap();
    let client = TcpStream::connect(proxy.address()).await.unwrap();
    let (server, _) = timeout(SOON, listener.accept()).await.unwrap().unwrap();
    (proxy, listener, client, server)
}

async fn arrives(from: &mut TcpStream, to: &mut TcpStream, text: &str) -> bool {
    from.write_all(text.as_bytes()).await.unwrap();
    receives(to, text, SHORT).await
}

async fn receives(to: &mut TcpStream, text: &str, within: Duration) -> bool {
    let mut got = vec![0; text.len()];
    let read = timeout(within, to.read_exact(&mut got)).await;
    read.is_ok_and(|read| read.is_ok()) && got == text.as_bytes()
}

/// Waits until the other side has closed or reset it.
async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    timeout(SOON, stream.read_to_end(&mut rest)).await.is_ok_and(|_| rest.is_empty())
}

#[tokio::test]
async fn a_proxy_without_faults_forwards_both_ways_and_forwards_the_close() {
    let (_proxy, _listener, mut client, mut server) = connect().await;
    assert!(arrives(&mut client, &mut server, "question").await);
    assert!(arrives(&mut server, &mut client, "answer").await);
    server.write_all(b"bye").await.unwrap();
    drop(server);
    assert!(receives(&mut client, "bye", SOON).await, "an orderly close loses nothing");
    assert!(is_closed(&mut client).await);
}

#[tokio::test]
async fn a_cut_closes_open_connections_and_accepts_new_ones() {
    let (proxy, listener, mut client, mut server) = connect().await;
    proxy.cut();
    assert!(is_closed(&mut client).await && is_closed(&mut server).await);
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    let (mut server, _) = timeout(SOON, listener.accept()).await.unwrap().unwrap();
    assert!(arrives(&mut client, &mut server, "again").await);
}

#[tokio::test]
async fn a_refusing_proxy_keeps_open_connections() {
    let (proxy, listener, mut client, mut server) = connect().await;
    proxy.refuse();
    let mut refused = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(is_closed(&mut refused).await);
    assert!(arrives(&mut client, &mut server, "still here").await);
    proxy.heal();
    let _client = TcpStream::connect(proxy.address()).await.unwrap();
    timeout(SOON, listener.accept()).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stall_stops_one_direction_until_heal() {
    let (proxy, _listener, mut client, mut server) = connect().await;
    proxy.stall(Direction::ToClient);
    assert!(arrives(&mut client, &mut server, "publish").await);
    assert!(!arrives(&mut server, &mut client, "ack").await);
    proxy.heal();
    assert!(receives(&mut client, "ack", SOON).await);

    proxy.stall(Direction::ToServer);
    assert!(arrives(&mut server, &mut client, "message").await);
    assert!(!arrives(&mut client, &mut server, "ack").await);
}

#[tokio::test]
async fn a_cut_loses_stalled_data() {
    let (proxy, listener, mut client, mut server) = connect().await;
    proxy.stall(Direction::ToClient);
    assert!(!arrives(&mut server, &mut client, "lost ack").await);
    proxy.cut();
    proxy.heal();
    assert!(is_closed(&mut client).await, "stalled data must not arrive");
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    let (mut server, _) = timeout(SOON, listener.accept()).await.unwrap().unwrap();
    assert!(arrives(&mut server, &mut client, "fresh").await);
}

#[tokio::test]
async fn a_delay_slows_both_directions() {
    let (proxy, _listener, mut client, mut server) = connect().await;
    proxy.delay(SHORT * 2);
    assert!(!arrives(&mut client, &mut server, "slow").await, "must not arrive in half the delay");
    assert!(receives(&mut server, "slow", SOON).await);
}

#[tokio::test]
async fn a_dropped_proxy_closes_its_connections() {
    let (proxy, _listener, mut client, _server) = connect().await;
    drop(proxy);
    assert!(is_closed(&mut client).await);
}

#[tokio::test]
async fn a_client_reaches_a_real_server_through_the_proxy() {
    let proxy = ChaosProxy::start(shared_server().address()).await.unwrap();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(receives(&mut client, "INFO {", SOON).await);
    assert!(proxy.url().ends_with(proxy.address()));
}
