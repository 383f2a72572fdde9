use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use naq_testing::{ChildProcess, NatsConnection, NatsServer, eventually, shared_server, unique};

fn ping(server: &NatsServer) -> std::io::Result<String> {
    NatsConnection::connect(&server.address(), r#""name":"t""#)?.ping()
}

fn create_stream(server: &NatsServer) -> String {
    let mut connection = NatsConnection::connect(&server.address(), r#""name":"t""#).unwrap();
    connection
        .request("$JS.API.STREAM.CREATE.KEPT", r#"{"name":"KEPT","subjects":["kept"]}"#)
        .unwrap()
}

fn stream_info(server: &NatsServer) -> String {
    let mut connection = NatsConnection::connect(&server.address(), r#""name":"t""#).unwrap();
    connection.request("$JS.API.STREAM.INFO.KEPT", "").unwrap()
}

#[test]
fn a_server_listens_on_loopback_only_and_is_new_enough() {
    let server = NatsServer::start().unwrap();
    let connection = NatsConnection::connect(&server.address(), r#""name":"t""#).unwrap();
    assert!(connection.info().contains(r#""host":"127.0.0.1""#), "{}", connection.info());
    assert!(connection.info().contains(r#""jetstream":true"#), "{}", connection.info());
    assert_eq!(server.url(), format!("nats://127.0.0.1:{}", server.port()));
}

#[test]
fn a_killed_server_comes_back_on_its_port_with_its_store() {
    let mut server = NatsServer::start().unwrap();
    let created = create_stream(&server);
    assert!(created.contains(r#""messages":0"#), "{created}");
    let mut connection = NatsConnection::connect(&server.address(), r#""name":"t""#).unwrap();
    let stored = connection.request("kept", "hello").unwrap();
    assert!(stored.contains(r#""seq":1"#), "{stored}");

    let port = server.port();
    let pid = server.pid();
    server.kill().unwrap();
    assert!(ping(&server).is_err(), "a killed server must not reply");
    server.restart().unwrap();

    assert_eq!(server.port(), port);
    assert_ne!(server.pid(), pid);
    let info = stream_info(&server);
    assert!(info.contains(r#""messages":1"#), "{info}");
}

#[test]
fn a_stopped_server_shuts_down_and_can_be_restarted() {
    let mut server = NatsServer::start().unwrap();
    server.stop().unwrap();
    let log = std::fs::read_to_string(server.log_path()).unwrap();
    assert!(log.contains("Server Exiting"), "{log}");
    server.restart().unwrap();
    assert_eq!(ping(&server).unwrap(), "PONG");
}

#[test]
fn a_paused_server_keeps_its_connections_and_replies_when_resumed() {
    let mut server = NatsServer::start().unwrap();
    let mut connection = NatsConnection::connect(&server.address(), r#""name":"t""#).unwrap();
    assert_eq!(connection.ping().unwrap(), "PONG");
    server.pause().unwrap();
    assert!(connection.ping().is_err(), "a paused server must not reply");
    server.resume().unwrap();
    assert_eq!(connection.line().unwrap(), "PONG");
}

#[test]
fn settings_files_and_limits_reach_the_server() {
    let server = NatsServer::builder()
        .file("auth.conf", "authorization { token: s3cr3t }")
        .config("include auth.conf")
        .max_payload(2048)
        .sync_interval("always")
        .start()
        .unwrap();
    let mut refused =
        NatsConnection::connect(&server.address(), r#""auth_token":"wrong""#).unwrap();
    assert!(refused.line().unwrap().contains("Authorization Violation"));
    let mut connection =
        NatsConnection::connect(&server.address(), r#""auth_token":"s3cr3t""#).unwrap();
    assert!(connection.info().contains(r#""max_payload":2048"#), "{}", connection.info());
    assert_eq!(connection.ping().unwrap(), "PONG");
}

#[test]
fn a_server_that_cannot_start_reports_why() {
    let error = NatsServer::builder().config("no_such_setting: 1").start().unwrap_err().to_string();
    assert!(error.contains("no_such_setting"), "{error}");
}

#[test]
fn a_dropped_server_ends_and_its_files_are_removed() {
    let server = NatsServer::start().unwrap();
    let address = server.address();
    let log = server.log_path();
    drop(server);
    assert!(TcpStream::connect(address).is_err(), "the server must end when its value is dropped");
    assert!(!log.exists(), "{} must be removed", log.display());
}

#[test]
fn all_callers_share_one_server_and_unique_names_differ() {
    let first = std::thread::spawn(shared_server);
    assert_eq!(first.join().unwrap().pid(), shared_server().pid());
    assert_ne!(unique("queue"), unique("queue"));
}

/// This test starts itself as a second process, which starts a server and is then killed.
#[tokio::test]
async fn a_server_does_not_outlive_a_process_that_is_killed() {
    const SOON: Duration = Duration::from_secs(10);
    if std::env::var_os("NAQ_TESTING_PARENT").is_some() {
        let server = NatsServer::start().unwrap();
        println!("started {} {} .", server.address(), server.log_path().display());
        return std::future::pending().await;
    }
    let mut parent = Command::new(std::env::current_exe().unwrap());
    parent.args([
        "--exact",
        "server::a_server_does_not_outlive_a_process_that_is_killed",
        "--nocapture",
    ]);
    parent.env("NAQ_TESTING_PARENT", "1");
    let mut parent = ChildProcess::spawn(parent).unwrap();
    parent.wait_for_output(" .", SOON).await.unwrap();

    let output = parent.stdout();
    let mut words = output.split_once("started ").unwrap().1.split(' ');
    let address = words.next().unwrap();
    let log = Path::new(words.next().unwrap());
    assert!(TcpStream::connect(address).is_ok() && log.exists());
    parent.kill().unwrap();
    eventually("the server to end", SOON, async || TcpStream::connect(address).is_err()).await;
    eventually("its files to be removed", SOON, async || !log.exists()).await;
}
