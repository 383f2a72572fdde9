//! Arguments that are larger than a message: they are in a blob beside their job.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use naq_client::{Client, EnqueueError, JobReport, LargeArgs};
use naq_core::seal::KeyRing;
use naq_core::sign::{SigningKey, TrustedKeys};
use naq_core::testing::{DiePoint, Fault, FaultPlan, FaultyTransport, Op};
use naq_core::transport::{BlobRef, Blobs};
use naq_core::{Failure, JobState, QueueName};
use naq_worker::{Context, Registry};
use serde_json::{Value, json};

use crate::bench::{Bench, Do, Script, run, secs};

const LARGE: usize = 3_000_000;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A script whose last line, which no test reaches, makes it large.
fn large(mut script: Vec<Do>) -> Script {
    script.push(Do::Fail("x".repeat(LARGE)));
    Script(script)
}

fn client(bench: &Bench) -> Client {
    bench.client.clone().large_args(LargeArgs::Store)
}

fn args(report: &JobReport) -> String {
    let args = report.args.as_ref().expect("arguments");
    String::from_utf8(args.bytes().to_vec()).expect("JSON")
}

fn blob(report: &JobReport) -> BlobRef {
    report.envelope.as_ref().and_then(|job| job.args_blob.clone()).expect("a blob")
}

async fn is_stored(bench: &Bench, report: &JobReport) -> bool {
    let found = bench.broker.blob_get(&report.key, &blob(report)).await;
    found.expect("asked").is_some()
}

async fn kept(bench: &Bench) -> usize {
    bench.broker.blobs_kept(&QueueName::default()).await.expect("asked").len()
}

#[tokio::test]
async fn large_arguments_are_refused_unless_the_client_stores_them() {
    let bench = Bench::new();
    let refused = bench.client.enqueue(large(vec![Do::Succeed])).await;
    assert!(matches!(refused, Err(EnqueueError::Encode(_))), "{refused:?}");
    client(&bench).enqueue(large(vec![Do::Succeed])).await.expect("sent");
}

#[tokio::test]
async fn a_job_with_large_arguments_retries_with_them_and_removes_them_at_its_end() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    let script = large(vec![Do::Fail("ConnectionError".into()), Do::Succeed]);
    let written = serde_json::to_string(&script).expect("JSON");
    let sent = client(&bench).enqueue_many([client(&bench).enqueue(script).id("job")]).await;
    sent.into_iter().for_each(|sent| drop(sent.expect("sent")));
    bench.turn().await;
    let waits = bench.report("job").await;
    assert_eq!(waits.state, JobState::Retrying);
    assert!(waits.stored.message.size() < 4_000, "the message is small");
    assert!(args(&waits) == written && is_stored(&bench, &waits).await);
    bench.pass(secs(10)).await;
    let ended = bench.report("job").await;
    assert_eq!((ended.state, bench.seen.starts("job")), (JobState::Completed, 2));
    assert!(!is_stored(&bench, &ended).await, "removed with the job");
    assert_eq!((kept(&bench).await, bench.left().await), (0, 0));
}

#[tokio::test]
async fn a_dead_letter_keeps_large_arguments_until_it_is_purged() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    let script = large(vec![Do::Fatal]);
    let written = serde_json::to_string(&script).expect("JSON");
    client(&bench).enqueue(script).id("job").await.expect("sent");
    bench.turn().await;
    for starts in 1..=2 {
        let dead = bench.report("job").await;
        assert_eq!((dead.state, bench.seen.starts("job")), (JobState::Dead, starts));
        assert!(args(&dead) == written, "the requeue is exact");
        if starts == 1 {
            bench.client.requeue(&dead.stored, None).await.expect("requeued");
            bench.turn().await;
        }
    }
    let dead = bench.report("job").await;
    assert!(bench.client.purge_dead(&dead.stored).await.expect("purged"));
    assert!(!is_stored(&bench, &dead).await, "removed with the letter");
}

#[tokio::test]
async fn a_purge_of_a_letter_leaves_the_arguments_of_the_next_life() {
    let bench = Bench::new();
    let worker = bench.start().await;
    client(&bench).enqueue(large(vec![Do::Fatal])).id("job").await.expect("sent");
    bench.turn().await;
    worker.kill().await;
    let dead = bench.report("job").await;
    bench.client.requeue(&dead.stored, Some(secs(60))).await.expect("requeued");
    // As after a requeue that crashed before it removed the letter.
    bench.client.purge_dead(&dead.stored).await.expect("purged");
    assert!(is_stored(&bench, &dead).await);
    let key = bench.report("job").await.key;
    bench.client.cancel(&key, "not needed").await.expect("cancelled");
    assert!(!is_stored(&bench, &dead).await, "removed with the cancelled job");
}

#[tokio::test]
async fn a_crash_between_arguments_and_job_leaves_only_arguments_which_a_worker_removes_after_a_day()
 {
    let bench = Bench::new();
    let plan = FaultPlan::new().die_at(DiePoint::After(Op::Blob), 1);
    let faulty = Arc::new(FaultyTransport::new(bench.broker.clone(), plan));
    let dies =
        Client::new(faulty).large_args(LargeArgs::Store).clock(Arc::new(bench.clock.clone()));
    dies.enqueue(large(vec![Do::Succeed])).id("dies").await.expect_err("it dies");
    assert_eq!((kept(&bench).await, bench.left().await), (1, 0), "only its arguments are stored");
    client(&bench).enqueue(large(vec![Do::Succeed])).delay(DAY * 30).id("waits").await.expect("ok");
    client(&bench).enqueue(large(vec![Do::Fatal])).id("dead").await.expect("ok");
    let worker = bench.start().await;
    bench.pass(secs(2 * 3600)).await;
    assert_eq!(kept(&bench).await, 3, "its job may still come");
    worker.kill().await;
    bench.pass(DAY).await;
    let _worker = bench.start().await;
    // A worker looks about once an hour.
    bench.pass(secs(2 * 3600)).await;
    assert_eq!(kept(&bench).await, 2, "no others are removed");
    for id in ["waits", "dead"] {
        assert!(is_stored(&bench, &bench.report(id).await).await, "{id}");
    }
}

#[tokio::test]
async fn a_job_that_is_stored_already_stores_no_arguments_again() {
    let bench = Bench::new();
    for is_duplicate in [false, true] {
        let job = client(&bench).enqueue(large(vec![Do::Succeed])).id("job").await.expect("sent");
        assert_eq!(job.is_duplicate(), is_duplicate);
    }
    let client = client(&bench);
    let unique = |id| client.enqueue(large(vec![Do::Succeed])).id(id).unique("key").into_future();
    assert!(unique("one").await.expect("sent").held_by().is_none());
    assert!(unique("two").await.expect("sent").held_by().is_some());
    assert_eq!(kept(&bench).await, 2);
}

#[tokio::test]
async fn arguments_of_a_job_that_the_broker_refuses_are_removed_at_once() {
    let bench = Bench::new();
    let plan = FaultPlan::new().on(Op::Publish, 1, 1, Fault::Refused);
    let faulty = Arc::new(FaultyTransport::new(bench.broker.clone(), plan));
    let refused =
        Client::new(faulty).large_args(LargeArgs::Store).clock(Arc::new(bench.clock.clone()));
    let sent = refused.enqueue(large(vec![Do::Succeed])).await;
    assert!(matches!(sent, Err(EnqueueError::Transport(_))), "{sent:?}");
    assert_eq!(kept(&bench).await, 0);
}

#[tokio::test]
async fn a_purge_of_a_queue_removes_the_arguments_of_its_jobs_and_keeps_those_of_its_letters() {
    let bench = Bench::new();
    let worker = bench.start().await;
    client(&bench).enqueue(large(vec![Do::Fatal])).id("dead").await.expect("sent");
    bench.turn().await;
    worker.kill().await;
    client(&bench).enqueue(large(vec![Do::Succeed])).id("pending").await.expect("sent");
    client(&bench).enqueue(large(vec![Do::Succeed])).delay(DAY).id("waits").await.expect("sent");
    assert_eq!(kept(&bench).await, 3);
    assert_eq!(bench.client.purge_queue(&QueueName::default()).await.expect("purged"), 2);
    assert_eq!(kept(&bench).await, 1);
    assert!(is_stored(&bench, &bench.report("dead").await).await);
}

#[tokio::test]
async fn a_job_whose_arguments_are_gone_waits_and_then_dies_and_never_runs_without_them() {
    let bench = Bench::new();
    client(&bench).enqueue(large(vec![Do::Succeed])).id("job").await.expect("sent");
    let report = bench.report("job").await;
    bench.broker.blob_remove(&report.key, &blob(&report)).await.expect("removed");
    let _worker = bench.start().await;
    assert_eq!(bench.state("job").await, JobState::Retrying, "a replica may lag");
    bench.pass(secs(2 * 3600)).await;
    let letter = bench.report("job").await.dead.expect("dead");
    assert_eq!((letter.error_kind.as_str(), letter.rule.as_str()), ("ArgsMissing", "arguments"));
    assert_eq!(bench.seen.starts("job"), 0);
}

async fn count(args: Value, _: Context<()>) -> Result<usize, Failure> {
    Ok(args["pad"].as_str().map_or(0, str::len))
}

#[tokio::test]
async fn large_arguments_are_encrypted_and_signed() {
    let bench = Bench::new();
    let ring: KeyRing = format!("k1 {}\n", KeyRing::generate_key()).parse().expect("a ring");
    let key = SigningKey::generate();
    let line = format!("orders {}\n", key.public());
    let trusted: TrustedKeys = line.parse().expect("keys");
    let over = Arc::new(bench.broker.clone());
    let builder = naq_worker::Worker::builder(
        Client::new(over).encrypt_with(ring.clone()).trusted_keys(trusted),
        Registry::with_state(()).raw("count", count),
    );
    let _worker = run(builder
        .clock(Arc::new(bench.clock.clone()))
        .handler_runtime(naq_worker::HandlerRuntime::Current)
        .chores(false)
        .require_signed("default"));
    let maker = client(&bench).sign_with(key).encrypt_with(ring);
    let args = json!({ "pad": "card-4711".repeat(300_000) });
    for id in ["good", "changed"] {
        let job = maker.enqueue_task("count", &args).expect("a name");
        job.id(id).delay(secs(5)).await.expect("sent");
        let report = bench.report(id).await;
        let data = bench.broker.blob_get(&report.key, &blob(&report)).await.expect("asked");
        let mut data = data.expect("stored").to_vec();
        assert!(!data.windows(9).any(|part| part == b"card-4711"), "it is encrypted");
        if id == "changed" {
            let at = data.len() / 2;
            data[at] = if data[at] == b'A' { b'B' } else { b'A' };
            let changed = blob(&report);
            let put = bench.broker.blob_put(&report.key, &changed, data.into(), DAY);
            put.await.expect("stored");
        }
    }
    bench.pass(secs(10)).await;
    let good = bench.report("good").await;
    assert_eq!(good.state, JobState::Completed, "{:?}", good.dead);
    let letter = bench.report("changed").await.dead.expect("dead");
    assert_eq!(letter.error_kind.as_str(), "SignatureError");
}

#[tokio::test]
async fn a_job_with_large_arguments_runs_again_with_them_stored_beside_the_new_job() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    let script = large(vec![Do::Fatal]);
    let written = serde_json::to_string(&script).expect("JSON");
    client(&bench).enqueue(script).id("job").await.expect("sent");
    bench.turn().await;
    let dead = bench.report("job").await;
    // The operator's client stores no large arguments of its own.
    let again = bench.client.run_again(&dead).expect("ended").id("again");
    again.await.expect("sent");
    let waits = bench.report("again").await;
    assert!(args(&waits) == written && blob(&waits) != blob(&dead), "a blob of its own");
    bench.turn().await;
    assert_eq!((bench.seen.starts("again"), bench.state("again").await), (1, JobState::Dead));
    // Changed arguments: in the message if they fit, as those of `requeue --edit`.
    let small = Script(vec![Do::Succeed]);
    let small = bench.client.run_again(&dead).expect("ended").args(&small).id("small");
    small.await.expect("sent");
    let other = large(vec![Do::Succeed, Do::Succeed]);
    let other = bench.client.run_again(&dead).expect("ended").args(&other).id("other");
    other.await.expect("sent");
    bench.turn().await;
    for (id, in_blob) in [("small", false), ("other", true)] {
        let done = bench.report(id).await;
        assert_eq!(done.state, JobState::Completed, "{id}");
        assert_eq!(done.envelope.expect("readable").args_blob.is_some(), in_blob, "{id}");
    }
    let fresh = bench.client.enqueue(large(vec![Do::Succeed])).await;
    assert!(fresh.is_err(), "other jobs of this client are refused as before");
}
