//! The story, over the transport in memory and over a broker.

use std::sync::Arc;

use error_handling::QUEUE;
use error_handling::bank::Bank;
use error_handling::dead::Verdict;
use error_handling::story::{self, Told};
use error_handling::tasks::{self, Imported};
use naq::memory::MemoryTransport;
use naq::{Client, JobState, NatsConfig, NatsTransport, Worker};
use naq_testing::NatsServer;

async fn told(client: Client) -> Told {
    let client = client.default_queue(QUEUE.parse().expect("a queue"));
    let bank = Bank::default();
    let worker = Worker::builder(client.clone(), tasks::registry(&bank)).queue(QUEUE).build();
    tokio::select! {
        told = story::play(&client, &bank, |_| {}) => told.expect("a broker and a worker"),
        exit = worker.run(std::future::pending()) => panic!("the worker ended: {exit:?}"),
    }
}

fn is_as_the_readme_says(told: &Told) {
    assert_eq!(told.classified, [(JobState::Dead, 1), (JobState::Completed, 2)]);
    let (payments, calls) = told.breaker;
    // Ten that were started at once, and a few probes.
    assert!((5..payments as u32 / 2 + 5).contains(&calls), "{calls} calls");
    assert_eq!(told.rate, 1.07);
    let Imported { done, left } = &told.imported;
    assert_eq!((*done, left.len()), (3, 2));
    let alert = told.alert.as_ref().expect("somebody is woken");
    assert!(alert.deaths >= 3, "{alert:?}");
    let decided = |kind: &str| {
        let mut verdicts = told.verdicts.iter().filter(|(of, _)| of == kind);
        verdicts.next().map(|(_, verdict)| *verdict)
    };
    assert_eq!(decided("PaymentError.declined"), Some(Verdict::Keep));
    assert_eq!(decided("ValueError.row"), Some(Verdict::Purge));
    assert_eq!(decided("ConnectionError"), Some(Verdict::Requeue));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_in_memory() {
    is_as_the_readme_says(&told(Client::new(Arc::new(MemoryTransport::new()))).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_story_over_a_broker() {
    let server = NatsServer::start().expect("a nats-server");
    let transport = NatsTransport::connect(NatsConfig::new(server.url())).await;
    is_as_the_readme_says(&told(Client::new(Arc::new(transport.expect("connects")))).await);
}
