//! A queue that takes only signed jobs: whose jobs run, and what becomes of the others.

use std::sync::Arc;
use std::time::Duration;

use naq_client::Client;
use naq_core::sign::{SigningKey, TrustedKeys};
use naq_core::testing::{DiePoint, FaultPlan, FaultyTransport, Op};
use naq_core::transport::{JobKey, Producer, Stored, Submission, Transport};
use naq_core::wire::WireMessage;
use naq_core::{JobId, JobState, QueueName};
use naq_worker::{HandlerRuntime, Worker, WorkerBuilder};

use crate::bench::{Bench, Do, LEASE, Script, registry, run, secs};

/// Keys by their names.
fn trusts(keys: &[(&str, &SigningKey)]) -> TrustedKeys {
    let lines = keys.iter().map(|(name, key)| format!("{name} {}\n", key.public()));
    lines.collect::<String>().parse().expect("a list")
}

fn client(bench: &Bench, key: &SigningKey) -> Client {
    bench.client.clone().sign_with(key.clone())
}

/// A worker that takes only signed jobs from `default`.
fn strict(
    bench: &Bench,
    over: Arc<dyn Transport>,
    client: impl FnOnce(Client) -> Client,
) -> WorkerBuilder {
    Worker::builder(client(Client::new(over)), registry(&bench.seen))
        .clock(Arc::new(bench.clock.clone()))
        .handler_runtime(HandlerRuntime::Current)
        .chores(false)
        .lease(LEASE)
        .require_signed("default")
}

async fn publish(bench: &Bench, id: &str, message: WireMessage) {
    let key = JobKey { queue: QueueName::default(), id: JobId::new(id).expect("an id") };
    let dedup = format!("{id}-forged");
    let job = Submission { key, due_at: None, dedup, unique: false, message };
    bench.broker.publish(job).await.expect("stored");
    bench.turn().await;
}

async fn letters(bench: &Bench) -> Vec<Stored> {
    bench.client.transport().dead_letters(None, 0, 100).await.expect("a page").letters
}

/// The job died of its signature, and nothing of it ran.
async fn is_refused(bench: &Bench, id: &str, why: &str) {
    let report = bench.report(id).await;
    let dead = report.dead.unwrap_or_else(|| panic!("{id} is {}", report.state));
    assert_eq!((dead.error_kind.as_str(), dead.rule.as_str()), ("SignatureError", "signature"));
    assert!(dead.message.contains(why), "{id}: {}", dead.message);
    assert_eq!(bench.seen.starts(id), 0, "{id}");
}

#[tokio::test]
async fn a_job_runs_only_if_a_key_that_its_queue_accepts_has_signed_it() {
    let bench = Bench::new();
    let [web, stranger] = [(); 2].map(|()| SigningKey::generate());
    let keys = trusts(&[("web", &web)]);
    let worker = strict(&bench, Arc::new(bench.broker.clone()), |it| it.trusted_keys(keys.clone()));
    let _worker = run(worker);
    let script = || Script(vec![Do::Fail("ConnectionError".into()), Do::Succeed]);

    let job = client(&bench, &web);
    job.enqueue(script()).id("good").await.expect("sent");
    bench.turn().await;
    assert_eq!(bench.state("good").await, JobState::Retrying);
    bench.pass(secs(5)).await;
    let good = bench.client.clone().trusted_keys(keys.clone());
    let good = good.job(&JobId::new("good").expect("an id"), None).await.expect("a job");
    let signer = good.signer.expect("it is signed");
    assert_eq!(
        (good.state, signer.name.as_deref(), signer.valid),
        (JobState::Completed, Some("web"), true)
    );

    let unsigned = bench.client.enqueue(script()).id("none").on_exhausted_job("refund@money");
    unsigned.await.expect("sent");
    bench.turn().await;
    is_refused(&bench, "none", "not signed").await;
    client(&bench, &stranger).enqueue(script()).id("stranger").await.expect("sent");
    bench.turn().await;
    is_refused(&bench, "stranger", stranger.public()).await;
    let copy = good.stored.message.clone();
    publish(&bench, "moved", copy).await;
    is_refused(&bench, "moved", "does not fit").await;
    let text = String::from_utf8(good.stored.message.body.to_vec()).expect("text");
    publish(
        &bench,
        "good",
        WireMessage::new(text.replace("ConnectionError", "TimeoutError").into()),
    )
    .await;
    assert_eq!(bench.seen.starts("good"), 2, "both attempts ran before the job was forged");

    assert_eq!((letters(&bench).await.len(), bench.left().await), (4, 0));
    let queues = bench.client.queues().await.expect("a list");
    assert!(
        queues.iter().all(|queue| queue.name.as_str() != "money"),
        "nothing follows a forged job"
    );
}

#[tokio::test]
async fn a_forged_job_ends_nothing_of_the_job_whose_life_it_names() {
    let bench = Bench::new();
    let web = SigningKey::generate();
    let keys = trusts(&[("web", &web)]);
    let worker = strict(&bench, Arc::new(bench.broker.clone()), |it| it.trusted_keys(keys));
    let _worker = run(worker);
    let producer = client(&bench, &web);
    producer.enqueue(Script(vec![Do::Succeed])).id("real").delay(secs(60)).await.expect("sent");
    let waiting = bench.report("real").await.stored.message;
    let text = String::from_utf8(waiting.body.to_vec()).expect("text");
    let mut forged = WireMessage::new(text.replace("Succeed", "Fatal").into());
    forged = waiting.headers().fold(forged, |message, (name, value)| message.with(name, value));
    publish(&bench, "real", forged.as_suspect()).await;
    assert_eq!((letters(&bench).await.len(), bench.seen.starts("real")), (1, 0));
    bench.pass(secs(61)).await;
    assert_eq!((bench.seen.starts("real"), bench.state("real").await), (1, JobState::Completed));
}

#[tokio::test]
async fn a_forged_job_has_one_letter_wherever_the_worker_dies() {
    for op in [Op::Dead, Op::Ack] {
        for point in [DiePoint::Before(op), DiePoint::After(op)] {
            let bench = Bench::new();
            let keys = trusts(&[("web", &SigningKey::generate())]);
            let plan = FaultPlan::new().die_at(point, 1);
            let faulty = Arc::new(FaultyTransport::new(bench.broker.clone(), plan));
            let trust = |it: Client| it.trusted_keys(keys.clone());
            let first = run(strict(&bench, faulty.clone(), trust));
            bench.enqueue("job", [Do::Succeed]).await;
            assert_eq!(faulty.died_at(), Some(point));
            first.kill().await;
            let _second = run(strict(&bench, Arc::new(bench.broker.clone()), trust));
            bench.pass(LEASE + secs(1)).await;
            assert_eq!((letters(&bench).await.len(), bench.left().await), (1, 0), "{point}");
            is_refused(&bench, "job", "not signed").await;
        }
    }
}

#[tokio::test]
async fn what_a_worker_makes_is_signed_by_the_worker() {
    let bench = Bench::new();
    let [web, worker] = [(); 2].map(|()| SigningKey::generate());
    let keys = trusts(&[("web", &web), ("worker-1", &worker)]);
    let signing = strict(&bench, Arc::new(bench.broker.clone()), |it| {
        it.trusted_keys(keys.clone()).sign_with(worker)
    });
    let _worker = run(signing);
    let job = client(&bench, &web);
    let dies = job.enqueue(Script(vec![Do::Fatal])).id("job").on_exhausted_job("script");
    dies.await.expect("sent");
    bench.turn().await;
    let life = bench.report("job").await.envelope.expect("readable").nonce;
    let id = JobId::new(format!("exhausted-default-job-{life}")).expect("an id");
    let follower = bench.client.clone().trusted_keys(keys).job(&id, None).await.expect("a job");
    assert_eq!(follower.signer.expect("signed").name.as_deref(), Some("worker-1"));
    // It was taken: its arguments are not a script.
    assert_eq!(follower.dead.expect("dead").error_kind.as_str(), "DecodeError");
}

#[tokio::test]
async fn the_runs_of_a_signed_schedule_are_signed_whichever_worker_makes_them() {
    let bench = Bench::new();
    let web = SigningKey::generate();
    let keys = trusts(&[("web", &web)]);
    let worker = strict(&bench, Arc::new(bench.broker.clone()), |it| it.trusted_keys(keys));
    let _worker = run(worker.chores(true));
    bench.turn().await;
    let every = Duration::from_secs(60);
    for (name, client) in [("signed", client(&bench, &web)), ("unsigned", bench.client.clone())] {
        let schedule = client.schedule(name).every(every).start_within(every);
        schedule.job(Script(vec![Do::Succeed])).await.expect("registered");
    }
    bench.pass(every + secs(1)).await;
    bench.pass(every).await;
    let ran = bench.seen.order();
    assert_eq!(ran.iter().filter(|id| id.starts_with("signed-")).count(), 2, "{ran:?}");
    assert_eq!(ran.len(), 2, "{ran:?}");
    let dead = letters(&bench).await;
    assert_eq!(dead.len(), 2);
    assert!(dead.iter().all(|letter| letter.key.id.as_str().starts_with("unsigned-")), "{dead:?}");
}

#[tokio::test]
async fn a_requeue_keeps_the_signature_unless_the_deadline_has_to_go() {
    let bench = Bench::new();
    let [web, ops] = [(); 2].map(|()| SigningKey::generate());
    let keys = trusts(&[("web", &web), ("ops", &ops)]);
    let trust = |it: Client| it.trusted_keys(keys.clone());
    let _worker = run(strict(&bench, Arc::new(bench.broker.clone()), trust));
    let producer = client(&bench, &web);
    let once = || Script(vec![Do::Fatal]);
    producer.enqueue(once()).id("plain").await.expect("sent");
    for id in ["late-1", "late-2"] {
        producer.enqueue(once()).id(id).expires_in(secs(60)).await.expect("sent");
    }
    bench.enqueue("forged", [Do::Succeed]).await;
    bench.pass(secs(61)).await;
    let dead = letters(&bench).await;
    assert_eq!(dead.len(), 4);
    let operator = trust(bench.client.clone());
    let signing = operator.clone().sign_with(ops);
    for letter in dead {
        let by = match letter.key.id.as_str() {
            "late-1" => &operator,
            _ => &signing,
        };
        by.requeue(&letter, None).await.expect("requeued");
    }
    bench.turn().await;
    let signer = async |id: &str| {
        let report = operator.job(&JobId::new(id).expect("an id"), None).await.expect("a job");
        report.signer.and_then(|signer| signer.name)
    };
    assert_eq!((bench.seen.starts("plain"), signer("plain").await.as_deref()), (2, Some("web")));
    assert_eq!((bench.seen.starts("late-2"), signer("late-2").await.as_deref()), (2, Some("ops")));
    assert_eq!((bench.seen.starts("late-1"), signer("late-1").await), (1, None));
    assert_eq!((bench.seen.starts("forged"), signer("forged").await), (0, None));
}
