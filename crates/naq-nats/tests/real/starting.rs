//! A broker that accepts connections before JetStream answers: it is starting, or its cluster has no
//! quorum.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use naq_core::transport::TransportError;
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::NatsServer;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::support::TIME_LIMIT;

/// How the broker answers one request.
#[derive(Debug, Clone)]
enum Answer {
    NoResponders,
    Body(String),
    /// It closes the connection.
    Closes,
}

fn refused(code: u64) -> Answer {
    let error = format!(r#"{{"code":503,"err_code":{code},"description":"not now"}}"#);
    Answer::Body(format!(r#"{{"error":{error}}}"#))
}

fn ready() -> Answer {
    Answer::Body(r#"{"api":{"level":5}}"#.into())
}

/// The answers that are left. The last one repeats.
type Answers = Arc<Mutex<VecDeque<Answer>>>;

fn next(answers: &Answers) -> Answer {
    let mut answers = answers.lock().expect("not poisoned");
    match answers.len() {
        1 => answers[0].clone(),
        _ => answers.pop_front().expect("an answer"),
    }
}

/// A broker that gives these answers to requests, one after the other. Returns its URL.
async fn fake_broker(answers: Vec<Answer>) -> (String, Answers) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let answers: Answers = Arc::new(Mutex::new(answers.into()));
    let left = answers.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // An error means that the client has closed the connection.
            tokio::spawn(serve(stream, port, left.clone()));
        }
    });
    (format!("nats://127.0.0.1:{port}"), answers)
}

async fn serve(stream: TcpStream, port: u16, answers: Answers) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let info = format!(
        r#"INFO {{"server_id":"A","server_name":"a","version":"2.15.1","proto":1,"go":"go1","host":"127.0.0.1","port":{port},"headers":true,"max_payload":1048576,"jetstream":true,"client_id":1}}"#
    );
    write.write_all(format!("{info}\r\n").as_bytes()).await?;
    let (mut sid, mut line) = (String::new(), String::new());
    loop {
        line.clear();
        if read.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["PING"] => write.write_all(b"PONG\r\n").await?,
            ["SUB", _, id] => sid = (*id).to_owned(),
            ["PUB" | "HPUB", _, inbox, .., size] => {
                let mut body = vec![0; size.parse::<usize>().unwrap_or(0) + 2];
                let inbox = (*inbox).to_owned();
                read.read_exact(&mut body).await?;
                let text = match next(&answers) {
                    Answer::Closes => return Ok(()),
                    Answer::NoResponders => {
                        format!("HMSG {inbox} {sid} 16 16\r\nNATS/1.0 503\r\n\r\n\r\n")
                    }
                    Answer::Body(body) => {
                        format!("MSG {inbox} {sid} {}\r\n{body}\r\n", body.len())
                    }
                };
                write.write_all(text.as_bytes()).await?;
            }
            _ => {}
        }
    }
}

fn patient(url: String) -> NatsConfig {
    let mut config = NatsConfig::new(url);
    config.wait_for_broker = true;
    config
}

#[tokio::test]
async fn a_client_that_waits_for_the_broker_waits_until_jetstream_answers() {
    let not_yet = [
        Answer::NoResponders,
        refused(10039),
        refused(10076),
        refused(10008),
        refused(10005),
        refused(10023),
        Answer::Closes,
    ];
    let asked = not_yet.len();
    let answers = not_yet.into_iter().chain([ready()]).collect();
    let (url, left) = fake_broker(answers).await;
    let connected = tokio::time::timeout(TIME_LIMIT, NatsTransport::connect(patient(url))).await;
    connected.expect("in time").expect("JetStream answers at last");
    assert_eq!(left.lock().expect("not poisoned").len(), 1, "it asked {asked} times before");
}

#[tokio::test]
async fn a_client_that_does_not_wait_says_why_jetstream_does_not_answer() {
    for (answer, says) in [
        (Answer::NoResponders, "recovering"),
        (refused(10039), "not enabled for this account"),
        (refused(10008), "no quorum"),
    ] {
        let (url, _) = fake_broker(vec![answer]).await;
        let error = NatsTransport::connect(NatsConfig::new(url)).await.expect_err("not ready");
        assert!(error.to_string().contains(says), "{says}: {error}");
    }
}

#[tokio::test]
async fn a_refusal_that_does_not_pass_is_not_waited_for() {
    let (url, _) = fake_broker(vec![refused(10003), ready()]).await;
    let error = NatsTransport::connect(patient(url)).await.expect_err("a final refusal");
    assert!(matches!(error, TransportError::Rejected { .. }), "{error:?}");
}

#[tokio::test]
async fn one_server_of_three_says_that_its_cluster_has_no_quorum() {
    let server = NatsServer::builder()
        .config("server_name: one\ncluster { name: c, listen: '127.0.0.1:-1', routes: ['nats://127.0.0.1:1', 'nats://127.0.0.1:2'] }")
        .start()
        .expect("a server");
    let error = NatsTransport::connect(NatsConfig::new(server.url())).await.expect_err("alone");
    assert!(matches!(error, TransportError::Unavailable { .. }), "{error:?}");
    assert!(error.to_string().contains("quorum"), "{error}");
}
