use std::time::Duration;

use naq_testing::{NatsCluster, eventually};

const STREAM: &str = r#"{"name":"KEPT","subjects":["kept"],"num_replicas":3}"#;

async fn create_stream(cluster: &NatsCluster) {
    let created = cluster.request(0, "$JS.API.STREAM.CREATE.KEPT".into(), STREAM.into()).await;
    let created = created.unwrap();
    assert!(created.contains(r#""num_replicas":3"#), "{created}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_keeps_its_messages_when_its_leader_is_killed_and_when_a_server_is_isolated() {
    let mut cluster = NatsCluster::start_with_links().await.unwrap();
    create_stream(&cluster).await;
    // A server learns the subjects of a new stream a moment after the creation was answered.
    store(&cluster, 1, "hello").await;
    let kept = messages(&cluster, 0).await;

    let first = cluster.leader("KEPT", None).await.unwrap();
    cluster.server_mut(first).kill().unwrap();
    let second = cluster.leader("KEPT", None).await.unwrap();
    assert_ne!(first, second);
    cluster.server_mut(first).restart().unwrap();
    cluster.wait_until_healthy().await.unwrap();
    assert_eq!(messages(&cluster, first).await, kept);

    cluster.move_leader("KEPT", first).await.unwrap();
    assert_eq!(cluster.leader("KEPT", None).await.unwrap(), first);

    // The isolated server leads no more, and the others store without it.
    cluster.isolate(first);
    let others: Vec<_> = cluster.places().filter(|place| *place != first).collect();
    store(&cluster, others[0], "again").await;
    cluster.heal();
    cluster.wait_until_healthy().await.unwrap();
    // The old leader may take itself for the leader, and answer, for a moment more.
    eventually("the isolated server to have all messages", Duration::from_secs(60), async || {
        let both = [messages(&cluster, first).await, messages(&cluster, others[0]).await];
        if both[0] == both[1] && both[0] > kept { Ok(()) } else { Err(format!("{both:?}")) }
    })
    .await;
}

/// Sends a message through the server at this place until the stream has stored it.
async fn store(cluster: &NatsCluster, place: usize, body: &str) {
    let stored = eventually("a store", Duration::from_secs(60), async || {
        cluster.request(place, "kept".into(), body.into()).await
    });
    let stored = stored.await;
    assert!(stored.contains(r#""stream":"KEPT""#), "{stored}");
}

/// How many messages the stream has, asked through the server at this place.
async fn messages(cluster: &NatsCluster, place: usize) -> u64 {
    let info = cluster.request(place, "$JS.API.STREAM.INFO.KEPT".into(), String::new());
    let info: serde_json::Value = serde_json::from_str(&info.await.unwrap()).unwrap();
    info["state"]["messages"].as_u64().unwrap()
}
