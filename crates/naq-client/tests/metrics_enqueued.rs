//! Enqueued jobs are counted by the recorder of the process. One test, because a process has one
//! recorder.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use naq_client::Client;
use naq_memory::MemoryTransport;

/// Counts by label values, such as `default/mail`.
#[derive(Clone, Default)]
struct Counts(Arc<Mutex<HashMap<String, Arc<AtomicU64>>>>);

impl Counts {
    fn of(&self, labels: &str) -> Option<u64> {
        let counts = self.0.lock().expect("no panic");
        counts.get(labels).map(|count| count.load(Ordering::Relaxed))
    }
}

impl Recorder for Counts {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        assert_eq!(key.name(), "naq_jobs_enqueued_total");
        let labels: Vec<_> = key.labels().map(|label| label.value()).collect();
        let mut counts = self.0.lock().expect("no panic");
        Counter::from_arc(counts.entry(labels.join("/")).or_default().clone())
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test]
async fn each_stored_job_counts_once_and_the_number_of_labels_is_bounded() {
    let counts = Counts::default();
    metrics::set_global_recorder(counts.clone()).expect("the first");
    let client = Client::new(Arc::new(MemoryTransport::new()));
    let job = |task: &str| client.enqueue_task(task, &()).expect("a name");
    for _ in 0..2 {
        job("mail").id("one").await.expect("sent");
    }
    job("mail").queue("slow").await.expect("sent");
    let sent = client.enqueue_many((0..3).map(|_| job("mail"))).await;
    assert!(sent.iter().all(Result::is_ok));
    job("mail").unique("key").await.expect("sent");
    let held = job("mail").unique("key").await.expect("answered");
    assert!(held.held_by().is_some());
    assert_eq!(counts.of("default/mail"), Some(1 + 3 + 1), "the id and the key twice, stored once");
    assert_eq!(counts.of("slow/mail"), Some(1));

    drop(job("never").prepare().expect("written"));
    assert_eq!(counts.of("default/never"), Some(0), "a job that was not sent");

    for task in 0..600 {
        job(&format!("made-up-{task}")).await.expect("sent");
    }
    let labels = counts.0.lock().expect("no panic").len();
    assert!(labels <= 502, "{labels}");
    assert!(counts.of("default/_unknown") >= Some(100));
}
