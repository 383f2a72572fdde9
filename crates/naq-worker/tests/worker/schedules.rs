//! Recurring schedules, run by real workers over the in-memory broker: weeks in milliseconds.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use naq_client::{Registered, ScheduleError, ScheduleState};
use naq_core::names::CHORES;
use naq_core::schedule::{CatchUp, Overlap, ScheduleEntry};
use naq_core::testing::{DiePoint, FaultPlan, FaultyTransport, Op};
use naq_core::transport::{
    Consumer, Expect, Fact, JobKey, Lookup, Operator, Settler, StateStore, Written,
};
use naq_core::{Clock, JobId, JobState, QueueName, ScheduleName, Timestamp};

use crate::bench::{Bench, Do, LEASE, Running, Script, run, secs};

/// The interval of most schedules here. A tick that is missed by this much counts as late.
const BEAT: Duration = Duration::from_secs(180);
const LONG: Duration = Duration::from_secs(3_600);

fn name(text: &str) -> ScheduleName {
    ScheduleName::new(text).expect("a name")
}

fn succeed() -> Script {
    Script(vec![Do::Succeed])
}

/// A worker that also runs chores.
async fn start(bench: &Bench) -> Running {
    bench.start_with(|builder| builder.chores(true)).await
}

/// The same over a transport that fails as planned.
async fn start_faulty(
    bench: &Bench,
    plan: FaultPlan,
) -> (Running, Arc<FaultyTransport<naq_memory::MemoryTransport>>) {
    let faulty = Arc::new(FaultyTransport::new(bench.broker.clone(), plan));
    let running = run(bench.builder(faulty.clone()).chores(true));
    bench.turn().await;
    (running, faulty)
}

/// Asserts that every tick from `from` on made one run.
fn one_run_a_tick(bench: &Bench, schedule: &str, from: Timestamp, every: Duration, count: usize) {
    let order = bench.seen.order();
    let expected: BTreeSet<String> =
        (1..=count).map(|n| run_id(schedule, from + every * n as u32)).collect();
    let made: BTreeSet<String> = order.iter().cloned().collect();
    let other: Vec<_> = made.symmetric_difference(&expected).collect();
    assert_eq!(other, [""; 0], "{schedule}");
    assert_eq!(order.len(), count, "each once");
}

fn run_id(schedule: &str, tick: Timestamp) -> String {
    let time: String = tick.to_string().replace(".000Z", "Z").replace([':', '-', '.'], "");
    format!("{schedule}-{time}")
}

fn chores() -> QueueName {
    QueueName::new(CHORES).expect("a name")
}

fn chore(schedule: &str) -> JobKey {
    JobKey { queue: chores(), id: JobId::new(format!("tick-{schedule}")).expect("an id") }
}

async fn runs(bench: &Bench, schedule: &str) -> u64 {
    let report = bench.client.schedules().get(&name(schedule)).await.expect("a schedule");
    report.progress.runs
}

#[tokio::test]
async fn a_thousand_ticks_make_one_run_each_with_two_workers() {
    let bench = Bench::new();
    let from = bench.clock.now();
    let _workers = (start(&bench).await, start(&bench).await);
    let made = bench.client.schedule("a").cron("*/10 * * * * *").job(succeed()).await;
    assert_eq!(made.expect("registered"), Registered::Created);
    bench.pass(secs(10_000)).await;
    // The tick at the moment of its registration counts, too.
    one_run_a_tick(&bench, "a", from.saturating_sub(secs(10)), secs(10), 1_001);
    assert_eq!(runs(&bench, "a").await, 1_001);
    // The chore has snoozed a thousand times, and is as small as at first.
    let report = bench.client.report(&chore("a")).await.expect("a chore");
    let job = report.envelope.expect("readable");
    assert_eq!((job.history.len(), job.crashes), (0, 0));
    assert!(job.snoozes >= 1_000);
    assert_eq!(report.due_at, Some(from + secs(10_010)));
}

#[tokio::test]
async fn a_run_starts_on_time_with_the_whole_policy_and_its_tag() {
    let bench = Bench::new();
    let _worker = start(&bench).await;
    let job = bench.client.enqueue(Script(vec![Do::Fail("Error".into()), Do::Succeed]));
    let job = job.max_retries(1).retry_delay(secs(7)).tag("mine");
    bench.client.schedule("a").every(BEAT).template(job).await.expect("registered");
    let tick = bench.clock.now() + BEAT;
    bench.pass(BEAT).await;
    let id = run_id("a", tick);
    assert_eq!(bench.state(&id).await, JobState::Retrying);
    bench.pass(secs(7)).await;
    let job = bench.report(&id).await.envelope.expect("readable");
    assert_eq!(job.tags, ["mine", "schedule:a"]);
    assert_eq!(job.history[0].started_at, Some(tick));
    assert_eq!((job.attempt, bench.state(&id).await), (2, JobState::Completed));
}

#[tokio::test]
async fn jitter_delays_the_start_and_not_the_tick() {
    let bench = Bench::new();
    let _worker = start(&bench).await;
    let schedule = bench.client.schedule("a").every(BEAT).jitter(BEAT / 2).job(succeed());
    schedule.await.expect("registered");
    let report = bench.client.schedules().get(&name("a")).await.expect("there");
    let first = report.upcoming(1)[0];
    assert!(first.starts_at > first.at);
    bench.pass(BEAT).await;
    assert_eq!((runs(&bench, "a").await, bench.seen.total()), (1, 0));
    bench.pass(first.starts_at.since(first.at)).await;
    assert_eq!(bench.seen.order(), [run_id("a", first.at)]);
}

#[tokio::test]
async fn a_worker_that_dies_anywhere_in_a_tick_leaves_one_run_for_each_tick() {
    const SHORT: Duration = Duration::from_secs(12);
    let points = [Op::Evidence, Op::Publish, Op::State, Op::Retry, Op::Ack];
    for overlap in [Overlap::Allow, Overlap::Skip, Overlap::Queue] {
        for point in points.into_iter().flat_map(|op| [DiePoint::Before(op), DiePoint::After(op)]) {
            // At the first call, and at a later one: other parts of a worker make this call, too.
            for nth in 1..=3 {
                let bench = Bench::new();
                let from = bench.clock.now();
                let schedule = bench.client.schedule("a").every(SHORT).overlap(overlap);
                schedule.catch_up(CatchUp::All).job(succeed()).await.expect("registered");
                let (first, faulty) =
                    start_faulty(&bench, FaultPlan::new().die_at(point, nth)).await;
                bench.pass(SHORT * 3).await;
                let died = faulty.died_at();
                assert!(nth > 1 || died == Some(point), "{point} is passed");
                first.kill().await;
                let _second = start(&bench).await;
                bench.pass(LEASE + SHORT * 3).await;
                let what = format!("{point} {nth} {overlap} died: {}", died.is_some());
                let order = bench.seen.order();
                let ticks: BTreeSet<_> = order.iter().collect();
                // A run whose worker died starts again. That is no second run.
                let again = bench.seen.total() - ticks.len();
                assert!(again <= 1, "{what}: {order:?}");
                let made = runs(&bench, "a").await;
                assert_eq!(made, ticks.len() as u64, "{what}: {order:?}");
                if overlap == Overlap::Allow {
                    let all: BTreeSet<_> = (1..=6).map(|n| run_id("a", from + SHORT * n)).collect();
                    assert_eq!(order.iter().cloned().collect::<BTreeSet<_>>(), all, "{what}");
                }
            }
        }
    }
}

#[tokio::test]
async fn missed_ticks_are_handled_as_the_schedule_says() {
    for (catch_up, made, skipped) in
        [(CatchUp::Skip, 0, 5), (CatchUp::Last, 1, 4), (CatchUp::All, 5, 0)]
    {
        let bench = Bench::new();
        let worker = start(&bench).await;
        let schedule = bench.client.schedule("a").every(BEAT).catch_up(catch_up).job(succeed());
        schedule.await.expect("registered");
        bench.pass(BEAT * 2).await;
        assert_eq!(bench.seen.total(), 2);
        worker.kill().await;
        bench.pass(BEAT * 5 + BEAT / 2).await;
        let _worker = start(&bench).await;
        let report = bench.client.schedules().get(&name("a")).await.expect("there");
        assert_eq!(bench.seen.total(), 2 + made, "{catch_up}");
        assert_eq!(report.progress.skipped, skipped, "{catch_up}");
        // After that, runs follow as before.
        bench.pass(BEAT / 2).await;
        assert_eq!(bench.seen.total(), 3 + made, "{catch_up}");
    }
}

#[tokio::test]
async fn overlapping_runs_are_handled_as_the_schedule_says() {
    for (overlap, started) in [(Overlap::Allow, 3), (Overlap::Skip, 1), (Overlap::Queue, 1)] {
        let bench = Bench::new();
        let from = bench.clock.now();
        let _worker = start(&bench).await;
        let schedule = bench.client.schedule("a").every(BEAT).overlap(overlap);
        schedule.job(Script(vec![Do::Gate])).await.expect("registered");
        bench.pass(BEAT * 3 + BEAT / 2).await;
        assert_eq!(bench.seen.total(), started, "{overlap}");
        // The first run ends. Of the waiting runs the oldest starts soon.
        bench.seen.gate.notify_waiters();
        bench.pass(secs(30)).await;
        let report = bench.client.schedules().get(&name("a")).await.expect("there");
        match overlap {
            Overlap::Queue => {
                let order = [run_id("a", from + BEAT), run_id("a", from + BEAT * 2)];
                assert_eq!(bench.seen.order(), order);
                assert_eq!((report.progress.skipped, report.progress.waiting), (1, None));
            }
            _ => assert_eq!(bench.seen.total(), started, "{overlap}"),
        }
        bench.seen.gate.notify_waiters();
        bench.pass(BEAT / 2).await;
        let next = if overlap == Overlap::Queue { 3 } else { started + 1 };
        assert_eq!(bench.seen.total(), next, "{overlap}");
    }
}

#[tokio::test]
async fn registering_again_keeps_one_schedule_and_a_change_moves_the_next_tick() {
    let bench = Bench::new();
    let _worker = start(&bench).await;
    let register = async |every: Duration| {
        let schedule = bench.client.schedule("a").every(every).job(succeed());
        schedule.await.expect("registered")
    };
    assert_eq!(register(LONG).await, Registered::Created);
    assert_eq!(register(LONG).await, Registered::Unchanged);
    bench.pass(LONG).await;
    assert_eq!(bench.seen.total(), 1);
    bench.pass(BEAT / 2).await;
    // From now on the new interval counts. Ticks of it before the change make no run.
    assert_eq!(register(BEAT).await, Registered::Updated);
    bench.turn().await;
    assert_eq!(bench.seen.total(), 1);
    bench.pass(BEAT / 2).await;
    assert_eq!((bench.seen.total(), runs(&bench, "a").await), (2, 2));
    bench.pass(BEAT * 3).await;
    assert_eq!(bench.seen.total(), 5);
    let info = bench.broker.queue_info(&chores()).await.expect("an answer").expect("a queue");
    assert_eq!((info.pending, info.running, info.waiting), (0, 0, 1), "one chore");
}

#[tokio::test]
async fn a_change_while_the_chore_runs_wins_over_what_the_chore_had_read() {
    let bench = Bench::new();
    let schedule = bench.client.schedule("a").every(LONG).job(succeed());
    schedule.await.expect("registered");
    // A test worker has the chore, and has read a schedule of days.
    let mut slow = bench.broker.subscribe(&chores(), LEASE).await.expect("opens");
    bench.pass(LONG).await;
    let held = slow.fetch(1, secs(0)).await.expect("fetches").remove(0);
    slow.close().await;
    let changed = bench.client.schedule("a").every(BEAT).job(succeed()).await;
    assert_eq!(changed.expect("registered"), Registered::Updated);
    let worker = start(&bench).await;
    // Only now it snoozes: too late, so that has no effect.
    let mut next = held.envelope().expect("readable");
    (next.snoozes, next.due_at) = (next.snoozes + 1, Some(bench.clock.now() + LONG));
    let fact = Fact::retry(&held.stored, &next, bench.clock.now() + LONG).expect("writes");
    assert_eq!(bench.broker.write(&fact).await.expect("an answer"), Written::Fenced);
    assert_eq!(bench.seen.total(), 1, "a beat of both");
    bench.pass(BEAT).await;
    assert_eq!(bench.seen.total(), 2);
    drop(worker);
}

#[tokio::test]
async fn pause_resume_run_and_delete() {
    let bench = Bench::new();
    let _worker = start(&bench).await;
    let schedules = bench.client.schedules();
    let a = name("a");
    let register = || bench.client.schedule("a").every(BEAT).catch_up(CatchUp::All).job(succeed());
    register().await.expect("registered");
    bench.pass(BEAT).await;
    assert_eq!(schedules.pause(&a).await.expect("there").state, ScheduleState::Paused);
    bench.pass(BEAT * 5).await;
    // Registering again does not resume the schedule.
    assert_eq!(register().await.expect("registered"), Registered::Unchanged);
    bench.pass(BEAT * 5 + BEAT / 2).await;
    assert_eq!(bench.seen.total(), 1);

    let extra = schedules.run_now(&a).await.expect("sent");
    bench.turn().await;
    assert_eq!(bench.state(extra.id.as_str()).await, JobState::Completed);
    assert_eq!((bench.seen.total(), runs(&bench, "a").await), (2, 1));

    // Ticks during the pause make no run.
    assert_eq!(schedules.resume(&a).await.expect("there").state, ScheduleState::Active);
    bench.turn().await;
    assert_eq!(bench.seen.total(), 2);
    bench.pass(BEAT / 2).await;
    assert_eq!(bench.seen.total(), 3);

    assert!(schedules.delete(&a).await.expect("removed"));
    assert!(!schedules.delete(&a).await.expect("an answer"));
    assert!(matches!(schedules.get(&a).await, Err(ScheduleError::NotFound(_))));
    bench.pass(LONG).await;
    assert_eq!((bench.seen.total(), bench.left().await), (3, 0));
    // The name is free, and the broker's dedup window does not refuse the new chore.
    register().await.expect("registered");
    schedules.delete(&a).await.expect("removed");
    assert_eq!(register().await.expect("registered"), Registered::Created);
    bench.pass(BEAT).await;
    assert_eq!((bench.seen.total(), runs(&bench, "a").await), (4, 1));
}

#[tokio::test]
async fn a_schedule_that_ends_leaves_no_chore_and_starts_again_when_it_is_extended() {
    let bench = Bench::new();
    let _worker = start(&bench).await;
    bench.client.schedule("a").every(BEAT).max_runs(3).job(succeed()).await.expect("registered");
    bench.pass(LONG).await;
    let report = bench.client.schedules().get(&name("a")).await.expect("there");
    assert_eq!((bench.seen.total(), report.state), (3, ScheduleState::Finished));
    assert_eq!(bench.broker.locate(&chore("a")).await.expect("an answer"), []);
    let more = bench.client.schedule("a").every(BEAT).max_runs(5).catch_up(CatchUp::Skip);
    assert_eq!(more.job(succeed()).await.expect("registered"), Registered::Updated);
    bench.pass(LONG).await;
    assert_eq!(bench.seen.total(), 5);
}

#[tokio::test]
async fn a_chore_that_is_lost_comes_back_with_a_worker_or_within_the_hour() {
    for restart in [true, false] {
        let bench = Bench::new();
        let worker = start(&bench).await;
        let every = secs(600);
        bench.client.schedule("a").every(every).job(succeed()).await.expect("registered");
        bench.pass(every).await;
        bench.broker.purge(&chores()).await.expect("purged");
        let _worker = if restart {
            worker.kill().await;
            bench.pass(every).await;
            start(&bench).await
        } else {
            bench.pass(LONG).await;
            worker
        };
        bench.pass(every).await;
        assert!(bench.seen.total() >= 2, "restart: {restart}: {:?}", bench.seen.order());
    }
}

#[tokio::test]
async fn a_definition_of_a_newer_version_waits_for_a_worker_that_can_read_it() {
    let bench = Bench::new();
    let _worker = start(&bench).await;
    bench.client.schedule("a").every(BEAT).job(succeed()).await.expect("registered");
    let key = ScheduleEntry::key(&name("a")).expect("a key");
    let stored = bench.broker.state_get(std::slice::from_ref(&key)).await.expect("an answer");
    let value = stored[0].clone().expect("there").value;
    let newer = String::from_utf8(value.to_vec()).expect("text").replace(r#""v":1"#, r#""v":2"#);
    let put = |value: Vec<u8>| bench.broker.state_put(&key, value.into(), Expect::Any, None);
    put(newer.clone().into_bytes()).await.expect("stored");
    bench.pass(BEAT * 2).await;
    assert_eq!(bench.seen.total(), 0);
    let schedules = bench.client.schedules();
    let listed = schedules.list().await.expect("a list");
    assert!(matches!(listed.as_slice(), [Err(ScheduleError::Unreadable { .. })]), "{listed:?}");
    let err = bench.client.schedule("a").every(BEAT).job(succeed()).await.expect_err("unreadable");
    assert!(err.to_string().contains("version 2"), "{err}");
    let now = bench.broker.state_get(std::slice::from_ref(&key)).await.expect("an answer");
    assert_eq!(now[0].clone().expect("there").value, newer.into_bytes(), "left alone");
    put(value.to_vec()).await.expect("stored");
    bench.pass(secs(61)).await;
    assert_eq!((bench.seen.total(), runs(&bench, "a").await), (1, 1));
}
