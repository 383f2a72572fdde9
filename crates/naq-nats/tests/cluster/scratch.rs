use std::time::Duration;
use naq_core::transport::{Consumer, Lookup, Producer, Submission, JobKey};
use naq_core::{JobId, QueueName};
use naq_core::wire::WireMessage;
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{NatsCluster, unique};

async fn stored(c: &NatsCluster, place: usize, stream: &str) -> String {
    c.request(place, format!("$JS.API.STREAM.INFO.{stream}"), "{}".into()).await.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn scratch() {
    for (purge, fence) in [(true, false), (false, true), (false, false)] {
        let mut cluster = NatsCluster::start().await.expect("a cluster");
        let prefix = unique("l");
        let stream = format!("{}_Q_default", prefix.to_uppercase());
        let config = NatsConfig::new(cluster.url()).prefix(&prefix);
        let t = NatsTransport::connect(config).await.expect("a transport");
        let q = QueueName::default();
        let mut sub = t.subscribe(&q, Duration::from_secs(5)).await.expect("opens");
        for n in 0..8 {
            let key = JobKey::new(q.clone(), JobId::new(format!("job-{n}")).unwrap());
            let message = WireMessage::new(bytes::Bytes::from_static(br#"{"task":"t"}"#)).with("Content-Type", "application/json");
            t.publish(Submission { key: key.clone(), due_at: None, dedup: key.id.to_string(), unique: false, message }).await.expect("sent");
        }
        let mut got = Vec::new();
        while got.len() < 8 { got.extend(sub.fetch(8, Duration::from_secs(1)).await.expect("fetch")); }
        if purge {
            let a = cluster.request(0, format!("$JS.API.STREAM.PURGE.{stream}"), format!("{{\"filter\":\"{prefix}.q.default.job-7\"}}")).await;
            println!("purged {a:?}");
        }
        if fence { for _ in 0..5 {
            let keys: Vec<_> = got.iter().map(|d| d.stored.key.clone()).collect();
            t.evidence(&keys).await.expect("evidence");
            tokio::time::sleep(Duration::from_millis(1200)).await;
        } }
        got[6].handle.ack().await.expect("acks");
        println!("before {}", stored(&cluster, 0, &stream).await);
        let leader = cluster.leader(&stream, Some("workers")).await.expect("leader");
        cluster.server_mut(leader).kill().expect("kill");
        cluster.leader(&stream, Some("workers")).await.expect("leader");
        cluster.server_mut(leader).restart().expect("restart");
        cluster.wait_until_healthy().await.expect("healthy");
        println!("after kill {} {} {}", purge, fence, stored(&cluster, 0, &stream).await);
        cluster.roll().await.expect("roll");
        cluster.wait_until_healthy().await.expect("healthy");
        println!("after roll {} {} {}", purge, fence, stored(&cluster, 0, &stream).await);
        let leader = cluster.leader(&stream, None).await.expect("leader");
        println!("consumer {}", cluster.request(leader, format!("$JS.API.CONSUMER.INFO.{stream}.workers"), "{}".into()).await.unwrap_or_default());
    }
}
