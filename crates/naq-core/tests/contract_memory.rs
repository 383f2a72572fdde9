//! The in-memory transport keeps the contract.
#![cfg(all(feature = "memory", feature = "testing"))]

use std::sync::Arc;
use std::time::Duration;

use naq_core::memory::MemoryTransport;
use naq_core::testing::ManualClock;
use naq_core::transport::*;
use naq_core::{Client, QueueName};

#[tokio::test]
async fn smoke() {
    let clock = ManualClock::new();
    let t = MemoryTransport::with_timer(Arc::new(clock.clone()));
    let client = Client::new(Arc::new(t.clone())).clock(Arc::new(clock.clone()));
    let h = client.enqueue_task("a", &1).unwrap().delay(Duration::from_secs(5)).await.unwrap();
    let q = QueueName::default();
    let mut sub = t.subscribe(&q, Duration::from_secs(10)).await.unwrap();
    let wait = Duration::from_secs(60);
    let (got, ()) = tokio::join!(sub.fetch(5, wait), clock.advance(Duration::from_secs(5)));
    let got = got.unwrap();
    assert_eq!(got.len(), 1);
    assert!(!got[0].suspect);
    let (again, ()) = tokio::join!(sub.fetch(5, wait), clock.advance(Duration::from_secs(10)));
    let again = again.unwrap();
    assert_eq!(again[0].delivered, 2);
    again[0].handle.ack().await.unwrap();
    assert!(h.report().await.is_err());
}
