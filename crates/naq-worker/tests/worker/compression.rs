//! Jobs whose payloads are compressed: what handlers see, what the broker stores, and who reads it.

use std::sync::{Arc, Mutex};

use naq_client::{Client, LargeArgs};
use naq_core::compress::Compression;
use naq_core::seal::KeyRing;
use naq_core::sign::SigningKey;
use naq_core::transport::{StateStore, Transport};
use naq_core::{Codec, Failure, JobState};
use naq_worker::{Context, HandlerRuntime, Registry, Worker, WorkerBuilder};
use serde_json::{Value, json};

use crate::bench::{Bench, LEASE, run, secs};

#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<Value>>>);

impl Log {
    fn all(&self) -> Vec<Value> {
        self.0.lock().expect("not poisoned").clone()
    }
}

/// Saves its arguments and fails; then returns what it saved.
async fn copy(args: Value, cx: Context<Log>) -> Result<Value, Failure> {
    cx.state().0.lock().expect("not poisoned").push(args.clone());
    match cx.restore::<Value>().await? {
        None => {
            cx.checkpoint(&args).await?;
            Err(Failure::msg("busy"))
        }
        Some(saved) => Ok(saved),
    }
}

async fn refuse(_: Value, _: Context<Log>) -> Result<(), Failure> {
    Err(Failure::msg("no").fatal())
}

async fn after(told: Value, cx: Context<Log>) -> Result<(), Failure> {
    cx.state().0.lock().expect("not poisoned").push(told["args"].clone());
    Ok(())
}

fn worker(bench: &Bench, log: &Log, client: impl FnOnce(Client) -> Client) -> WorkerBuilder {
    let registry = Registry::with_state(log.clone());
    let registry = registry.raw("copy", copy).raw("refuse", refuse).raw("after", after);
    let over: Arc<dyn Transport> = Arc::new(bench.broker.clone());
    Worker::builder(client(Client::new(over)), registry)
        .clock(Arc::new(bench.clock.clone()))
        .handler_runtime(HandlerRuntime::Current)
        .chores(false)
        .lease(LEASE)
}

fn much() -> Value {
    json!({"rows": vec!["ann@example.com"; 4_000]})
}

/// All that the broker has of a job, as text.
async fn stored(bench: &Bench, id: &str) -> String {
    let report = bench.report(id).await;
    let messages = bench.client.transport().locate(&report.key).await.expect("read");
    let job = report.envelope.expect("readable");
    let keys = [naq_client::Checkpoint::key_of(&job)];
    let entries = bench.broker.state_get(&keys).await.expect("read");
    let mut text = String::new();
    for message in messages {
        text.push_str(&String::from_utf8_lossy(&message.message.body));
    }
    for entry in entries.into_iter().flatten() {
        text.push_str(&String::from_utf8_lossy(&entry.value));
    }
    text
}

#[tokio::test]
async fn handlers_and_clients_see_plain_values_and_the_broker_small_ones() {
    for codec in [Codec::Json, Codec::MsgPack] {
        let bench = Bench::new();
        let log = Log::default();
        let compress = |client: Client| client.compress(Compression::Lz4).codec(codec);
        let _worker = run(worker(&bench, &log, compress));
        let client = compress(bench.client.clone());
        let sent = client.enqueue_task("copy", &much()).expect("a name").id("job");
        let handle = sent.await.expect("sent");
        bench.turn().await;
        assert_eq!(bench.state("job").await, JobState::Retrying);
        let text = stored(&bench, "job").await;
        assert_eq!(text.matches("naq:lz4:1:").count(), 2, "arguments and checkpoint");
        assert!(text.len() < 8_000 && !text.contains("ann@example.com"), "{}", text.len());
        let shown = bench.report("job").await.args.expect("arguments");
        assert_eq!(shown.decode::<Value>().expect("plain"), much());

        bench.pass(secs(10)).await;
        assert_eq!(log.all(), [much(), much()]);
        assert!(stored(&bench, "job").await.len() < 8_000, "the result is small, too");
        assert_eq!(handle.result().await.expect("read"), Some(much()));
        // An operator who compresses nothing.
        let ended = bench.report("job").await;
        let again = bench.client.run_again(&ended).expect("ended").id("again");
        again.await.expect("sent");
        bench.turn().await;
        assert_eq!(log.all().last(), Some(&much()));
    }
}

#[tokio::test]
async fn a_worker_that_compresses_nothing_reads_all_and_a_small_value_stays_plain() {
    let bench = Bench::new();
    let log = Log::default();
    let _worker = run(worker(&bench, &log, |client| client));
    let client = bench.client.clone().compress(Compression::Lz4);
    for (id, args) in [("large", much()), ("small", json!("ann"))] {
        client.enqueue_task("copy", &args).expect("a name").id(id).await.expect("sent");
        bench.turn().await;
    }
    assert_eq!(log.all(), [much(), json!("ann")]);
    assert!(stored(&bench, "small").await.contains(r#""args":"ann""#));
    let large = stored(&bench, "large").await;
    assert_eq!(large.matches("naq:lz4:1:").count(), 1, "the checkpoint is plain");
}

#[tokio::test]
async fn a_value_is_compressed_then_encrypted_then_signed_and_a_requeue_keeps_its_bytes() {
    let bench = Bench::new();
    let log = Log::default();
    let ring: KeyRing = format!("k1 {}", KeyRing::generate_key()).parse().expect("a ring");
    let key = SigningKey::generate();
    let trusted = format!("all {}", key.public());
    let protect = |client: Client| {
        let trusted = trusted.parse().expect("a list");
        let client = client.encrypt_with(ring.clone()).sign_with(key.clone());
        client.trusted_keys(trusted).compress(Compression::Lz4)
    };
    let _worker = run(worker(&bench, &log, protect).require_signed("default"));
    let client = protect(bench.client.clone());
    client.enqueue_task("copy", &much()).expect("a name").id("job").await.expect("sent");
    let dead = client.enqueue_task("refuse", &much()).expect("a name").id("dead");
    dead.on_exhausted_job("after").await.expect("sent");
    bench.turn().await;
    bench.pass(secs(10)).await;
    assert_eq!(log.all(), [much(), much(), much()], "the follow-up has them, too");
    let text = stored(&bench, "job").await;
    assert_eq!(text.matches("naq:sealed:2:k1:").count(), 2, "arguments and result");
    assert!(text.len() < 8_000 && !text.contains("naq:lz4"), "{}", text.len());
    let page = bench.client.transport().dead_letters(None, 0, 10).await.expect("a page");
    let args = async || bench.report("dead").await.envelope.expect("readable").args;
    let before = args().await;
    bench.client.requeue(&page.letters[0], None).await.expect("requeued");
    bench.turn().await;
    assert_eq!(args().await, before);
}

#[tokio::test]
async fn large_arguments_are_compressed_in_their_blob() {
    let bench = Bench::new();
    let log = Log::default();
    let _worker = run(worker(&bench, &log, |client| client));
    let rows = json!(vec!["ann@example.com"; 120_000]);
    let client = bench.client.clone().compress(Compression::Lz4).large_args(LargeArgs::Store);
    client.enqueue_task("refuse", &rows).expect("a name").id("job").await.expect("sent");
    bench.turn().await;
    let dead = bench.report("job").await;
    let job = dead.envelope.expect("readable");
    assert_eq!((dead.state, &*dead.dead.expect("dead").message), (JobState::Dead, "no"));
    assert!(job.args_blob.expect("a blob").bytes() < 100_000);
    assert_eq!(dead.args.expect("arguments").decode::<Value>().expect("plain"), rows);
    let text = stored(&bench, "job").await;
    assert!(text.contains(r#""v":3"#), "also before its blob is read: {text}");
}

#[tokio::test]
async fn a_bomb_is_a_dead_letter_and_no_handler_runs() {
    let bench = Bench::new();
    let log = Log::default();
    let _worker = run(worker(&bench, &log, |client| client));
    // Just above what a message may hold, in some 4 KiB: another program does not keep the bound.
    let bomb = json!("a".repeat(1024 * 1024));
    let plain = naq_core::Payload::encode(Codec::Json, &bomb).expect("writes");
    let bomb = Compression::Lz4.apply(&plain).expect("writes");
    let bomb: Value = serde_json::from_slice(bomb.bytes()).expect("a text");
    for (id, args) in [("bomb", bomb), ("broken", json!("naq:lz4:1:SgAAAAk"))] {
        bench.client.enqueue_task("copy", &args).expect("a name").id(id).await.expect("sent");
        bench.turn().await;
        let dead = bench.report(id).await.dead.expect("dead");
        assert_eq!((dead.error_kind.as_str(), dead.rule.as_str()), ("DecodeError", "undecodable"));
        assert!(dead.message.contains("decompressed"), "{}", dead.message);
    }
    assert!(log.all().is_empty());
    let refused = bench.client.run_again(&bench.report("bomb").await).expect_err("a bomb");
    assert!(refused.to_string().contains("cannot be decompressed"), "{refused}");
}
