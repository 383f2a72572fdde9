//! A replica that lags hides no evidence.

use std::time::Duration;

use async_nats::jetstream;
use futures_util::{StreamExt, TryStreamExt, stream};
use naq_core::transport::{Consumer, JobKey, Lookup};
use naq_core::{JobId, QueueName};
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{NatsCluster, eventually, unique};

/// Jobs that end while the replica is paused.
const JOBS: usize = 2_000;

fn key(n: usize) -> JobKey {
    JobKey::new(QueueName::default(), JobId::new(format!("job-{n}")).expect("an id"))
}

async fn connect(url: &str, prefix: &str) -> NatsTransport {
    let config = NatsConfig::new(url).prefix(prefix);
    NatsTransport::connect(config).await.expect("a transport")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_was_paused_hides_no_record_from_the_clients_of_its_server() {
    let mut cluster = NatsCluster::start().await.expect("a cluster");
    let prefix = unique("l");
    let records = format!("{}_RECORDS", prefix.to_uppercase());
    let opened = connect(&cluster.server(0).url(), &prefix).await;
    drop(opened.subscribe(&QueueName::default(), Duration::from_secs(2)).await.expect("opens"));
    cluster.move_leader(&records, 0).await.expect("a leader");
    let client = async_nats::connect(cluster.server(0).url()).await.expect("connects");
    let leader = jetstream::new(client);
    // A client gets the answer to a direct get from its own server, if that has a replica.
    let behind = connect(&cluster.server(2).url(), &prefix).await;
    cluster.wait_until_healthy().await.expect("healthy");

    cluster.server_mut(2).pause().expect("a pause");
    let store = async |n: usize| {
        let subject = format!("{prefix}.r.default.job-{n}");
        let stored = leader.publish(subject, vec![b' '; 1_000].into()).await?;
        stored.await
    };
    stream::iter(0..JOBS)
        .map(store)
        .buffer_unordered(200)
        .try_for_each(async |_| Ok(()))
        .await
        .expect("stores");
    cluster.server_mut(2).resume().expect("it goes on");

    let keys: Vec<_> = (0..JOBS).map(key).collect();
    let evidence = behind.evidence(&keys).await.expect("an answer");
    let found = evidence.iter().filter(|found| !found.is_empty()).count();
    assert_eq!(found, JOBS, "every job has a record");
}

/// The leader of the records is cut off, takes itself for the leader, and still answers. A worker on its
/// server that comes back from the partition must not believe it.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_was_cut_off_hides_no_record_after_the_partition() {
    let cluster = NatsCluster::start_with_links().await.expect("a cluster");
    let prefix = unique("l");
    let records = format!("{}_RECORDS", prefix.to_uppercase());
    let opened = connect(&cluster.server(0).url(), &prefix).await;
    drop(opened.subscribe(&QueueName::default(), Duration::from_secs(2)).await.expect("opens"));
    cluster.move_leader(&records, 2).await.expect("a leader");
    cluster.wait_until_healthy().await.expect("healthy");
    let client = async_nats::connect(cluster.server(0).url()).await.expect("connects");
    let majority = jetstream::new(client);
    let behind = connect(&cluster.server(2).url(), &prefix).await;

    cluster.isolate(2);
    // The two others elect a leader, and store the record.
    let store = async || {
        let stored = majority.publish(format!("{prefix}.r.default.job-0"), "{}".into()).await;
        match stored {
            Ok(ack) => ack.await.is_ok(),
            Err(_) => false,
        }
    };
    eventually("the record is stored", Duration::from_secs(20), store).await;
    let evidence = tokio::spawn(async move { behind.evidence(&[key(0)]).await });
    cluster.heal();
    let found = evidence.await.expect("no panic").expect("an answer");
    assert_eq!(found[0].len(), 1, "the job has a record");
}

/// A follower on a slow network answers without what was stored just now, and counts as current.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_found_as_soon_as_it_is_stored() {
    let cluster = NatsCluster::start_with_links().await.expect("a cluster");
    let prefix = unique("l");
    let queue = format!("{}_Q_default", prefix.to_uppercase());
    let opened = connect(&cluster.server(0).url(), &prefix).await;
    drop(opened.subscribe(&QueueName::default(), Duration::from_secs(2)).await.expect("opens"));
    cluster.move_leader(&queue, 0).await.expect("a leader");
    cluster.wait_until_healthy().await.expect("healthy");
    let client = async_nats::connect(cluster.server(0).url()).await.expect("connects");
    let leader = jetstream::new(client);
    // A client gets the answer to a direct get from its own server, if that has a replica.
    let follower = connect(&cluster.server(2).url(), &prefix).await;

    cluster.delay(2, Duration::from_millis(30));
    let is_found = async |n: usize| {
        let subject = format!("{prefix}.q.default.job-{n}");
        let stored = leader.publish(subject, "{}".into()).await.expect("is sent").await;
        stored.expect("is stored");
        !follower.locate(&key(n)).await.expect("an answer").is_empty()
    };
    // Some at the same time, so that one may trust what another has just asked about the replicas.
    let found: Vec<_> = stream::iter(0..500).map(is_found).buffer_unordered(20).collect().await;
    let missed = found.iter().filter(|found| !**found).count();
    assert_eq!(missed, 0, "of {}", found.len());
}
