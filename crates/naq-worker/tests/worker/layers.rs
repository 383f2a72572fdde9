//! Layers: code around every attempt.

use std::sync::{Arc, Mutex};

use naq_core::{ErrorKind, Failure, JobState, Payload};
use naq_worker::{AttemptLayer, Context, Next};

use crate::bench::{Bench, Do, Script, Seen, registry, run, secs};

type Log = Arc<Mutex<Vec<String>>>;

/// Writes down what it sees.
struct Logged(&'static str, Log);

impl Logged {
    fn say(&self, line: String) {
        self.1.lock().expect("not poisoned").push(format!("{} {line}", self.0));
    }
}

impl AttemptLayer<Arc<Seen>> for Logged {
    async fn around(&self, cx: Context<Arc<Seen>>, next: Next) -> Result<Payload, Failure> {
        let runs = cx.state().starts(cx.job_id().as_str());
        self.say(format!("before attempt {}, runs {runs}", cx.attempt()));
        let result = next.run().await;
        let word = if result.is_ok() { "ok" } else { "error" };
        self.say(format!("after {word}"));
        result
    }
}

fn lines(log: &Log) -> Vec<String> {
    std::mem::take(&mut *log.lock().expect("not poisoned"))
}

#[tokio::test]
async fn the_first_layer_is_the_outermost_around_every_attempt() {
    let bench = Bench::new();
    let log = Log::default();
    let layer = |name| Logged(name, log.clone());
    let registry = registry(&bench.seen).layer(layer("outer")).layer(layer("inner"));
    let _worker = run(bench.builder_of(Arc::new(bench.broker.clone()), registry));
    bench.enqueue("job", [Do::Fail("ConnectionError".into()), Do::Succeed]).await;
    assert_eq!(
        lines(&log),
        [
            "outer before attempt 1, runs 0",
            "inner before attempt 1, runs 0",
            "inner after error",
            "outer after error",
        ]
    );
    bench.pass(secs(5)).await;
    assert_eq!(
        lines(&log),
        [
            "outer before attempt 2, runs 1",
            "inner before attempt 2, runs 1",
            "inner after ok",
            "outer after ok",
        ]
    );
    assert_eq!(bench.state("job").await, JobState::Completed);
}

#[tokio::test]
async fn a_layer_may_skip_the_handler_and_its_failure_is_the_attempts() {
    let bench = Bench::new();
    let registry = registry(&bench.seen).layer(|cx: Context<Arc<Seen>>, next: Next| async move {
        if cx.attempt() == 1 {
            return Err(Failure::new("TenantError", "no such tenant"));
        }
        next.run().await
    });
    let _worker = run(bench.builder_of(Arc::new(bench.broker.clone()), registry));
    bench.enqueue("job", [Do::Succeed]).await;
    assert_eq!((bench.state("job").await, bench.seen.starts("job")), (JobState::Retrying, 0));
    bench.pass(secs(5)).await;
    assert_eq!((bench.state("job").await, bench.seen.starts("job")), (JobState::Completed, 1));
    let history = bench.report("job").await.envelope.expect("readable").history;
    assert_eq!(history[0].error_kind.as_ref().map(ErrorKind::as_str), Some("TenantError"));
}

#[tokio::test]
async fn a_panic_in_a_layer_is_a_failed_attempt_and_a_fallback_passes_the_layers_too() {
    let bench = Bench::new();
    let log = Log::default();
    let registry = registry(&bench.seen)
        .fallback(|_: Script, _| async { Ok::<_, Failure>("saved".to_owned()) })
        .layer(Logged("outer", log.clone()))
        .layer(|cx: Context<Arc<Seen>>, next: Next| async move {
            assert!(cx.last_error().is_some(), "the layer is tired");
            next.run().await
        });
    let _worker = run(bench.builder_of(Arc::new(bench.broker.clone()), registry));
    let job = bench.client.enqueue(Script(vec![Do::Succeed])).id("job").max_retries(0);
    job.await.expect("sent");
    bench.turn().await;
    assert_eq!(bench.history("job").await, ["1:Completed:fallback"]);
    assert_eq!(
        lines(&log),
        ["outer before attempt 1, runs 0", "outer before attempt 1, runs 0", "outer after ok",]
    );
    assert_eq!(bench.seen.starts("job"), 0);
}
