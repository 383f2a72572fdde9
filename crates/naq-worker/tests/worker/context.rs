//! What a handler can read from its context.

use std::sync::{Arc, Mutex};

use naq_core::{Clock, Failure, Payload};
use naq_worker::{Context, Registry};

use crate::bench::{Bench, run, secs};

type Notes = Arc<Mutex<Vec<String>>>;

async fn note(_: Payload, cx: Context<Notes>) -> Result<(), Failure> {
    let last = cx.last_error().map(|err| err.to_string()).unwrap_or_default();
    let text = format!(
        "{cx}; last: {}; {} {} {}; crashes {}; {last}; {:?} {:?} {:?}; {}",
        cx.is_last_attempt(),
        cx.job_id(),
        cx.queue(),
        cx.task(),
        cx.crashes(),
        cx.timeout(),
        cx.tags(),
        cx.traceparent(),
        cx.dedup_key(),
    );
    cx.state().lock().expect("not poisoned").push(text);
    assert!(!cx.is_cancelled() && cx.deadline().is_some());
    if cx.is_last_attempt() {
        let child = cx.client().enqueue_task("child", &()).map_err(Failure::from_error)?;
        child.id("child").await.map_err(Failure::from_error)?;
    }
    Err(Failure::new("TimeoutError", "too slow"))
}

#[tokio::test]
async fn the_context_knows_which_attempt_it_is_and_how_the_last_one_ended() {
    let bench = Bench::new();
    let notes = Notes::default();
    let registry = Registry::with_state(notes.clone()).raw("note", note);
    let _worker = run(bench.builder_of(Arc::new(bench.broker.clone()), registry));
    let job = bench.client.enqueue_task("note", &()).expect("a name").id("job").max_retries(1);
    let job = job.timeout(secs(9)).tag("red").traceparent("00-a-b-01");
    job.deadline(bench.clock.now() + secs(3600)).await.expect("sent");
    bench.pass(secs(5)).await;
    let same = "Some(9s) [\"red\"] Some(\"00-a-b-01\"); job";
    assert_eq!(
        *notes.lock().expect("not poisoned"),
        [
            format!("attempt 1 of 2; last: false; job default note; crashes 0; ; {same}"),
            format!(
                "attempt 2 of 2; last: true; job default note; crashes 0; \
                 TimeoutError: too slow; {same}"
            ),
        ]
    );
    assert_eq!(bench.report("child").await.key.id.as_str(), "child");
}
