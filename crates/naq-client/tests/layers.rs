//! Layers: code around every enqueue, over the transport in memory.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::sync::{Arc, Mutex};

use naq_client::{Client, EnqueueError, EnqueueLayer, Enqueued, OutgoingJob};
use naq_core::names::JobKey;
use naq_memory::MemoryTransport;

type Log = Arc<Mutex<Vec<String>>>;

struct Logged(&'static str, Log);

impl EnqueueLayer for Logged {
    fn before(&self, job: &mut OutgoingJob<'_>) -> Result<(), String> {
        self.1.lock().unwrap().push(format!("{} before {}", self.0, job.id()));
        if job.task().as_str() == "forbidden" {
            return Err("this program must not enqueue forbidden".into());
        }
        job.add_tag("by-layer");
        Ok(())
    }

    fn after(&self, job: &JobKey, answer: Result<Enqueued, &EnqueueError>) {
        let answer = answer.map_err(ToString::to_string);
        self.1.lock().unwrap().push(format!("{} after {}: {answer:?}", self.0, job.id));
    }
}

fn client() -> (Client, Log) {
    let log = Log::default();
    let client = Client::new(Arc::new(MemoryTransport::new()))
        .layer(Logged("outer", log.clone()))
        .layer(Logged("inner", log.clone()));
    (client, log)
}

fn lines(log: &Log) -> Vec<String> {
    std::mem::take(&mut *log.lock().unwrap())
}

#[tokio::test]
async fn layers_see_a_job_before_it_is_written_and_the_answer_in_reverse_order() {
    let (client, log) = client();
    let job = client.enqueue_task("mail", &1).unwrap().id("a").await.unwrap();
    let around = |answer| {
        [
            "outer before a".to_owned(),
            "inner before a".to_owned(),
            format!("inner after a: Ok({answer})"),
            format!("outer after a: Ok({answer})"),
        ]
    };
    assert_eq!(lines(&log), around("Added"));
    assert_eq!(job.report().await.unwrap().envelope.unwrap().tags, ["by-layer"]);
    client.enqueue_task("mail", &1).unwrap().id("a").await.unwrap();
    assert_eq!(lines(&log), around("Duplicate"));
}

#[tokio::test]
async fn a_layer_refuses_a_job_and_nothing_is_sent() {
    let (client, log) = client();
    let refused = client.enqueue_task("forbidden", &1).unwrap().id("a").await.unwrap_err();
    assert!(matches!(refused, EnqueueError::Layer(_)), "{refused:?}");
    assert_eq!(refused.to_string(), "this program must not enqueue forbidden");
    assert_eq!(lines(&log), ["outer before a"]);
    assert!(client.job(&"a".parse().unwrap(), None).await.is_err());
}

#[tokio::test]
async fn each_job_of_many_passes_the_layers() {
    let (client, log) = client();
    let job = |id: &str, key: &str| client.enqueue_task("mail", &1).unwrap().id(id).unique(key);
    client.enqueue_many([client.enqueue_task("mail", &1).unwrap().id("plain")]).await;
    assert_eq!(
        lines(&log),
        [
            "outer before plain",
            "inner before plain",
            "inner after plain: Ok(Added)",
            "outer after plain: Ok(Added)"
        ]
    );
    client.enqueue_many([job("first", "key"), job("second", "key")]).await;
    let seen = lines(&log);
    assert_eq!(
        seen[4..],
        [
            "inner after first: Ok(Added)",
            "outer after first: Ok(Added)",
            "inner after second: Ok(KeyHeld)",
            "outer after second: Ok(KeyHeld)"
        ]
    );
}
