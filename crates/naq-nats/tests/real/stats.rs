//! Statistics: unreadable messages, and a stream that was created again.

use naq_core::stats::{Minute, StatsReport};
use naq_core::transport::StatsStore;
use naq_core::{Timestamp, WorkerId};
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::shared_server;

fn report(worker: &str) -> StatsReport {
    let now = Timestamp::from_millis(1_800_000_000_000);
    StatsReport {
        worker: WorkerId::new(worker).expect("a name"),
        process: String::new(),
        version: "1".into(),
        minute: Minute::of(now),
        written_at: now,
        tasks: Vec::new(),
        errors: Vec::new(),
        other_errors: 0,
    }
}

async fn connect(prefix: &str) -> NatsTransport {
    let config = NatsConfig::new(shared_server().url()).prefix(prefix);
    NatsTransport::connect(config).await.expect("connects")
}

/// Sends a request and waits for its reply, which is not used.
async fn ask(stats: &NatsTransport, subject: String, body: &'static str) {
    stats.client().request(subject, body.into()).await.expect("an answer");
}

#[tokio::test]
async fn unreadable_messages_are_counted_and_skipped() {
    let prefix = naq_testing::unique("m");
    let stats = connect(&prefix).await;
    stats.stats_put(&report("a")).await.expect("stores");
    for body in ["", "{", "[1]", r#"{"worker":"b","minute":-1}"#] {
        ask(&stats, format!("{prefix}.m.b.{}", body.len()), body).await;
    }
    stats.stats_put(&report("c")).await.expect("stores");
    let page = stats.stats_since(0, 100).await.expect("reads");
    let names: Vec<_> = page.reports.iter().map(|report| report.worker.as_str()).collect();
    assert_eq!((names, page.unreadable, page.more), (vec!["a", "c"], 4, false));
    let next = stats.stats_since(page.next, 100).await.expect("reads");
    assert_eq!((next.reports.len(), next.unreadable, next.next), (0, 0, page.next));
}

#[tokio::test]
async fn a_stream_that_was_created_again_is_read_from_its_beginning() {
    let prefix = naq_testing::unique("m");
    let stats = connect(&prefix).await;
    for worker in ["a", "b", "c"] {
        stats.stats_put(&report(worker)).await.expect("stores");
    }
    let read = stats.stats_since(0, 100).await.expect("reads");
    let stream = format!("{}_STATS", prefix.to_uppercase());
    ask(&stats, format!("$JS.API.STREAM.DELETE.{stream}"), "").await;
    let gone = stats.stats_since(read.next, 100).await.expect("reads");
    assert_eq!((gone.reports.len(), gone.next), (0, 0));
    stats.stats_put(&report("d")).await.expect("creates the stream and stores");
    let page = stats.stats_since(gone.next, 100).await.expect("reads");
    assert_eq!(page.reports, [report("d")]);
}
