//! Blobs: results and arguments that are too large for a message, stored beside the messages of a job.

use std::num::NonZeroU64;
use std::time::Duration;

use bytes::Bytes;
use naq_client::{EnqueueError, LargeArgs};
use naq_core::transport::{BlobRef, MAX_BLOB_BYTES, NO_TTL, QueueBound, TransportError};
use naq_core::wire::{Codec, Payload, headers};

use crate::Subject;
use crate::case::Case;

const LONG: Duration = Duration::from_secs(60);

/// Bytes of which no two chunks are equal.
fn data(size: usize) -> Bytes {
    (0..size.div_ceil(8) as u64).flat_map(u64::to_be_bytes).take(size).collect()
}

pub async fn a_blob_larger_than_a_message_comes_back_unchanged(subject: &dyn Subject) {
    let case = Case::new(subject);
    let max = case.transport.broker().await.unwrap().max_payload;
    let key = case.key("a");
    for size in [1, max, max + 1, 5_000_000] {
        let blob = BlobRef::new(size);
        let data = data(size);
        case.transport.blob_put(&key, &blob, data.clone(), LONG).await.unwrap();
        // A repeated call changes nothing.
        case.transport.blob_put(&key, &blob, data.clone(), LONG).await.unwrap();
        assert!(case.transport.blob_get(&key, &blob).await.unwrap() == Some(data), "{size} bytes");
        // Another job, or another name of this job, has no such blob.
        assert_eq!(case.transport.blob_get(&case.key("b"), &blob).await.unwrap(), None);
        assert_eq!(case.transport.blob_get(&key, &BlobRef::new(size)).await.unwrap(), None);
    }
}

pub async fn a_blob_over_the_limit_is_refused(subject: &dyn Subject) {
    let case = Case::new(subject);
    let blob = BlobRef::new(MAX_BLOB_BYTES + 1);
    let put = case.transport.blob_put(&case.key("a"), &blob, Bytes::new(), LONG).await;
    let Err(TransportError::TooLarge { size, max }) = put else { panic!("{put:?}") };
    assert_eq!((size, max), (MAX_BLOB_BYTES + 1, MAX_BLOB_BYTES));
}

pub async fn a_blob_expires_after_its_ttl(subject: &dyn Subject) {
    let case = Case::new(subject);
    let (key, blob, data) = (case.key("a"), BlobRef::new(600_000), data(600_000));
    case.transport.blob_put(&key, &blob, data, Duration::from_secs(1)).await.unwrap();
    let end = case.now() + LONG;
    while case.transport.blob_get(&key, &blob).await.unwrap().is_some() {
        assert!(case.now() < end, "the blob does not expire");
        case.advance(Duration::from_millis(100)).await;
    }
}

pub async fn a_blob_without_a_ttl_is_kept_until_it_is_removed(subject: &dyn Subject) {
    let case = Case::new(subject);
    let (key, blob, data) = (case.key("a"), BlobRef::new(600_000), data(600_000));
    let other = BlobRef::new(3);
    let few = Bytes::from_static(b"abc");
    case.transport.blob_put(&key, &other, few.clone(), NO_TTL).await.unwrap();
    case.transport.blob_put(&key, &blob, data.clone(), NO_TTL).await.unwrap();
    case.advance(Duration::from_secs(2)).await;
    assert!(case.transport.blob_get(&key, &blob).await.unwrap() == Some(data.clone()));
    for _ in 0..2 {
        case.transport.blob_remove(&key, &blob).await.unwrap();
        assert_eq!(case.transport.blob_get(&key, &blob).await.unwrap(), None);
    }
    assert_eq!(case.transport.blob_get(&key, &other).await.unwrap(), Some(few));
    // It can be stored again.
    case.transport.blob_put(&key, &blob, data.clone(), NO_TTL).await.unwrap();
    assert!(case.transport.blob_get(&key, &blob).await.unwrap() == Some(data));
}

pub async fn a_kept_blob_is_listed_until_it_is_removed(subject: &dyn Subject) {
    let case = Case::new(subject);
    let (key, blob) = (case.key("a"), BlobRef::new(600_000));
    let kept = async || {
        let kept = case.transport.blobs_kept(&case.queue).await.unwrap();
        kept.into_iter().map(|kept| (kept.job, kept.blob)).collect::<Vec<_>>()
    };
    assert_eq!(kept().await, []);
    let asked = case.now();
    case.transport.blob_put(&key, &BlobRef::new(3), data(3), LONG).await.unwrap();
    case.transport.blob_put(&key, &blob, data(600_000), NO_TTL).await.unwrap();
    assert_eq!(kept().await, [(key.clone(), blob.clone())], "and no blob that expires");
    let stored_at = case.transport.blob_stored_at(&key, &blob).await.unwrap().expect("stored");
    assert!(stored_at.since(asked) < LONG && asked.since(stored_at) < LONG, "{stored_at}");
    case.transport.blob_remove(&key, &blob).await.unwrap();
    assert_eq!(case.transport.blob_stored_at(&key, &blob).await.unwrap(), None);
    let end = case.now() + LONG;
    while !kept().await.is_empty() {
        assert!(case.now() < end, "it is still listed");
        case.advance(Duration::from_millis(100)).await;
    }
}

pub async fn large_arguments_are_stored_with_their_job_and_count_in_its_queue(
    subject: &dyn Subject,
) {
    const SIZE: usize = 2_000_000;
    let case = Case::new(subject);
    drop(case.open().await);
    let bound = QueueBound { max_jobs: None, max_bytes: NonZeroU64::new(1_000_000) };
    case.transport.set_bound(&case.queue, bound).await.unwrap();
    let client = case.client.clone().large_args(LargeArgs::Store);
    let text = "x".repeat(SIZE);
    let send = async |id: &str| client.enqueue_task("t", &text).unwrap().id(id).await;
    let first = send("a").await.expect("the last job may pass the bound");
    let refused = send("b").await.expect_err("no room");
    assert!(matches!(refused, EnqueueError::Transport(TransportError::QueueFull { .. })));
    assert!(send("a").await.expect("asked").is_duplicate());
    let kept = case.transport.blobs_kept(&case.queue).await.unwrap();
    assert_eq!(kept.len(), 1, "a job that is refused leaves nothing: {kept:?}");
    let bytes = async || case.transport.queue_info(&case.queue).await.unwrap().unwrap().bytes;
    assert!(bytes().await > SIZE as u64);
    let report = first.report().await.unwrap();
    assert!(report.stored.message.size() < 4_000, "the message is small");
    assert_eq!(report.args.unwrap().decode::<String>().unwrap(), text);
    client.purge_queue(&case.queue).await.unwrap();
    assert_eq!(case.transport.blob_get(&kept[0].job, &kept[0].blob).await.unwrap(), None);
    let end = case.now() + LONG;
    while bytes().await > 0 {
        assert!(case.now() < end, "the arguments of purged jobs still count");
        case.advance(Duration::from_millis(100)).await;
    }
    // A process may read the size of a full queue only every so often.
    while let Err(err) = send("c").await {
        assert!(case.now() < end, "{err}");
        case.advance(Duration::from_millis(100)).await;
    }
}

pub async fn a_large_result_is_found_by_all_readers(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let job = case.enqueue("a").await;
    let delivery = case.next_delivery(&mut sub).await;
    let text = "x".repeat(5_000_000);
    let result = Payload::encode(Codec::Json, &text).unwrap();
    let blob = BlobRef::new(result.bytes().len());
    let data = result.bytes().clone();
    case.transport.blob_put(&case.key("a"), &blob, data, Duration::from_secs(1)).await.unwrap();
    let mut fact = case.record(&delivery);
    let mut record = naq_core::transport::Stored {
        place: naq_core::transport::Place::Record,
        message: fact.message.clone(),
        ..delivery.stored.clone()
    }
    .record()
    .unwrap();
    record.result = None;
    fact.message = record.to_message().unwrap().with(headers::RESULT, blob.to_string());
    case.settle(&delivery, &fact).await;
    assert_eq!(job.result().await.unwrap().unwrap(), text);
    assert_eq!(job.wait(LONG).await.unwrap(), text);
    let report = case.client.report(&case.key("a")).await.unwrap();
    assert_eq!((report.result_blob, report.result.is_some()), (Some(blob), true));
    // After the blob has expired, the record still names it.
    let end = case.now() + LONG;
    while case.client.report(&case.key("a")).await.unwrap().result.is_some() {
        assert!(case.now() < end, "the blob does not expire");
        case.advance(Duration::from_millis(100)).await;
    }
    let err = job.wait(LONG).await.unwrap_err().to_string();
    assert!(err.contains("its result has expired"), "{err}");
}
