//! The patterns, over the transport in memory and over a broker.

use std::sync::Arc;

use error_handling::QUEUE;
use error_handling::bank::Bank;
use error_handling::dead::LetterAction;
use error_handling::patterns::{self, Results};
use error_handling::tasks::{self, Imported};
use naq::memory::MemoryTransport;
use naq::{Client, JobState, NatsConfig, NatsTransport, Worker};
use naq_testing::NatsServer;

async fn run(client: Client) -> Results {
    let client = client.default_queue(QUEUE.parse().expect("a queue"));
    let bank = Bank::default();
    let worker = Worker::builder(client.clone(), tasks::registry(&bank)).queue(QUEUE).build();
    tokio::select! {
        results = patterns::run(&client, &bank, |_| {}) => results.expect("a broker and a worker"),
        exit = worker.run(std::future::pending()) => panic!("the worker ended: {exit:?}"),
    }
}

fn assert_results_of_the_readme(results: &Results) {
    assert_eq!(results.by_kind, [(JobState::Dead, 1), (JobState::Completed, 2)]);
    let (payments, calls) = results.breaker;
    // Ten jobs that started at once, and a few probes.
    assert!((5..payments as u32 / 2 + 5).contains(&calls), "{calls} calls");
    assert_eq!(results.rate, 1.07);
    let Imported { done, jobs } = &results.imported;
    assert_eq!((*done, jobs.len()), (3, 2));
    let alert = results.alert.as_ref().expect("the alert fired");
    assert!(alert.deaths >= 3, "{alert:?}");
    let decided = |kind: &str| {
        let mut actions = results.actions.iter().filter(|(of, _)| of == kind);
        actions.next().map(|(_, action)| *action)
    };
    assert_eq!(decided("PaymentError.declined"), Some(LetterAction::Keep));
    assert_eq!(decided("ValueError.row"), Some(LetterAction::Purge));
    assert_eq!(decided("ConnectionError"), Some(LetterAction::Requeue));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_patterns_in_memory() {
    assert_results_of_the_readme(&run(Client::new(Arc::new(MemoryTransport::new()))).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_patterns_over_a_broker() {
    let server = NatsServer::start().expect("a nats-server");
    let transport = NatsTransport::connect(NatsConfig::new(server.url())).await;
    assert_results_of_the_readme(&run(Client::new(Arc::new(transport.expect("connects")))).await);
}
