//! An operator lowers the broker's `max_payload` below the size of jobs that are stored already.

use std::sync::Arc;
use std::time::Duration;

use naq_core::transport::{JobKey, Lookup, Operator};
use naq_core::{Clock, ErrorKind, JobId, JobState, QueueName, SystemClock};
use naq_faults::job::ScriptedJob;
use naq_faults::plan::PlannedJob;
use naq_faults::script::{DelayPattern, Script};
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{NatsServer, eventually, unique};
use serde_json::json;

use crate::setup::{TIME_LIMIT, TestSetup};

const SIZE: usize = 700_000;
const LOWERED: usize = 300_000;
const DELAY: Duration = Duration::from_millis(300);

fn args(script: Script) -> serde_json::Value {
    let job = ScriptedJob { script, pace: DelayPattern::Fixed };
    let mut args = serde_json::to_value(job).expect("plain data");
    args["pad"] = json!("x".repeat(SIZE));
    args
}

async fn enqueue(setup: &TestSetup, script: Script) -> PlannedJob {
    let id = unique("job");
    let client = setup.client();
    let enqueue = client.enqueue_task("faults.scripted", &args(script)).expect("a name");
    let enqueue = enqueue.id(&id).max_retries(2).retry_delay(DELAY).ignore_on([ErrorKind::VALUE]);
    enqueue.await.expect("sent");
    PlannedJob {
        id,
        queue: setup.queue.clone(),
        send_at_ms: 0,
        delay_ms: 0,
        script,
        pace: DelayPattern::Fixed,
    }
}

#[tokio::test]
async fn a_job_above_a_lowered_limit_retries_dies_ends_and_is_requeued_with_its_arguments() {
    let mut server = NatsServer::start().expect("a server");
    let setup = TestSetup::at(server.url(), "lowered").await;
    let transport = NatsTransport::connect(NatsConfig::new(server.url())).await;
    let operator = Arc::new(transport.expect("connected"));
    let queue = QueueName::new(&setup.queue).expect("a name");
    // This worker knows the limit of its connection, and learns from a refusal that it was lowered.
    let mut worker = setup.worker("w0", None);
    worker.wait_for_output("working on", TIME_LIMIT).await.expect("it starts");
    operator.pause(&queue, SystemClock.now() + TIME_LIMIT * 10).await.expect("paused");
    let retried = enqueue(&setup, Script::FailThenSucceed { failures: 1 }).await;
    let exhausted = enqueue(&setup, Script::FailAlways).await;
    let fatal = enqueue(&setup, Script::Fatal).await;
    let succeeds = enqueue(&setup, Script::Succeed).await;
    let cancelled = enqueue(&setup, Script::Succeed).await;
    server.add_config(&format!("max_payload: {LOWERED}")).expect("written");
    server.reload().expect("signalled");
    eventually("the lower limit", TIME_LIMIT, async || {
        let config = NatsConfig::new(server.url());
        let transport = NatsTransport::connect(config).await.map_err(|e| e.to_string())?;
        let max = transport.broker().await.map_err(|e| e.to_string())?.max_payload;
        (max == LOWERED).then_some(()).ok_or(max.to_string())
    })
    .await;
    let client = setup.client();
    let key = |job: &PlannedJob| JobKey::new(queue.clone(), JobId::new(&job.id).expect("an id"));
    // A client that asks again after the refusal knows the lower limit.
    eventually("a cancelled job", TIME_LIMIT, async || {
        client.cancel(&key(&cancelled), "not needed").await.map_err(|err| err.to_string())
    })
    .await;
    operator.resume(&queue).await.expect("resumed");
    for (job, state) in [
        (&retried, JobState::Completed),
        (&exhausted, JobState::Dead),
        (&fatal, JobState::Dead),
        (&succeeds, JobState::Completed),
        (&cancelled, JobState::Cancelled),
    ] {
        assert_eq!(setup.end(job).await.state, state, "{:?}: {}", job.script, worker.stderr());
    }
    assert_eq!((setup.runs(&retried).len(), setup.runs(&exhausted).len()), (2, 3));
    let mut blobs = Vec::new();
    for job in [&exhausted, &fatal] {
        let report = client.report(&key(job)).await.expect("read");
        let read: serde_json::Value = report.args.expect("arguments").decode().expect("JSON");
        assert!(read == args(job.script), "all arguments are there");
        blobs.push(report.envelope.and_then(|job| job.args_blob).expect("they are in a blob"));
    }
    // The next life has the arguments too: it dies in the same way.
    let letter = client.report(&key(&fatal)).await.expect("read").stored;
    client.requeue(&letter, None).await.expect("requeued");
    eventually("a second run", TIME_LIMIT, async || setup.runs(&fatal).len() == 2).await;
    assert_eq!(setup.end(&fatal).await.state, JobState::Dead);
    let letter = client.report(&key(&fatal)).await.expect("read").stored;
    assert!(client.purge_dead(&letter).await.expect("purged"));
    let gone = client.transport().blob_get(&key(&fatal), &blobs[1]).await.expect("asked");
    assert_eq!(gone, None, "the purge of the letter removes them");
}
