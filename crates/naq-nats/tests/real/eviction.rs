//! Limits that an operator has set on NAQ's streams by hand, and bounds of queues.

use std::num::NonZeroU64;
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::stream::Config;
use naq_core::transport::{Lookup, Operator, Producer, QueueBound, Receipt, TransportError};
use naq_nats::{Finding, Level, NatsConfig, NatsTransport};
use naq_testing::{shared_server, unique};

use crate::support::{TIME_LIMIT, enqueue, job, queue, subscribe};

/// An edit of a stream by hand.
type Change = fn(&mut Config);

struct Setup {
    prefix: String,
    transport: NatsTransport,
    operator: jetstream::Context,
}

impl Setup {
    async fn new() -> Self {
        let prefix = unique("t");
        let transport = Self::connect(&prefix).await;
        let client = async_nats::connect(shared_server().url()).await.expect("connects");
        Self { prefix, transport, operator: jetstream::new(client) }
    }

    async fn connect(prefix: &str) -> NatsTransport {
        let config = NatsConfig::new(shared_server().url()).prefix(prefix);
        NatsTransport::connect(config).await.expect("connects")
    }

    fn stream(&self, name: &str) -> String {
        format!("{}_{name}", self.prefix.to_uppercase())
    }

    async fn edit(&self, stream: &str, change: impl FnOnce(&mut Config)) {
        let mut stream = self.operator.get_stream(self.stream(stream)).await.expect("there");
        let mut config = stream.info().await.expect("described").config.clone();
        change(&mut config);
        self.operator.update_stream(config).await.expect("edits");
    }

    async fn finding(&self, stream: &str) -> Finding {
        let check = format!("stream {}", self.stream(stream));
        let found = self.transport.diagnose().await;
        found.into_iter().find(|finding| finding.check == check).expect("checked")
    }

    async fn stored(&self) -> u64 {
        let name = self.stream("Q_default");
        let mut stream = self.operator.get_stream(name).await.expect("there");
        stream.info().await.expect("described").state.messages
    }
}

fn refused(answer: Result<Receipt, TransportError>) -> (Vec<String>, String) {
    match answer {
        Err(TransportError::QueueEvicts { evicts, mend, .. }) => (evicts, mend),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_queue_whose_stream_removes_jobs_refuses_new_ones_until_that_is_mended() {
    let limits: [(&str, Change); 4] = [
        ("max_msgs 3", |config| config.max_messages = 3),
        ("max_bytes 900", |config| config.max_bytes = 900),
        ("max_age 3600s", |config| config.max_age = Duration::from_secs(3600)),
        ("max_msgs_per_subject 1", |config| config.max_messages_per_subject = 1),
    ];
    for (limit, change) in limits {
        let setup = Setup::new().await;
        for id in ["a", "b", "c"] {
            enqueue(&setup.transport, id).await;
        }
        setup.edit("Q_default", change).await;
        // A producer that starts now sends nothing.
        let late = Setup::connect(&setup.prefix).await;
        let (evicts, mend) = refused(late.publish(job("d", None)).await);
        assert_eq!(evicts, [limit]);
        let name = setup.stream("Q_default");
        assert!(mend.starts_with(&format!("nats stream edit {name} --max-")), "{mend}");
        let many = late.publish_many(vec![job("e", None), job("f", None)]).await;
        many.into_iter().for_each(|answer| drop(refused(answer)));
        assert_eq!(setup.stored().await, 3, "{limit}: no job was removed for a new one");
        let info = late.queue_info(&queue()).await.expect("described").expect("there");
        assert_eq!(info.evicts, [limit]);
        let found = setup.finding("Q_default").await;
        assert_eq!(found.level, Level::Fail, "{found:?}");
        let next = found.next_step.expect("a way out");
        assert!(found.detail.contains(limit) && next.contains(&mend), "{}; {next}", found.detail);
        // The bound that the operator wanted.
        let bound = QueueBound { max_jobs: NonZeroU64::new(4), max_bytes: None };
        late.set_bound(&queue(), bound).await.expect("bounds");
        late.publish(job("d", None)).await.expect("room for one");
        let full = late.publish(job("e", None)).await;
        assert!(matches!(full, Err(TransportError::QueueFull { jobs: 4, .. })), "{full:?}");
        assert_eq!(setup.stored().await, 4);
        assert_eq!(setup.finding("Q_default").await.level, Level::Ok);
    }
}

#[tokio::test]
async fn a_producer_that_runs_notices_a_limit() {
    let setup = Setup::new().await;
    enqueue(&setup.transport, "first").await;
    setup.edit("Q_default", |config| config.max_bytes = 1 << 30).await;
    let noticed = async {
        for n in 0.. {
            if setup.transport.publish(job(&format!("j{n}"), None)).await.is_err() {
                return;
            }
        }
    };
    tokio::time::timeout(TIME_LIMIT, noticed).await.expect("it is noticed");
}

#[tokio::test]
async fn one_producer_does_not_pass_the_bound_however_many_it_sends_at_once() {
    let setup = Setup::new().await;
    enqueue(&setup.transport, "first").await;
    let bound = QueueBound { max_jobs: NonZeroU64::new(50), max_bytes: None };
    setup.transport.set_bound(&queue(), bound).await.expect("bounds");
    let jobs = (0..500).map(|n| job(&format!("j{n}"), None)).collect();
    let answers = setup.transport.publish_many(jobs).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 49);
    let one_by_one = (0..200).map(|n| {
        let transport = setup.transport.clone();
        async move { transport.publish(job(&format!("k{n}"), None)).await.is_ok() }
    });
    let more = futures_util::future::join_all(one_by_one).await;
    assert_eq!(more.iter().filter(|stored| **stored).count(), 0);
    assert_eq!(setup.stored().await, 50);
}

#[tokio::test]
async fn limits_of_the_shared_streams_are_findings_by_what_they_cost() {
    let setup = Setup::new().await;
    enqueue(&setup.transport, "one").await;
    drop(subscribe(&setup.transport).await);
    for (stream, level) in [("DEAD", Level::Warn), ("RECORDS", Level::Warn), ("STATE", Level::Fail)]
    {
        setup.edit(stream, |config| config.max_age = Duration::from_secs(86_400)).await;
        let found = setup.finding(stream).await;
        assert_eq!(found.level, level, "{found:?}");
        assert!(found.detail.contains("max_age 86400s"), "{found:?}");
    }
    setup.transport.publish(job("two", None)).await.expect("only the queue's own stream counts");
    let reports = setup.transport.streams().await.expect("described");
    let evicting = reports.iter().filter(|report| !report.evicts.is_empty()).count();
    assert_eq!(evicting, 3);
}
