//! How errors get their kinds.

use std::sync::Arc;
use std::time::Duration;

use naq_core::{Advice, ErrorKind, Failure, JobError, JobState, Payload, ResultExt};
use naq_worker::{Context, Registry};

use crate::bench::{Bench, run};

#[derive(Debug, thiserror::Error)]
#[error("declined")]
struct Declined;

impl JobError for Declined {
    fn kind(&self) -> ErrorKind {
        "Payment.declined".into()
    }

    fn advice(&self) -> Advice {
        Advice::Fatal
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the service")]
struct Wrapper(#[source] std::net::AddrParseError);

fn foreign() -> Wrapper {
    Wrapper("x".parse::<std::net::IpAddr>().expect_err("no address"))
}

async fn typed(_: Payload, _: Context) -> Result<(), Declined> {
    Err(Declined)
}

async fn hidden(_: Payload, _: Context) -> Result<(), Failure> {
    Err(Declined)?
}

async fn named(_: Payload, _: Context) -> Result<(), Failure> {
    Err(Declined).kind("Mine")
}

async fn wrapped(_: Payload, _: Context) -> Result<(), Failure> {
    Err(foreign())?
}

async fn boxed(_: Payload, _: Context) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))?
}

async fn anyway(_: Payload, _: Context) -> Result<(), Failure> {
    Err(foreign()).retry_after(Duration::from_secs(9))
}

#[tokio::test]
async fn kinds_come_from_the_error_the_registry_or_the_handler_and_the_last_one_wins() {
    let bench = Bench::new();
    let registry = Registry::new()
        .classify::<Declined>()
        .classify_with(|_: &std::net::AddrParseError| (ErrorKind::VALUE, Advice::Fatal))
        .raw("typed", typed)
        .raw("hidden", hidden)
        .raw("named", named)
        .raw("wrapped", wrapped)
        .raw("boxed", boxed)
        .raw("anyway", anyway);
    let _worker = run(bench.builder_of(Arc::new(bench.broker.clone()), registry));
    for (task, kind, state) in [
        ("typed", "Payment.declined", JobState::Dead),
        ("hidden", "Payment.declined", JobState::Dead),
        ("named", "Mine", JobState::Dead),
        ("wrapped", "ValueError", JobState::Dead),
        ("boxed", "ConnectionError.reset", JobState::Retrying),
        // The advice of the handler wins over the class of its error.
        ("anyway", "ValueError", JobState::Retrying),
    ] {
        bench.client.enqueue_task(task, &()).expect("a name").id(task).await.expect("sent");
        bench.turn().await;
        let report = bench.report(task).await;
        let history = report.envelope.expect("readable").history;
        assert_eq!(history[0].error_kind.as_ref().map(ErrorKind::as_str), Some(kind), "{task}");
        assert_eq!(report.state, state, "{task}");
    }
}

#[tokio::test]
async fn a_classifier_that_panics_is_a_failed_attempt_and_costs_no_slot() {
    let bench = Bench::new();
    let registry = Registry::new()
        .classify_with(|_: &std::net::AddrParseError| -> ErrorKind { panic!("in the classifier") })
        .raw("wrapped", wrapped)
        .raw("typed", typed);
    let builder = bench.builder_of(Arc::new(bench.broker.clone()), registry);
    let _worker = run(builder.concurrency(1));
    for task in ["wrapped", "typed"] {
        let job = bench.client.enqueue_task(task, &()).expect("a name").id(task).max_retries(0);
        job.await.expect("sent");
        bench.turn().await;
    }
    let dead = bench.report("wrapped").await.dead.expect("dead");
    assert_eq!(dead.error_kind, ErrorKind::PANIC);
    assert!(dead.message.contains("in the classifier"), "{}", dead.message);
    assert_eq!(bench.state("typed").await, JobState::Dead);
}
