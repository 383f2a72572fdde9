//! Recurring schedules: one definition, one chore and one run per tick, with any number of processes.

use std::time::Duration;

use naq_client::{Client, Registered, ScheduleBuilder, ScheduleError};
use naq_core::names::{CHORES, JobId, QueueName, ScheduleName};
use naq_core::schedule::{CatchUp, Overlap};
use naq_core::transport::{Delivery, Fact, JobKey, Place, Submission, Written};
use tokio::task::JoinSet;

use crate::Subject;
use crate::case::Case;

const EVERY: Duration = Duration::from_millis(1_200);
const FAR: Duration = Duration::from_secs(3_600);

fn name() -> ScheduleName {
    ScheduleName::new("nightly").unwrap()
}

fn chore() -> JobKey {
    let queue = QueueName::new(CHORES).unwrap();
    JobKey::new(queue, JobId::new("tick-nightly").unwrap())
}

fn define<'a>(case: &'a Case<'_>, every: Duration) -> ScheduleBuilder<'a> {
    define_by(&case.client, every)
}

fn define_by(client: &Client, every: Duration) -> ScheduleBuilder<'_> {
    let job = client.enqueue_task("task", &["a"]).unwrap().tag("mine");
    client.schedule("nightly").every(every).catch_up(CatchUp::All).template(job)
}

/// The delivery of the chore.
async fn hold(case: &Case<'_>) -> Delivery {
    let queue = chore().queue;
    let mut sub = case.transport.subscribe(&queue, case.lease()).await.unwrap();
    let held = case.next_delivery(&mut sub).await;
    sub.close().await;
    held
}

/// The due time of the chore, if it waits.
async fn waits(case: &Case<'_>) -> Option<naq_core::Timestamp> {
    let stored = case.transport.locate(&chore()).await.unwrap();
    stored.iter().find(|stored| stored.place == Place::Schedule).and_then(|stored| stored.due_at)
}

pub async fn of_many_registrations_of_a_schedule_one_creates_it(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut all = JoinSet::new();
    for _ in 0..10 {
        let client = case.client.clone();
        all.spawn(async move { define_by(&client, FAR).await.unwrap() });
    }
    let answers = all.join_all().await;
    let created = answers.iter().filter(|it| **it == Registered::Created).count();
    let unchanged = answers.iter().filter(|it| **it == Registered::Unchanged).count();
    assert_eq!((created, unchanged), (1, 9));
    let info = case.transport.queue_info(&chore().queue).await.unwrap().unwrap();
    assert_eq!((info.pending, info.running, info.waiting), (0, 0, 1), "one chore");
    let next = case.client.schedules().get(&name()).await.unwrap().upcoming(1)[0].at;
    let due = waits(&case).await.unwrap();
    assert!(due.since(next) + next.since(due) < Duration::from_millis(50), "{due} {next}");
}

pub async fn a_turn_taken_by_many_at_once_makes_each_run_once(subject: &dyn Subject) {
    let case = Case::new(subject);
    define(&case, EVERY).await.unwrap();
    case.advance(EVERY * 3 + EVERY / 2).await;
    let mut all = JoinSet::new();
    for _ in 0..8 {
        let client = case.client.clone();
        all.spawn(async move { client.schedules().take_turn(&name()).await.unwrap() });
    }
    assert!(all.join_all().await.iter().all(Option::is_some));
    let mut sub = case.open().await;
    let runs = case.next_deliveries(&mut sub, 3).await;
    let mut ids: Vec<_> = runs.iter().map(|run| run.stored.key.id.clone()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    let job = runs[0].envelope().unwrap();
    assert_eq!(job.tags, ["mine", "schedule:nightly"]);
    // If the schedule has not stored the tick of a run, it finds the run by its messages, even
    // after the run has ended.
    for run in &runs {
        case.complete(run).await;
    }
    let report = case.client.schedules().get(&name()).await.unwrap();
    assert_eq!((report.progress.runs, report.progress.skipped), (3, 0));
}

pub async fn a_change_replaces_a_chore_that_runs(subject: &dyn Subject) {
    let case = Case::new(subject);
    define(&case, EVERY).await.unwrap();
    let held = hold(&case).await;
    assert_eq!(define(&case, FAR).await.unwrap(), Registered::Updated);
    let newer = hold(&case).await;
    assert!(newer.stored.seq > held.stored.seq && case.stale(&newer).await.is_none());
    // If the broker stored what the older chore writes now, the schedule would tick at its old time.
    let fact = snooze(&case, &held, EVERY);
    assert_ne!(case.write(&fact).await, Written::Ended);
    assert_eq!(waits(&case).await, None, "no message of the older chore waits");
    case.settle(&newer, &snooze(&case, &newer, FAR)).await;
    assert!(waits(&case).await.unwrap() > case.now() + EVERY * 2);
}

fn snooze(case: &Case<'_>, held: &Delivery, delay: Duration) -> Fact {
    let mut next = held.envelope().unwrap();
    next.snoozes += 1;
    Fact::retry(&held.stored, &next, case.now() + delay).unwrap()
}

pub async fn a_change_moves_a_chore_that_waits(subject: &dyn Subject) {
    let case = Case::new(subject);
    define(&case, FAR).await.unwrap();
    assert_eq!(define(&case, EVERY).await.unwrap(), Registered::Updated);
    // The chore is due now. Its handler then finds the next due time.
    let held = hold(&case).await;
    assert_eq!(held.stored.key, chore());
    assert_eq!(waits(&case).await, None);
}

pub async fn a_chore_that_is_lost_is_enqueued_again(subject: &dyn Subject) {
    let case = Case::new(subject);
    define(&case, FAR).await.unwrap();
    for by_a_worker in [true, false] {
        case.transport.purge(&chore().queue).await.unwrap();
        assert_eq!(waits(&case).await, None);
        if by_a_worker {
            assert_eq!(case.client.schedules().ensure_all().await.unwrap(), 1);
        } else {
            assert_eq!(define(&case, FAR).await.unwrap(), Registered::Unchanged);
        }
        assert!(waits(&case).await.is_some());
    }
}

pub async fn a_deleted_schedule_frees_its_name(subject: &dyn Subject) {
    let case = Case::new(subject);
    define(&case, FAR).await.unwrap();
    let schedules = case.client.schedules();
    assert!(schedules.delete(&name()).await.unwrap());
    assert!(matches!(schedules.get(&name()).await, Err(ScheduleError::NotFound(_))));
    assert_eq!((waits(&case).await, schedules.list().await.unwrap().len()), (None, 0));
    assert_eq!(schedules.take_turn(&name()).await.unwrap(), None);
    assert_eq!(define(&case, FAR).await.unwrap(), Registered::Created);
    assert!(waits(&case).await.is_some());
}

pub async fn a_run_waits_for_the_one_before_it(subject: &dyn Subject) {
    let case = Case::new(subject);
    define(&case, EVERY).overlap(Overlap::Queue).await.unwrap();
    let schedules = case.client.schedules();
    case.advance(EVERY * 2 + EVERY / 2).await;
    schedules.take_turn(&name()).await.unwrap();
    let mut sub = case.open().await;
    let first = case.next_delivery(&mut sub).await;
    assert!(schedules.get(&name()).await.unwrap().progress.waiting.is_some());
    schedules.take_turn(&name()).await.unwrap();
    case.expect_nothing(&mut sub, crate::case::BRIEF).await;
    case.complete(&first).await;
    case.expect_places(first.stored.key.id.as_str(), &[Place::Record]).await;
    schedules.take_turn(&name()).await.unwrap();
    let second = case.next_delivery(&mut sub).await;
    assert!(second.stored.key.id > first.stored.key.id);
    case.complete(&second).await;
}

pub async fn a_tick_makes_one_run_even_if_its_queue_is_changed_meanwhile(subject: &dyn Subject) {
    let case = Case::new(subject);
    define(&case, EVERY).await.unwrap();
    let schedules = case.client.schedules();
    let report = schedules.get(&name()).await.unwrap();
    case.advance(EVERY + EVERY / 4).await;
    // A process takes the turn and makes the run. Before it stores the tick, it crashes or the
    // schedule is changed.
    let tick = report.upcoming(1)[0];
    let key = report.schedule.run_key(tick.at);
    let run = report.schedule.run(tick, case.now());
    let message = run.to_message().unwrap();
    let dedup = format!("{}/{}", run.id, run.nonce);
    let run = Submission { key: key.clone(), due_at: None, dedup, unique: true, message };
    case.transport.publish(run).await.unwrap();
    let other = QueueName::new(JobId::random()).unwrap();
    let job = || case.client.enqueue_task("task", &["a"]).unwrap().queue(other.as_str());
    for tag in ["mine", "moved"] {
        let job = job().tag(tag);
        let moved =
            case.client.schedule("nightly").every(EVERY).catch_up(CatchUp::All).template(job);
        assert_eq!(moved.await.unwrap(), Registered::Updated);
    }
    schedules.take_turn(&name()).await.unwrap();
    let progress = schedules.get(&name()).await.unwrap().progress;
    assert_eq!((progress.runs, progress.skipped, &progress.former_queues[..]), (1, 0, &[][..]));
    assert_eq!(progress.last.unwrap().job, key, "the run is found in its old queue");
    let there = JobKey::new(other, key.id);
    assert_eq!(case.transport.locate(&there).await.unwrap(), [], "no second run");
}
