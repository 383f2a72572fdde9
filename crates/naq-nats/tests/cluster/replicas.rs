//! The copies of a prefix's streams on a cluster.

use async_nats::jetstream;
use async_nats::jetstream::stream::Config;
use naq_client::Client;
use naq_core::transport::{Consumer, Lookup};
use naq_core::{QueueName, SystemClock};
use naq_nats::{Finding, Level, NatsConfig, NatsTransport};
use naq_testing::{NatsCluster, eventually, unique};
use std::sync::Arc;
use std::time::Duration;

const TIME_LIMIT: Duration = Duration::from_secs(60);

async fn connect(url: &str, prefix: &str, replicas: usize) -> NatsTransport {
    let mut config = NatsConfig::new(url).prefix(prefix);
    config.replicas = replicas;
    config.clock = Arc::new(SystemClock);
    NatsTransport::connect(config).await.expect("a transport")
}

async fn enqueue(transport: &NatsTransport, queue: &str) {
    let client = Client::new(Arc::new(transport.clone()));
    client.enqueue_task("task", &()).expect("a job").queue(queue).await.expect("enqueues");
}

async fn open(transport: &NatsTransport, queue: &str) {
    let queue = QueueName::new(queue).expect("a name");
    drop(transport.subscribe(&queue, Duration::from_secs(2)).await.expect("opens"));
}

/// The number of copies of each stream.
async fn copies(transport: &NatsTransport) -> Vec<(String, u32)> {
    let streams = transport.streams().await.expect("an answer");
    streams.into_iter().map(|stream| (stream.name, stream.durability.replicas)).collect()
}

fn level(found: &[Finding], check: &str) -> Level {
    found.iter().find(|finding| finding.check.contains(check)).expect("a finding").level
}

/// Steps of one story on one cluster, because a cluster takes seconds to start.
#[tokio::test(flavor = "multi_thread")]
async fn the_replicas_of_a_prefix_are_chosen_once_and_every_maker_of_a_stream_follows() {
    let cluster = NatsCluster::start().await.expect("a cluster");
    let url = cluster.url();

    // A producer without a choice comes first: three copies, written down.
    let prefix = unique("r");
    let producer = connect(&url, &prefix, 0).await;
    enqueue(&producer, "mail").await;
    // A worker with another choice follows what is written down.
    let worker = connect(&url, &prefix, 1).await;
    open(&worker, "mail").await;
    open(&worker, "late").await;
    let found = copies(&producer).await;
    assert!(found.len() >= 5 && found.iter().all(|(_, copies)| *copies == 3), "{found:?}");
    let findings = producer.diagnose().await;
    assert_eq!(level(&findings, "replicas"), Level::Ok, "{findings:#?}");
    assert!(findings.iter().all(|finding| finding.level != Level::Fail), "{findings:#?}");

    // The first program chose one copy: the others follow, and the diagnosis warns.
    let prefix = unique("r");
    enqueue(&connect(&url, &prefix, 1).await, "mail").await;
    let other = connect(&url, &prefix, 0).await;
    open(&other, "late").await;
    assert!(copies(&other).await.iter().all(|(_, copies)| *copies == 1));
    assert_eq!(level(&other.diagnose().await, "replicas"), Level::Warn);

    // Streams of an older version, with one copy and nothing written down.
    let prefix = unique("r");
    let jetstream =
        jetstream::new(async_nats::connect(cluster.server(0).url()).await.expect("connects"));
    let old = connect(&url, &unique("r"), 1).await;
    open(&old, "mail").await;
    let old_prefix = old_prefix(&copies(&old).await);
    for role in ["DEAD", "STATE", "Q_mail"] {
        let stream = jetstream.get_stream(format!("{old_prefix}_{role}")).await.expect("made");
        let of_old = stream.cached_info().config.clone();
        let renamed = |text: &str| text.replace(&old_prefix.to_lowercase(), &prefix);
        let config = Config {
            name: format!("{}_{role}", prefix.to_uppercase()),
            subjects: of_old.subjects.iter().map(|subject| renamed(subject)).collect(),
            metadata: Default::default(),
            ..of_old
        };
        jetstream.create_stream(config).await.expect("creates");
    }
    let transport = connect(&url, &prefix, 0).await;
    enqueue(&transport, "mail").await;
    let findings = transport.diagnose().await;
    for check in ["_DEAD", "_STATE", "_Q_mail"] {
        assert_eq!(level(&findings, check), Level::Fail, "{findings:#?}");
    }
    assert_eq!(level(&findings, "replicas"), Level::Warn, "{findings:#?}");

    let fixed = transport.fix_replicas().await;
    assert!(fixed.iter().all(|finding| finding.level == Level::Ok), "{fixed:#?}");
    eventually("three copies and no finding", TIME_LIMIT, async || {
        let found = transport.diagnose().await;
        let wrong = found.into_iter().find(|finding| finding.level == Level::Fail);
        wrong.map_or(Ok(()), |finding| Err(format!("{finding:?}")))
    })
    .await;
    assert!(copies(&transport).await.iter().all(|(_, copies)| *copies == 3));
    assert_eq!(level(&transport.diagnose().await, "replicas"), Level::Ok);
    let queue = QueueName::new("mail").expect("a name");
    let info = transport.queue_info(&queue).await.expect("an answer").expect("a queue");
    assert_eq!(info.pending, 1, "the job is still there");
}

fn old_prefix(streams: &[(String, u32)]) -> String {
    let name = streams.iter().find_map(|(name, _)| name.strip_suffix("_DEAD"));
    name.expect("a stream of dead letters").to_owned()
}
