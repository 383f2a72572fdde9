//! Turns of a schedule: catch-up, overlap, `max_runs`, pause, and turns that are taken twice.
#![cfg(feature = "schedules")]

use std::collections::BTreeMap;
use std::time::Duration;

use naq_core::schedule::{
    CatchUp, JobTemplate, MAX_CATCH_UP, Overlap, Progress, Schedule, ScheduleEntry, Seen, Turn,
    When, turn,
};
use naq_core::transport::JobKey;
use naq_core::{
    Codec, Envelope, JobId, Payload, QueueName, RetryPolicy, ScheduleName, TaskName, Timestamp,
};

const HOUR: Duration = Duration::from_secs(3600);

fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().expect("a time")
}

fn job() -> Envelope {
    let task = TaskName::new("report").expect("a task");
    let args = Payload::encode(Codec::Json, &[1]).expect("writes");
    Envelope::new(QueueName::default(), JobId::random(), task, args, start())
}

/// Every hour, from midnight.
fn hourly() -> Schedule {
    let name = ScheduleName::new("nightly").expect("a name");
    let job = JobTemplate::new(job()).expect("a template");
    let mut schedule = Schedule::new(name, When::Every(HOUR), job, start());
    schedule.start = Some(start());
    schedule
}

fn hours(n: u32) -> Timestamp {
    start() + HOUR * n
}

fn take(schedule: &Schedule, progress: &Progress, seen: &Seen, now: Timestamp) -> Turn {
    let due = schedule.due(progress, now);
    turn(schedule, progress, &due, seen, now)
}

/// Runs of these ticks, seen where they are now made.
fn begun<const N: usize>(
    schedule: &Schedule,
    ticks: [Timestamp; N],
) -> BTreeMap<Timestamp, JobKey> {
    ticks.into_iter().map(|tick| (tick, schedule.run_key(tick))).collect()
}

/// The hours at which a turn makes runs.
fn runs(turn: &Turn) -> Vec<u64> {
    turn.runs.iter().map(|tick| tick.at.since(start()).as_secs() / 3600).collect()
}

fn waiting(turn: &Turn) -> Option<u64> {
    turn.progress.waiting.map(|tick| tick.since(start()).as_secs() / 3600)
}

const FREE: bool = false;
const BUSY: bool = true;

#[test]
fn the_truth_table_of_catch_up_and_overlap() {
    use CatchUp::{All, Last, Skip};
    use Overlap::{Allow, Queue};
    const NO: Overlap = Overlap::Skip;
    // Ticks 1, 2 and 3 are due. Late: minutes since the last of them.
    for (catch_up, overlap, late, running, expected, waits, skipped) in [
        (All, Allow, 30, FREE, vec![1, 2, 3], None, 0),
        (All, Allow, 30, BUSY, vec![1, 2, 3], None, 0),
        (All, NO, 30, FREE, vec![1], None, 2),
        (All, NO, 30, BUSY, vec![], None, 3),
        (All, Queue, 30, FREE, vec![1], Some(2), 1),
        (All, Queue, 30, BUSY, vec![], Some(1), 2),
        (Last, Allow, 30, FREE, vec![3], None, 2),
        (Last, Allow, 30, BUSY, vec![3], None, 2),
        (Last, NO, 30, FREE, vec![3], None, 2),
        (Last, NO, 30, BUSY, vec![], None, 3),
        (Last, Queue, 30, FREE, vec![3], None, 2),
        (Last, Queue, 30, BUSY, vec![], Some(3), 2),
        (Skip, Allow, 30, FREE, vec![], None, 3),
        (Skip, Allow, 1, FREE, vec![3], None, 2),
        (Skip, NO, 1, BUSY, vec![], None, 3),
        (Skip, Queue, 1, BUSY, vec![], Some(3), 2),
        (Skip, Queue, 30, BUSY, vec![], None, 3),
    ] {
        let what = format!("{catch_up} {overlap} {late} {running}");
        let schedule = Schedule { catch_up, overlap, ..hourly() };
        let mut progress = Progress::new(start());
        progress.decided_until = start();
        let now = hours(3) + Duration::from_secs(late * 60);
        let seen = Seen { running, ..Seen::default() };
        let turn = take(&schedule, &progress, &seen, now);
        assert_eq!((runs(&turn), waiting(&turn)), (expected.clone(), waits), "{what}");
        assert_eq!(turn.skipped, skipped, "{what}");
        assert_eq!(turn.progress.runs, expected.len() as u64, "{what}");
        assert_eq!(turn.progress.decided_until, hours(3), "{what}");
        if waits.is_none() {
            assert_eq!(turn.next, Some(hours(4)), "{what}");
        }
        // Nothing is decided twice.
        let busy = Seen { running: true, ..Seen::default() };
        let again = take(&schedule, &turn.progress, &busy, now);
        assert_eq!((again.runs, again.skipped), (vec![], 0), "{what}");
    }
}

#[test]
fn a_tick_on_time_runs_with_every_catch_up() {
    for catch_up in [CatchUp::Skip, CatchUp::Last, CatchUp::All] {
        let schedule = Schedule { catch_up, ..hourly() };
        let turn = take(&schedule, &Progress::new(start()), &Seen::default(), start());
        assert_eq!((runs(&turn), turn.next), (vec![0], Some(hours(1))), "{catch_up}");
        let last = turn.progress.last.expect("a run");
        assert_eq!(last.job.to_string(), "default/nightly-20260101T000000Z");
    }
}

#[test]
fn a_waiting_run_starts_after_the_last_one_and_is_checked_less_and_less_often() {
    let schedule = Schedule { overlap: Overlap::Queue, ..hourly() };
    let first = take(&schedule, &Progress::new(start()), &Seen::default(), start());
    let busy = Seen { running: true, ..Seen::default() };
    let held = take(&schedule, &first.progress, &busy, hours(1));
    assert_eq!((runs(&held), waiting(&held)), (vec![], Some(1)));
    assert_eq!(held.next, Some(hours(1) + Duration::from_secs(1)));
    let later = hours(1) + Duration::from_secs(200);
    let still = take(&schedule, &held.progress, &busy, later);
    assert_eq!((waiting(&still), still.next), (Some(1), Some(later + Duration::from_secs(20))));
    // A further tick finds the place taken; never is a tick looked for later than it comes.
    let near = take(&schedule, &held.progress, &busy, hours(1) + Duration::from_secs(3590));
    assert_eq!(near.next, Some(hours(2)));
    let full = take(&schedule, &held.progress, &busy, hours(2));
    assert_eq!((waiting(&full), full.skipped), (Some(1), 1));
    let free = take(&schedule, &full.progress, &Seen::default(), hours(2) + HOUR / 2);
    assert_eq!((runs(&free), waiting(&free), free.skipped), (vec![1], None, 0));
    assert_eq!((free.progress.runs, free.next), (2, Some(hours(3))));
}

#[test]
fn a_turn_that_a_worker_died_in_comes_to_the_same_end() {
    for catch_up in [CatchUp::Skip, CatchUp::Last, CatchUp::All] {
        for overlap in [Overlap::Allow, Overlap::Skip, Overlap::Queue] {
            let schedule = Schedule { catch_up, overlap, max_runs: Some(3), ..hourly() };
            let progress = Progress::new(start());
            let first = take(&schedule, &progress, &Seen::default(), start());
            assert_eq!(runs(&first), [0]);
            // Its run was made and has not ended, but the progress was not stored. An hour later:
            let seen = Seen { begun: begun(&schedule, [start()]), running: true };
            let again = take(&schedule, &progress, &seen, hours(1));
            assert!(!runs(&again).contains(&0), "{catch_up} {overlap}");
            let made = 1 + runs(&again).len() as u64;
            assert_eq!(again.progress.runs, made, "{catch_up} {overlap}");
            let beside = overlap == Overlap::Allow;
            assert_eq!(runs(&again), if beside { vec![1] } else { vec![] });
            assert_eq!(waiting(&again), (overlap == Overlap::Queue).then_some(1));
        }
    }
}

#[test]
fn the_count_of_runs_is_exact_also_when_a_worker_died() {
    let schedule = Schedule { catch_up: CatchUp::All, max_runs: Some(3), ..hourly() };
    let progress = Progress::new(start());
    let seen = Seen { begun: begun(&schedule, [hours(0), hours(2)]), running: false };
    let turn = take(&schedule, &progress, &seen, hours(9));
    assert_eq!((runs(&turn), turn.progress.runs, turn.next), (vec![1], 3, None));
    // The ticks after the last run are beyond the schedule.
    assert_eq!(turn.skipped, 0);
    assert!(schedule.is_finished(&turn.progress));
    assert_eq!(take(&schedule, &turn.progress, &Seen::default(), hours(20)).runs, []);
}

#[test]
fn it_ends_at_its_end_and_rests_while_it_is_paused() {
    let schedule = Schedule { end: Some(hours(1)), ..hourly() };
    let first = take(&schedule, &Progress::new(start()), &Seen::default(), start());
    assert_eq!(first.next, Some(hours(1)));
    let last = take(&schedule, &first.progress, &Seen::default(), hours(1));
    assert_eq!((runs(&last), last.next), (vec![1], None));
    assert!(schedule.is_finished(&last.progress) && !schedule.is_finished(&first.progress));

    let paused = Schedule { paused: true, ..hourly() };
    let turn = take(&paused, &Progress::new(start()), &Seen::default(), hours(5));
    assert_eq!((runs(&turn), turn.next, turn.progress), (vec![], None, Progress::new(start())));
}

#[test]
fn after_a_long_outage_the_last_thousand_are_caught_up_with() {
    let schedule =
        Schedule { catch_up: CatchUp::All, when: When::Every(Duration::from_secs(1)), ..hourly() };
    let year = start() + Duration::from_secs(365 * 86_400);
    let turn = take(&schedule, &Progress::new(start()), &Seen::default(), year);
    assert_eq!(turn.runs.len(), MAX_CATCH_UP);
    assert_eq!(turn.runs.last().map(|tick| tick.at), Some(year));
    assert_eq!(turn.progress.decided_until, year);
}

#[test]
fn a_turn_with_a_slow_clock_decides_no_tick_twice() {
    let schedule = hourly();
    let turn = take(&schedule, &Progress::new(start()), &Seen::default(), hours(5));
    let behind = take(&schedule, &turn.progress, &Seen::default(), hours(3));
    assert_eq!((runs(&behind), behind.next), (vec![], Some(hours(6))));
}

#[test]
fn a_run_carries_the_whole_job_and_a_tag_of_its_schedule() {
    let mut template = job();
    template.set_policy("exponential:2s,max_retries=7".parse::<RetryPolicy>().expect("a policy"));
    template.timeout = Some(Duration::from_secs(9));
    template.tags = vec!["a".into()];
    let schedule = Schedule {
        job: JobTemplate::new(template).expect("a template"),
        jitter: HOUR,
        start_within: Some(HOUR),
        ..hourly()
    };
    let tick = schedule.tick(start());
    let run = schedule.run(tick, start());
    assert_eq!(run, schedule.run(tick, start()), "the same life each time");
    assert_eq!(run.id.as_str(), "nightly-20260101T000000Z");
    assert_eq!(run.due_at, Some(tick.starts_at));
    let body = run.encode().expect("writes");
    let body: serde_json::Value = serde_json::from_slice(&body).expect("json");
    assert_eq!(body["tags"], serde_json::json!(["a", "schedule:nightly"]));
    assert_eq!((&body["task"], &body["args"]), (&"report".into(), &serde_json::json!([1])));
    assert_eq!(body["policy"]["max_retries"], 7);
    assert_eq!((&body["timeout_ms"], &body["attempt"]), (&9000.into(), &1.into()));
    assert_eq!(body["deadline"], (tick.starts_at + HOUR).to_string());

    assert_ne!(schedule.extra_run(start()).id, schedule.extra_run(start()).id);
}

#[test]
fn what_is_stored_reads_back_and_keeps_what_it_does_not_know() {
    let mut schedule = hourly();
    schedule.when = When::Cron("30 2 * * *".parse().expect("a cron"));
    schedule.time_zone = "Europe/Berlin".parse().expect("a zone");
    schedule.end = Some(hours(99));
    schedule.max_runs = Some(5);
    schedule.jitter = HOUR;
    schedule.catch_up = CatchUp::All;
    schedule.overlap = Overlap::Queue;
    schedule.start_within = Some(HOUR);
    schedule.paused = true;
    let mut entry = ScheduleEntry::new(schedule);
    entry.progress.waiting = Some(hours(2));
    let written = entry.encode().expect("writes");
    let name = &entry.schedule.name;
    assert_eq!(ScheduleEntry::decode(name, &written).expect("reads"), entry);

    let text = String::from_utf8(written.to_vec()).expect("text");
    let newer = text.replacen('{', r#"{"later":[ 1.50 ],"#, 1);
    let read = ScheduleEntry::decode(name, &newer.into_bytes().into()).expect("reads");
    let again = String::from_utf8(read.encode().expect("writes").to_vec()).expect("text");
    assert!(again.contains(r#""later":[ 1.50 ]"#), "{again}");

    for (bad, part) in [
        (text.replace(r#""v":1"#, r#""v":2"#), "version 2"),
        (text.replace("30 2 * * *", "30 2 * *"), "cron"),
        (text.replace("Europe/Berlin", "Europe/Bonn"), "Bonn"),
        (text.replace(r#""cron":"30 2 * * *","#, ""), "cron or every_ms"),
        (text.replace(r#""task":"report""#, r#""task":"a b""#), "task"),
        (text.replace(r#""overlap":"queue""#, r#""overlap":"replace""#), "overlap"),
        ("[".into(), "json"),
    ] {
        let err = ScheduleEntry::decode(name, &bad.clone().into_bytes().into()).expect_err(&bad);
        assert!(err.to_string().contains(part), "{part}: {err}");
    }
}

#[test]
fn a_job_that_a_schedule_cannot_repeat_is_refused() {
    let with = |change: fn(&mut Envelope)| {
        let mut job = job();
        change(&mut job);
        JobTemplate::new(job).expect_err("refused").to_string()
    };
    assert!(with(|job| job.due_at = Some(start())).contains("time of its own"));
    assert!(with(|job| job.deadline = Some(start())).contains("start_within"));
    assert!(with(|job| job.tags = vec!["a".into(); 32]).contains("tags"));
    // Written by a producer of MessagePack it is the same schedule.
    let args = Payload::encode(Codec::MsgPack, &[1]).expect("writes");
    let task = TaskName::new("report").expect("a task");
    let packed = Envelope::new(QueueName::default(), JobId::random(), task, args, start());
    assert_eq!(JobTemplate::new(packed).expect("a template"), hourly().job);
}
