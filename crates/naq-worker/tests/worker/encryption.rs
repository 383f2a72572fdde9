//! Jobs whose arguments are encrypted: what handlers see, what the broker stores, and who can read it.

use std::sync::{Arc, Mutex};

use naq_client::Client;
use naq_core::seal::KeyRing;
use naq_core::sign::SigningKey;
use naq_core::transport::{StateKey, StateStore, Transport};
use naq_core::{Failure, JobState, Payload, RetryPolicy};
use naq_worker::{Context, HandlerRuntime, Registry, Worker, WorkerBuilder};
use serde_json::{Value, json};

use crate::bench::{Bench, LEASE, run, secs};

/// A word that must be nowhere at the broker.
const SECRET: &str = "card-4711";

fn ring(ids: &[&str]) -> KeyRing {
    let keys = ids.iter().map(|id| format!("{id} {}\n", KeyRing::generate_key()));
    keys.collect::<String>().parse().expect("a ring")
}

/// The same keys with another one in front.
fn with_front(text: &str, id: &str) -> String {
    format!("{id} {}\n{text}", KeyRing::generate_key())
}

#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<Value>>>);

impl Log {
    fn all(&self) -> Vec<Value> {
        self.0.lock().expect("not poisoned").clone()
    }
}

/// Fails once with saved data, and then returns its argument.
async fn pay(args: Value, cx: Context<Log>) -> Result<Value, Failure> {
    cx.state().0.lock().expect("not poisoned").push(args.clone());
    let saved: Option<Value> = cx.restore().await?;
    cx.progress(1, 2, format!("charges {SECRET}"));
    match saved {
        None => {
            cx.checkpoint(&args).await?;
            Err(Failure::msg("busy"))
        }
        Some(saved) => Ok(json!({"paid": saved})),
    }
}

async fn refund(told: Value, cx: Context<Log>) -> Result<(), Failure> {
    cx.state().0.lock().expect("not poisoned").push(told["args"].clone());
    Ok(())
}

async fn refuse(_: Value, _: Context<Log>) -> Result<(), Failure> {
    Err(Failure::msg("no").fatal())
}

fn worker(bench: &Bench, log: &Log, client: impl FnOnce(Client) -> Client) -> WorkerBuilder {
    let registry = Registry::with_state(log.clone());
    let registry = registry.raw("pay", pay).raw("refund", refund).raw("refuse", refuse);
    let over: Arc<dyn Transport> = Arc::new(bench.broker.clone());
    Worker::builder(client(Client::new(over)), registry)
        .clock(Arc::new(bench.clock.clone()))
        .handler_runtime(HandlerRuntime::Current)
        .chores(false)
        .lease(LEASE)
}

/// All that the broker has of a job, as text.
async fn stored(bench: &Bench, id: &str) -> String {
    let report = bench.report(id).await;
    let messages = bench.client.transport().locate(&report.key).await.expect("read");
    let job = report.envelope.expect("readable");
    let keys = [naq_client::Progress::key(&job), naq_client::Checkpoint::key_of(&job)];
    let entries = bench.broker.state_get(&keys).await.expect("read");
    let mut text = String::new();
    for message in messages {
        text.push_str(&String::from_utf8_lossy(&message.message.body));
        message.message.headers().for_each(|(_, value)| text.push_str(value));
    }
    for entry in entries.into_iter().flatten() {
        text.push_str(&String::from_utf8_lossy(&entry.value));
    }
    text
}

#[tokio::test]
async fn handlers_see_plain_values_and_the_broker_only_encrypted_ones() {
    let bench = Bench::new();
    let log = Log::default();
    let ring = ring(&["k1"]);
    let keys = |client: Client| client.encrypt_with(ring.clone());
    let _worker = run(worker(&bench, &log, keys));
    let client = keys(bench.client.clone());
    let sent = client.enqueue_task("pay", &SECRET).expect("a name").id("job");
    let handle = sent.await.expect("sent");
    bench.turn().await;
    bench.pass(secs(2)).await;
    assert_eq!(bench.state("job").await, JobState::Retrying);
    let text = stored(&bench, "job").await;
    assert!(text.matches("naq:sealed:1:k1:").count() >= 3, "{text}");
    assert!(!text.contains(SECRET), "{text}");
    let report = client.report(&bench.report("job").await.key).await.expect("a job");
    assert_eq!(report.progress.expect("reported").message, format!("charges {SECRET}"));

    bench.pass(secs(4)).await;
    assert_eq!(log.all(), [json!(SECRET), json!(SECRET)]);
    let text = stored(&bench, "job").await;
    assert!(!text.contains(SECRET) && !text.contains("paid"), "{text}");
    assert_eq!(handle.result().await.expect("read"), Some(json!({"paid": SECRET})));
    let view = client.report(&bench.report("job").await.key).await.expect("a job");
    assert_eq!(view.args.map(|args| args.decode::<Value>()), Some(Ok(json!(SECRET))));
    // Without the key, the report says which key it is.
    let report = bench.report("job").await;
    assert_eq!(report.encrypted_with.as_deref(), Some("k1"));
    let result = report.into_output::<Value>().expect_err("encrypted").to_string();
    assert!(result.contains("encrypted with the key k1"), "{result}");
}

#[tokio::test]
async fn a_key_that_a_worker_does_not_have_yet_is_waited_for_and_costs_no_attempt() {
    let bench = Bench::new();
    let log = Log::default();
    let old = format!("k1 {}\n", KeyRing::generate_key());
    let both = with_front(&old, "k2");
    let checks = RetryPolicy::builder().max_retries(3).delay(secs(5)).build();
    let ring = |text: &str| text.parse::<KeyRing>().expect("a ring");
    let behind = worker(&bench, &log, |client| client.encrypt_with(ring(&old)));
    let behind = run(behind.unknown_tasks(checks.clone()));
    let client = bench.client.clone().encrypt_with(ring(&both));
    client.enqueue_task("refuse", &SECRET).expect("a name").id("job").await.expect("sent");
    bench.turn().await;
    let waiting = bench.report("job").await;
    assert_eq!(waiting.state, JobState::Retrying);
    let last = waiting.envelope.expect("readable").history.pop().expect("a record");
    assert_eq!(last.error_kind.expect("a kind").as_str(), "EncryptionError");
    assert_eq!(
        last.message.expect("told"),
        "the arguments: it is encrypted with the key k2, which is not among the keys here"
    );
    behind.kill().await;
    let ahead = run(worker(&bench, &log, |client| client.encrypt_with(ring(&both))));
    bench.pass(secs(5)).await;
    assert_eq!(bench.state("job").await, JobState::Dead);
    assert_eq!(bench.history("job").await, ["1:NotRun:encryption", "1:Failed:fatal"]);
    ahead.kill().await;

    // Without any key, until the checks are used up.
    let _none = run(worker(&bench, &log, |client| client).unknown_tasks(checks));
    client.enqueue_task("pay", &SECRET).expect("a name").id("lost").await.expect("sent");
    bench.turn().await;
    bench.pass(secs(15)).await;
    let dead = bench.report("lost").await.dead.expect("dead");
    assert_eq!((dead.error_kind.as_str(), dead.rule.as_str()), ("EncryptionError", "encryption"));
    assert!(log.all().is_empty());
}

#[tokio::test]
async fn arguments_of_another_job_are_dead_at_once() {
    let bench = Bench::new();
    let log = Log::default();
    let ring = ring(&["k1"]);
    let client = bench.client.clone().encrypt_with(ring.clone());
    client.enqueue_task("pay", &SECRET).expect("a name").id("own").await.expect("sent");
    let args: Payload = bench.report("own").await.envelope.expect("readable").args;
    let text: String = serde_json::from_slice(args.bytes()).expect("text");
    bench.client.enqueue_task("pay", &text).expect("a name").id("thief").await.expect("sent");
    let _worker = run(worker(&bench, &log, |client| client.encrypt_with(ring)));
    bench.turn().await;
    let dead = bench.report("thief").await.dead.expect("dead");
    assert_eq!((dead.error_kind.as_str(), dead.rule.as_str()), ("EncryptionError", "encryption"));
    assert_eq!(log.all(), [json!(SECRET)], "its own job runs");
}

#[tokio::test]
async fn a_follow_up_and_the_run_of_a_schedule_are_encrypted_for_themselves() {
    let bench = Bench::new();
    let log = Log::default();
    let (ring, key) = (ring(&["k1"]), SigningKey::generate());
    let trusted = format!("all {}", key.public());
    let keys = |client: Client| {
        let trusted = trusted.parse().expect("a list");
        client.encrypt_with(ring.clone()).sign_with(key.clone()).trusted_keys(trusted)
    };
    let signed = worker(&bench, &log, keys).require_signed("default").chores(true);
    let _worker = run(signed);
    bench.turn().await;
    let client = keys(bench.client.clone());
    let job = client.enqueue_task("refuse", &SECRET).expect("a name").id("job");
    job.on_exhausted_job("refund").await.expect("sent");
    bench.turn().await;
    assert_eq!(log.all(), [json!(SECRET)], "the follow-up has the arguments of the dead job");
    let text = stored(&bench, "job").await;
    assert!(!text.contains(SECRET), "{text}");
    let life = bench.report("job").await.envelope.expect("readable").nonce;
    let text = stored(&bench, &format!("exhausted-default-job-{life}")).await;
    assert!(text.contains("naq:sealed:1:k1:") && !text.contains(SECRET), "{text}");

    let register = async || {
        let job = client.enqueue_task("refund", &json!({"args": SECRET})).expect("a name");
        client.schedule("nightly").every(secs(60)).template(job).await.expect("registered")
    };
    let first = register().await;
    let again = register().await;
    assert_eq!(format!("{first:?} {again:?}"), "Created Unchanged");
    bench.pass(secs(61)).await;
    bench.pass(secs(1)).await;
    assert_eq!(log.all(), [json!(SECRET), json!(SECRET)]);
    let key = StateKey::new(["schedule", "nightly"]).expect("a key");
    let entry = bench.broker.state_get(&[key]).await.expect("read").remove(0).expect("is there");
    let entry = String::from_utf8_lossy(&entry.value);
    assert!(entry.contains("naq:sealed:1:k1:nightly:") && !entry.contains(SECRET), "{entry}");
}

#[tokio::test]
async fn a_requeue_of_an_encrypted_job_keeps_its_bytes() {
    let bench = Bench::new();
    let log = Log::default();
    let ring = ring(&["k1"]);
    let _worker = run(worker(&bench, &log, |client| client.encrypt_with(ring.clone())));
    let client = bench.client.clone().encrypt_with(ring.clone());
    client.enqueue_task("refuse", &SECRET).expect("a name").id("job").await.expect("sent");
    bench.turn().await;
    let args = async || bench.report("job").await.envelope.expect("readable").args;
    let before = args().await;
    let page = bench.client.transport().dead_letters(None, 0, 10).await.expect("a page");
    // The operator has no key.
    bench.client.requeue(&page.letters[0], None).await.expect("requeued");
    bench.turn().await;
    assert_eq!(args().await, before);
    assert_eq!(bench.history("job").await, ["1:Failed:fatal", "1:Requeued:-", "1:Failed:fatal"]);
}

/// Fails with a text that only holders of the key may read. Its next attempt and a hook see the text.
async fn leak(_: Value, cx: Context<Log>) -> Result<(), Failure> {
    if let Some(last) = cx.last_error() {
        cx.state().0.lock().expect("not poisoned").push(json!(last.to_string()));
    }
    let long = format!("{SECRET} {}", "é\n".repeat(9_000));
    Err(Failure::new("CardError", long))
}

#[tokio::test]
async fn with_encrypted_errors_only_a_holder_of_the_key_reads_their_text() {
    let bench = Bench::new();
    let log = Log::default();
    let ring = ring(&["k1"]);
    let keys = |client: Client| client.encrypt_with(ring.clone()).encrypt_errors(true);
    let hooked = log.clone();
    let registry = Registry::with_state(log.clone()).raw("leak", leak).raw("refund", refund);
    let registry = registry.on_exhausted(move |event| {
        hooked.0.lock().expect("not poisoned").push(json!(event.message));
        async {}
    });
    let over: Arc<dyn Transport> = Arc::new(bench.broker.clone());
    let worker = Worker::builder(keys(Client::new(over)), registry)
        .clock(Arc::new(bench.clock.clone()))
        .handler_runtime(HandlerRuntime::Current)
        .chores(false)
        .lease(LEASE);
    let _worker = run(worker);
    let client = keys(bench.client.clone());
    let job = client.enqueue_task("leak", &1).expect("a name").id("job");
    let job = job.policy("fixed:1s,max_retries=1".parse::<RetryPolicy>().expect("a policy"));
    job.on_exhausted_job("refund").await.expect("sent");
    bench.turn().await;
    bench.pass(secs(3)).await;
    assert_eq!(bench.state("job").await, JobState::Dead);
    let text = stored(&bench, "job").await;
    assert!(!text.contains(SECRET), "{text}");
    assert!(text.contains("CardError"), "the kind is plain: {text}");

    // With the key: the last error of the handler, the hook, the report, a summary.
    let seen = log.all();
    let seen: Vec<_> = seen.iter().filter_map(Value::as_str).collect();
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert!(seen[0].starts_with(&format!("CardError: {SECRET} é")), "{}", seen[0]);
    assert!(seen[1].starts_with(&format!("{SECRET} é")), "{}", seen[1]);
    let key = bench.report("job").await.key;
    let opened = client.report(&key).await.expect("a job");
    let history = opened.envelope.expect("readable").history;
    for record in &history {
        let message = record.message.as_deref().expect("a message");
        assert!(message.starts_with(SECRET) && message.len() > 3_000, "{}", message.len());
    }
    assert!(opened.dead.expect("dead").message.starts_with(SECRET));
    let page = bench.client.transport().dead_letters(None, 0, 10).await.expect("a page");
    assert!(client.dead_summary(&page.letters[0]).message.starts_with(SECRET));

    // Without it.
    let shown = "encrypted with key k1";
    let report = bench.report("job").await;
    let messages = report.envelope.expect("readable").history.into_iter().map(|it| it.message);
    assert_eq!(messages.collect::<Vec<_>>(), [Some(shown.to_owned()), Some(shown.to_owned())]);
    assert_eq!(report.dead.expect("dead").message, shown);
    assert_eq!(bench.client.dead_summary(&page.letters[0]).message, shown);
    // Another job's message opens nowhere else.
    let mut moved = page.letters[0].clone();
    moved.key.id = naq_core::JobId::new("other").expect("an id");
    assert_eq!(client.dead_summary(&moved).message, shown);

    // Statistics group by kind alone.
    bench.pass(secs(70)).await;
    let history = bench.client.history().await.expect("read");
    let groups = history.groups(std::time::Duration::from_secs(3600), 10, bench.client.now());
    let texts = groups.iter().map(|it| (it.group.kind.as_str(), it.group.message.as_str()));
    let groups: Vec<_> = texts.collect();
    assert_eq!(groups, [("CardError", shown)]);
    let filter = naq_client::DeadFilter {
        pattern: Some(naq_core::stats::pattern(shown)),
        error_kind: Some(naq_core::ErrorKind::new("CardError").expect("a kind")),
        ..Default::default()
    };
    assert!(filter.fits(&page.letters[0]), "a group of the statistics finds its letters");
}

#[tokio::test]
async fn errors_stay_plain_without_the_choice_and_for_plain_jobs() {
    let bench = Bench::new();
    let log = Log::default();
    let ring = ring(&["k1"]);
    let encrypt = |client: Client| client.encrypt_with(ring.clone()).encrypt_errors(true);
    let worker = run(worker(&bench, &log, encrypt));
    bench.client.enqueue_task("refuse", &1).expect("a name").id("plain").await.expect("sent");
    bench.turn().await;
    assert_eq!(bench.report("plain").await.dead.expect("dead").message, "no");
    worker.kill().await;
    let keys = |client: Client| client.encrypt_with(ring.clone());
    let _worker = run(self::worker(&bench, &log, keys));
    let client = keys(bench.client.clone());
    client.enqueue_task("refuse", &1).expect("a name").id("job").await.expect("sent");
    bench.turn().await;
    assert_eq!(bench.report("job").await.dead.expect("dead").message, "no");
}
