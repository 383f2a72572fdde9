//! The gauges of queues follow the queues. One test, because a process has one recorder.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use naq_client::Client;
use naq_core::QueueName;
use naq_core::metrics::set_queues;
use naq_memory::MemoryTransport;

/// Values by label values, such as `default/pending`.
#[derive(Clone, Default)]
struct Depths(Arc<Mutex<HashMap<String, Arc<AtomicU64>>>>);

impl Depths {
    fn of(&self, labels: &str) -> Option<f64> {
        let depths = self.0.lock().expect("no panic");
        depths.get(labels).map(|bits| f64::from_bits(bits.load(Ordering::Relaxed)))
    }
}

impl Recorder for Depths {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        if key.name() != "naq_queue_depth" {
            return Gauge::noop();
        }
        let labels: Vec<_> = key.labels().map(|label| label.value()).collect();
        let mut depths = self.0.lock().expect("no panic");
        Gauge::from_arc(depths.entry(labels.join("/")).or_default().clone())
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test]
async fn a_queue_that_is_gone_has_no_jobs() {
    let depths = Depths::default();
    metrics::set_global_recorder(depths.clone()).expect("the first");
    let client = Client::new(Arc::new(MemoryTransport::new()));
    for queue in ["kept", "removed"] {
        client.enqueue_task("mail", &()).expect("a name").queue(queue).await.expect("sent");
    }
    let queues = client.queues().await.expect("read");
    set_queues(&queues, &[]);
    assert_eq!(depths.of("kept/pending"), Some(1.0));
    assert_eq!(depths.of("removed/pending"), Some(1.0));

    let kept = QueueName::new("kept").expect("a name");
    let left: Vec<_> = queues.into_iter().filter(|queue| queue.name == kept).collect();
    set_queues(&left, &[]);
    assert_eq!(depths.of("kept/pending"), Some(1.0));
    assert_eq!(depths.of("removed/pending"), Some(0.0), "a removed queue has no jobs");
}
