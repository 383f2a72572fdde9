//! A life has one end, and the jobs that wait for it are released, whichever process dies on the way.

use std::sync::Arc;

use naq_client::{Client, Wake};
use naq_core::names::CHORES;
use naq_core::retry::Rule;
use naq_core::testing::{DiePoint, FaultPlan, FaultyTransport, Op};
use naq_core::transport::{
    Awaiting, Consumer, Fact, FactKind, JobKey, Lookup, Place, Settler, Written,
};
use naq_core::wire::{WireMessage, headers};
use naq_core::{DeadLetter, ErrorKind, JobState, QueueName, Timestamp};

use crate::bench::{Bench, Do, LEASE, secs};

/// Marks that a job waits for the end of this one.
async fn wait_for(bench: &Bench, id: &str) -> JobKey {
    let report = bench.report(id).await;
    let noted = bench.broker.await_end(&report.key, &report.stored.step().nonce).await;
    assert_eq!(noted.expect("noted"), Awaiting::Marked);
    report.key
}

/// The `naq.wake` chores.
async fn wakes(bench: &Bench) -> Vec<Wake> {
    let queue = QueueName::new(CHORES).expect("a name");
    let mut chores = bench.broker.subscribe(&queue, secs(1)).await.expect("opens");
    let found = chores.fetch(10, secs(0)).await.expect("fetches");
    let args = |it: &naq_core::transport::Delivery| it.envelope().expect("a job").args;
    let wakes = found.iter().map(|it| args(it).decode().expect("an end")).collect();
    // For the next call.
    chores.close().await;
    wakes
}

#[tokio::test]
async fn jobs_that_wait_for_an_end_are_released_once_wherever_the_worker_dies() {
    let ends = [
        (vec![Do::Succeed], JobState::Completed),
        (vec![Do::Fatal], JobState::Dead),
        (vec![Do::Cancel], JobState::Cancelled),
    ];
    for (script, state) in ends {
        let ops = [Op::Record, Op::Dead, Op::Publish, Op::Ack];
        for op in ops.into_iter().filter(|op| *op != Op::Dead || state == JobState::Dead) {
            for point in [DiePoint::Before(op), DiePoint::After(op)] {
                let what = format!("{state} {point}");
                let bench = Bench::new();
                bench.enqueue("job", script.clone()).await;
                let key = wait_for(&bench, "job").await;
                let plan = FaultPlan::new().die_at(point, 1);
                let (worker, faulty) = bench.start_faulty(plan).await;
                assert_eq!(faulty.died_at(), Some(point), "{what}");
                worker.kill().await;
                let _second = bench.start().await;
                bench.pass(LEASE + secs(1)).await;
                assert_eq!((bench.state("job").await, bench.left().await), (state, 0), "{what}");
                let wakes = wakes(&bench).await;
                let told: Vec<_> = wakes.iter().map(|wake| (&wake.job, wake.state)).collect();
                assert_eq!(told, [(&key, state)], "{what}");
            }
        }
    }
}

#[tokio::test]
async fn a_cancel_releases_dependents_even_if_its_client_dies_before_it_can() {
    for point in [DiePoint::After(Op::Record), DiePoint::Before(Op::Publish)] {
        for again in [true, false] {
            let bench = Bench::new();
            bench.enqueue("job", [Do::Succeed]).await;
            let key = wait_for(&bench, "job").await;
            let plan = FaultPlan::new().die_at(point, 1);
            let faulty = FaultyTransport::new(bench.broker.clone(), plan);
            let dying = Client::new(Arc::new(faulty)).clock(Arc::new(bench.clock.clone()));
            dying.cancel(&key, "not needed").await.expect_err("it died");
            if again {
                bench.client.cancel(&key, "not needed").await.expect("finished");
            }
            // Otherwise the job's message shows it to the worker, which starts later.
            let _worker = bench.start().await;
            assert_eq!(wakes(&bench).await.len(), 1, "{point} {again}");
            assert_eq!((bench.state("job").await, bench.left().await), (JobState::Cancelled, 0));
            assert_eq!(bench.seen.starts("job"), 0, "{point} {again}");
        }
    }
}

#[tokio::test]
async fn a_handler_that_ends_after_its_job_died_elsewhere_stores_only_the_missing_letter() {
    for letter_stands in [true, false] {
        let bench = Bench::new();
        let _worker = bench.start().await;
        bench.enqueue("job", [Do::Gate]).await;
        let stored = bench.report("job").await.stored;
        let job = stored.envelope().expect("readable");
        let letter = DeadLetter {
            step: stored.step(),
            task: Some(job.task.clone()),
            error_kind: ErrorKind::CONNECTION,
            message: "no route".into(),
            rule: Rule::MaxRetries,
            reason: "no retry is left".into(),
            died_at: Timestamp::from_millis(7),
            content_type: None,
            body: stored.message.body.clone(),
        };
        // Another worker had the job before, was slow, and is gone.
        let death = Fact::death(&stored, job, &letter).expect("writes");
        assert_eq!(bench.broker.write(&death).await.expect("stored"), Written::Stored);
        if letter_stands {
            bench.broker.write(&Fact::dead(&stored, &letter)).await.expect("stored");
        }
        bench.seen.gate.notify_waiters();
        bench.turn().await;
        let report = bench.report("job").await;
        assert_eq!((report.state, report.stored.place), (JobState::Dead, Place::Dead));
        let told = report.dead.expect("dead");
        assert_eq!((told.error_kind, told.rule), (letter.error_kind, letter.rule));
        assert_eq!((told.message, told.died_at), (letter.message, letter.died_at));
        let letters = bench.broker.dead_letters(None, 0, 10).await.expect("a page").letters;
        assert_eq!((letters.len(), bench.left().await), (1, 0));
    }
}

#[tokio::test]
async fn a_job_that_wants_no_record_has_one_when_it_dies() {
    let bench = Bench::new();
    let _worker = bench.start().await;
    let job = bench.client.enqueue(crate::bench::Script(vec![Do::Fatal]));
    job.id("job").record_ttl(secs(0)).await.expect("sent");
    bench.turn().await;
    let places = async || {
        let key = bench.report("job").await.key;
        let stored = bench.broker.locate(&key).await.expect("looks");
        stored.into_iter().map(|it| it.place).collect::<Vec<_>>()
    };
    assert_eq!(places().await, [Place::Dead, Place::Record]);
    bench.pass(secs(60)).await;
    assert_eq!(places().await, [Place::Dead]);
}

#[tokio::test]
async fn an_end_whose_record_cannot_be_read_is_an_end() {
    let bench = Bench::new();
    bench.enqueue("job", [Do::Succeed]).await;
    wait_for(&bench, "job").await;
    let stored = bench.report("job").await.stored;
    // Written by a newer version or another program, which is gone.
    let body = bytes::Bytes::from_static(b"\xffnot a record");
    let message = WireMessage::new(body).with(headers::STEP, stored.step().to_string());
    let fact = Fact {
        key: stored.key.clone(),
        kind: FactKind::Record { ttl: secs(3600), state: JobState::Completed },
        dedup: "by-hand".into(),
        settles: stored.seq,
        message,
    };
    assert_eq!(bench.broker.write(&fact).await.expect("stored"), Written::Awaited);
    let _worker = bench.start().await;
    bench.pass(LEASE * 2).await;
    assert_eq!((bench.left().await, bench.seen.starts("job")), (0, 0), "acked, and not run");
    let told: Vec<_> = wakes(&bench).await.into_iter().map(|wake| wake.state).collect();
    assert_eq!(told, [JobState::Completed]);
}
