//! What the broker refuses for a moment, and what it refuses for good. A plain subscriber answers in
//! the broker's stead.

use std::time::Duration;

use futures_util::StreamExt;
use naq_core::transport::{Producer, Receipt, TransportError};
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::NatsServer;
use tokio::sync::mpsc;

use crate::support::job;

/// The answer of a broker that refuses a message with this code.
fn refusal(code: u64) -> String {
    format!(r#"{{"error":{{"code":400,"err_code":{code},"description":"refused"}}}}"#)
}

fn stored(seq: u64) -> String {
    format!(r#"{{"stream":"S","seq":{seq}}}"#)
}

fn duplicate(seq: u64) -> String {
    format!(r#"{{"stream":"S","seq":{seq},"duplicate":true}}"#)
}

/// A transport whose jobs for the default queue get these answers, one after the other. The last
/// one repeats.
async fn answered_by(server: &NatsServer, answers: Vec<String>) -> NatsTransport {
    answered_and_seen(server, answers).await.0
}

/// Like [`answered_by`]. The second value receives, for each request, whether it says that the job is
/// sent again.
async fn answered_and_seen(
    server: &NatsServer,
    answers: Vec<String>,
) -> (NatsTransport, mpsc::UnboundedReceiver<bool>) {
    let (seen, requests_seen) = mpsc::unbounded_channel();
    let prefix = naq_testing::unique("t");
    let broker = async_nats::connect(server.url()).await.expect("connects");
    let mut requests = broker.subscribe(format!("{prefix}.q.>")).await.expect("subscribes");
    // A flush does not wait for the broker. An answer on the same connection shows that it knows the subscription.
    broker.publish(format!("{prefix}.q.ready"), "".into()).await.expect("sent");
    requests.next().await.expect("an answer");
    tokio::spawn(async move {
        let mut answers = answers.into_iter().peekable();
        while let Some(request) = requests.next().await {
            let suspect = request.headers.as_ref().and_then(|all| all.get("Naq-Suspect"));
            let _ = seen.send(suspect.is_some());
            let Some(answer) = answers.peek().cloned() else { break };
            if answers.len() > 1 {
                answers.next();
            }
            if let Some(reply) = request.reply {
                broker.publish(reply, answer.into()).await.expect("answers");
            }
        }
    });
    let mut config = NatsConfig::new(server.url()).prefix(prefix);
    config.request_timeout = Duration::from_secs(2);
    (NatsTransport::connect(config).await.expect("a transport"), requests_seen)
}

#[tokio::test]
async fn an_enqueue_goes_on_after_refusals_that_pass_by_themselves() {
    let server = NatsServer::start().expect("a server");
    for code in [10158, 10164, 10005, 10008, 10023, 10039, 10076] {
        let transport =
            answered_by(&server, vec![refusal(code), refusal(code), stored(7), refusal(10003)])
                .await;
        let receipt = transport.publish(job("a", None)).await;
        assert!(matches!(receipt, Ok(Receipt::Stored(7))), "{code}: {receipt:?}");
    }
}

#[tokio::test]
async fn many_jobs_go_on_after_refusals_that_pass_by_themselves() {
    let server = NatsServer::start().expect("a server");
    let answers = vec![stored(1), refusal(10158), refusal(10023), stored(2)];
    let transport = answered_by(&server, answers).await;
    let receipts =
        transport.publish_many(["a", "b", "c"].map(|id| job(id, None)).into_iter().collect()).await;
    assert!(receipts.iter().all(|r| matches!(r, Ok(Receipt::Stored(_)))), "{receipts:?}");
}

#[tokio::test]
async fn a_broker_that_keeps_refusing_for_a_moment_is_unavailable_and_the_enqueue_may_be_repeated()
{
    let server = NatsServer::start().expect("a server");
    let transport = answered_by(&server, vec![refusal(10158)]).await;
    let error = transport.publish(job("a", None)).await.expect_err("no quorum");
    assert!(matches!(error, TransportError::Unavailable { .. }), "{error:?}");
    assert!(error.is_transient());
    assert!(error.to_string().contains("10158"), "{error}");
}

#[tokio::test]
async fn a_final_refusal_is_not_repeated() {
    let server = NatsServer::start().expect("a server");
    let transport = answered_by(&server, vec![refusal(10054), stored(7)]).await;
    let error = transport.publish(job("a", None)).await.expect_err("too large");
    assert!(matches!(error, TransportError::Rejected { .. }), "{error:?}");
    assert!(!error.is_transient());
}

#[tokio::test]
async fn a_message_in_the_way_is_not_taken_for_the_own_one() {
    let server = NatsServer::start().expect("a server");
    let transport = answered_by(&server, vec![refusal(10158), duplicate(3)]).await;
    let receipt = transport.publish(job("a", None)).await;
    assert!(matches!(receipt, Ok(Receipt::Duplicate)), "{receipt:?}");
    // After this refusal the broker may have stored the message.
    let transport = answered_by(&server, vec![refusal(10077), duplicate(3)]).await;
    let receipt = transport.publish(job("a", None)).await;
    assert!(matches!(receipt, Ok(Receipt::Stored(3))), "{receipt:?}");
}

#[tokio::test]
async fn a_job_that_is_sent_again_says_so_if_the_first_request_may_have_stored_it() {
    let server = NatsServer::start().expect("a server");
    for (code, says_so) in [(10077, true), (10158, false)] {
        let answers = vec![refusal(code), stored(2)];
        let (transport, mut seen) = answered_and_seen(&server, answers).await;
        transport.publish(job("a", None)).await.expect("enqueues");
        let seen = [seen.recv().await, seen.recv().await];
        assert_eq!(seen, [Some(false), Some(says_so)], "{code}");
    }
    let answers = vec![stored(1), refusal(10077), stored(2)];
    let (transport, mut seen) = answered_and_seen(&server, answers).await;
    let many = transport.publish_many(vec![job("a", None), job("b", None)]).await;
    assert!(many.iter().all(Result::is_ok), "{many:?}");
    let seen = [seen.recv().await, seen.recv().await, seen.recv().await];
    assert_eq!(seen, [Some(false), Some(false), Some(true)]);
}
