//! Laws of every job: it round-trips in both codecs.
#![cfg(feature = "jobs")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::time::Duration;

use naq_core::retry::RetryPolicy;
use naq_core::wire::{AttemptOutcome, MAX_HISTORY, MAX_HISTORY_BYTES, Nonce};
use naq_core::{
    AttemptRecord, Codec, Envelope, ErrorKind, FinalRecord, JobId, JobState, Payload, QueueName,
    TaskName, Timestamp,
};
use proptest::prelude::*;
use serde_json::Value;

use support::delivered;

mod support;

fn codec() -> impl Strategy<Value = Codec> {
    prop_oneof![Just(Codec::Json), Just(Codec::MsgPack)]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter("JSON has no other", |f| f.is_finite()).prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(".{0,8}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn moment() -> impl Strategy<Value = Timestamp> {
    (0..=Timestamp::MAX.as_millis()).prop_map(Timestamp::from_millis)
}

fn policy() -> impl Strategy<Value = RetryPolicy> {
    (any::<u32>(), 0..1_000_000u64, 1..100u32, 0..4usize).prop_map(
        |(retries, ms, crashes, shape)| {
            let builder = RetryPolicy::builder()
                .max_retries(retries)
                .delay(Duration::from_millis(ms))
                .max_crashes(crashes);
            match shape {
                0 => builder,
                1 => builder.strategy(naq_core::Strategy::Exponential).multiplier(1.5),
                2 => builder.retry_on(["HTTPError.503"]).jitter(naq_core::Jitter::Full),
                _ => builder.delay([Duration::from_millis(ms), Duration::from_secs(9)]),
            }
            .build()
        },
    )
}

fn record() -> impl Strategy<Value = AttemptRecord> {
    (any::<u32>(), ".*", prop::option::of(moment()), 0..3usize).prop_map(
        |(attempt, message, ended_at, outcome)| AttemptRecord {
            ended_at,
            error_kind: Some(ErrorKind::http(500)),
            message: Some(message),
            ..AttemptRecord::new(
                attempt,
                [AttemptOutcome::Failed, AttemptOutcome::Crashed, AttemptOutcome::Snoozed][outcome],
            )
        },
    )
}

prop_compose! {
    fn job()(
        codec in codec(),
        args in value(),
        policy in policy(),
        (enqueued_at, deadline, due_at) in (moment(), prop::option::of(moment()), prop::option::of(moment())),
        (timeout, ttl) in (prop::option::of(1..u64::from(u32::MAX)), 0..10_000_000u64),
        tags in prop::collection::vec("[^\\p{C}]{1,40}", 0..5),
        traceparent in prop::option::of(".*"),
        (attempt, crashes, snoozes) in (1..u32::MAX, any::<u32>(), any::<u32>()),
        history in prop::collection::vec(record(), 0..4),
    ) -> Envelope {
        let args = Payload::encode(codec, &args).unwrap();
        let (queue, id) = (QueueName::default(), JobId::new("job-1").unwrap());
        let mut job = Envelope::new(queue, id, TaskName::new("t").unwrap(), args, enqueued_at);
        job.policy = policy;
        job.deadline = deadline;
        job.due_at = due_at;
        job.timeout = timeout.map(Duration::from_millis);
        job.record_ttl = Duration::from_millis(ttl);
        job.tags = tags;
        job.traceparent = traceparent;
        (job.attempt, job.crashes, job.snoozes) = (attempt, crashes, snoozes);
        for record in history {
            job.record(record);
        }
        job
    }
}

/// A job that was read has its policy as it was written. A new job has none.
fn bare(mut job: Envelope) -> Envelope {
    job.set_policy(job.policy.clone());
    job
}

proptest! {
    #[test]
    fn a_job_round_trips_in_each_codec(job in job()) {
        let message = job.to_message().unwrap();
        let stored = delivered(message.clone());
        prop_assert_eq!(stored.step(), job.step());
        let read = stored.envelope().unwrap();
        prop_assert_eq!(&bare(read.clone()), &job);
        // And a rewrite without a change changes no byte.
        prop_assert_eq!(read.encode().unwrap(), message.body);
    }

    #[test]
    fn a_record_round_trips_in_each_codec(job in job(), result in value(), finished_at in moment()) {
        let result = Some(Payload::encode(job.codec, &result).unwrap());
        let record = FinalRecord { envelope: job, state: JobState::Completed, finished_at, result };
        let mut read = delivered(record.to_message().unwrap()).record().unwrap();
        read.envelope = bare(read.envelope);
        prop_assert_eq!(read, record);
    }

    #[test]
    fn arguments_survive_a_change_of_codec(value in value()) {
        let json = Payload::encode(Codec::Json, &value).unwrap();
        let there = json.transcode(Codec::MsgPack).unwrap();
        let back = there.transcode(Codec::Json).unwrap();
        prop_assert_eq!(there.decode::<Value>().unwrap(), json.decode::<Value>().unwrap());
        prop_assert_eq!(back, json);
    }

    #[test]
    fn a_job_with_many_failures_can_still_be_written(
        records in prop::collection::vec(record(), 0..200),
        codec in codec(),
    ) {
        let args = Payload::null(codec);
        let (queue, id) = (QueueName::default(), JobId::new("job-1").unwrap());
        let task = TaskName::new("t").unwrap();
        let mut job = Envelope::new(queue, id, task, args, Timestamp::default());
        job.nonce = Nonce::parse("a").unwrap();
        let empty = job.encode().unwrap().len();
        for record in records {
            job.record(record);
        }
        let size = job.encode().unwrap().len();
        prop_assert!(job.history.len() <= MAX_HISTORY);
        prop_assert!(size <= empty + 2 * MAX_HISTORY_BYTES, "{size} bytes");
        prop_assert_eq!(&delivered(job.to_message().unwrap()).envelope().unwrap(), &job);
    }
}
