use std::num::NonZeroU64;
use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::flow::TaskPause;
use naq_core::flow::breaker::{BreakerEntry, BreakerState, Phase};
use naq_core::names::{JobId, JobKey, QueueName, TaskName};
use naq_core::retry::Rule;
use naq_core::state::JobState;
use naq_core::transport::{HeldBack, JobSummary, QueueBound, QueueInfo};

use super::*;

const AT: fn(u64) -> Timestamp = |seconds| Timestamp::from_millis(seconds * 1_000);
const NOW: Timestamp = Timestamp::from_millis(1_000_000);

fn queue() -> QueueInfo {
    QueueInfo {
        name: QueueName::default(),
        pending: 0,
        running: 0,
        waiting: 0,
        dead: 0,
        oldest: None,
        paused_until: None,
        lease: None,
        concurrency_limit: None,
        bound: QueueBound::default(),
        evicts: Vec::new(),
        forgotten: 0,
        bytes: 0,
        last_seq: 0,
    }
}

fn job(n: u64, state: JobState, held: Option<(Rule, Option<&str>, u64)>) -> JobSummary {
    JobSummary {
        key: JobKey::new(QueueName::default(), JobId::new(format!("j{n}")).expect("an id")),
        state,
        task: Some(TaskName::new("charge").expect("a name")),
        attempt: 1,
        max_attempts: Some(3),
        due_at: Some(AT(1_030 + n)),
        enqueued_at: Some(AT(1)),
        stored_at: AT(900 + n),
        error_kind: None,
        message: None,
        held: held.map(|(rule, by, since)| HeldBack {
            rule,
            by: by.map(str::to_owned),
            since: Some(AT(since)),
            reason: "what the job says".into(),
        }),
        tags: Vec::new(),
        seq: n,
    }
}

fn open(key: &str) -> BreakerEntry {
    let phase = Phase::Open {
        since: AT(700),
        until: Some(AT(1_060)),
        by_hand: false,
        reason: "5 of 5 calls failed".into(),
        probes: Vec::new(),
    };
    let state = BreakerState { opened_at: Some(AT(700)), round: 1, phase };
    let mut entry = BreakerEntry::absent(key);
    entry.state = state;
    entry
}

fn facts<'a>(queue: &'a QueueInfo, waiting: &'a [JobSummary]) -> HoldFacts<'a> {
    let (workers, breakers, pauses) = (&[], &[], &[]);
    HoldFacts { queue, workers, breakers, pauses, waiting, has_more: false, now: NOW }
}

#[test]
fn an_open_breaker_is_shown_with_its_jobs_its_time_and_its_reason() {
    let held = Some((Rule::Breaker, Some("stripe"), 710));
    let waiting = [
        job(1, JobState::Scheduled, held),
        job(2, JobState::Retrying, held),
        // Waits for its own time.
        job(3, JobState::Retrying, None),
    ];
    let (queue, breakers) = (queue(), [open("stripe"), open("other")]);
    let facts = HoldFacts { breakers: &breakers, ..facts(&queue, &waiting) };
    let holds = find_holds(&facts);
    let [hold] = &holds[..] else { panic!("{holds:?}") };
    assert_eq!((hold.cause, hold.name.as_deref()), (HoldCause::Breaker, Some("stripe")));
    assert_eq!((hold.jobs, hold.since, hold.until), (2, Some(AT(700)), Some(AT(1_060))));
    assert_eq!(hold.reason, "breaker stripe is open: 5 of 5 calls failed");
    assert_eq!(hold_of(&waiting[0], &holds), Some(hold));
    assert_eq!(hold_of(&waiting[2], &holds), None, "nothing holds the third job");
    let idle: Vec<_> = idle_breakers(&breakers, &holds, NOW);
    assert_eq!(idle.iter().map(|it| it.name.as_deref()).collect::<Vec<_>>(), [Some("other")]);
    let more = HoldFacts { has_more: true, ..facts };
    assert_eq!(find_holds(&more)[0].jobs_text(), "2 or more");
}

#[test]
fn a_closed_breaker_still_holds_the_jobs_that_it_held_until_their_next_check() {
    let waiting = [job(1, JobState::Scheduled, Some((Rule::Breaker, Some("stripe"), 710)))];
    let queue = queue();
    let holds = find_holds(&facts(&queue, &waiting));
    assert_eq!((holds[0].jobs, holds[0].until), (1, Some(AT(1_031))));
    assert!(holds[0].reason.contains("closed again"), "{}", holds[0].reason);
}

#[test]
fn each_rule_is_a_hold_of_its_own() {
    let waiting = [
        job(1, JobState::Scheduled, Some((Rule::Limit, Some("smtp"), 710))),
        job(2, JobState::Scheduled, Some((Rule::Limit, Some("sms"), 720))),
        job(3, JobState::Retrying, Some((Rule::Budget, Some("task charge"), 730))),
        job(4, JobState::Scheduled, Some((Rule::UnknownTask, None, 740))),
        job(5, JobState::Blocked, None),
        job(6, JobState::Scheduled, Some((Rule::Unknown, None, 750))),
    ];
    let queue = queue();
    let holds = find_holds(&facts(&queue, &waiting));
    let found: Vec<_> = holds.iter().map(|it| (it.cause, it.name.as_deref(), it.jobs)).collect();
    use HoldCause::{Budget, Dependencies, Limit, NoHandler, Other};
    assert_eq!(
        found,
        [
            (Budget, Some("task charge"), 1),
            (NoHandler, Some("charge"), 1),
            (Limit, Some("sms"), 1),
            (Limit, Some("smtp"), 1),
            (Dependencies, None, 1),
            (Other, None, 1),
        ]
    );
    for (n, job) in waiting.iter().enumerate() {
        let hold = hold_of(job, &holds).unwrap_or_else(|| panic!("job {n} is held"));
        assert_eq!(
            (hold.since, hold.jobs),
            (holds.iter().find(|it| *it == hold).unwrap().since, 1)
        );
    }
}

#[test]
fn a_pause_holds_the_jobs_of_its_task_also_before_a_worker_has_held_one_back() {
    let queue = queue();
    let pause = TaskPause {
        queue: QueueName::default(),
        task: TaskName::new("charge").expect("a name"),
        until: None,
        since: AT(600),
        who: "ann".into(),
        reason: "maintenance".into(),
    };
    let (waiting, pauses) = ([job(1, JobState::Retrying, None)], [pause]);
    let holds = find_holds(&HoldFacts { pauses: &pauses, ..facts(&queue, &waiting) });
    assert_eq!(
        (holds[0].cause, holds[0].jobs, holds[0].since),
        (HoldCause::TaskPause, 0, Some(AT(600)))
    );
    assert_eq!(hold_of(&waiting[0], &holds), Some(&holds[0]));
}

#[test]
fn what_holds_the_whole_queue_comes_first() {
    let full = QueueInfo {
        pending: 4,
        running: 2,
        waiting: 4,
        oldest: Some(Duration::from_secs(300)),
        paused_until: Some(NOW + Duration::from_secs(3_650 * 86_400)),
        concurrency_limit: Some(2),
        bound: QueueBound { max_jobs: NonZeroU64::new(10), max_bytes: None },
        ..queue()
    };
    let holds = find_holds(&facts(&full, &[]));
    use HoldCause::{FullQueue, NoWorker, QueueLimit, QueuePause};
    let causes: Vec<_> = holds.iter().map(|it| it.cause).collect();
    assert_eq!(causes, [NoWorker, QueuePause, FullQueue, QueueLimit]);
    assert_eq!((holds[0].jobs, holds[0].since), (4, Some(AT(700))));
    assert_eq!(holds[1].until, None, "it lasts until an operator resumes it");
    let pending = job(1, JobState::Pending, None);
    assert_eq!(hold_of(&pending, &holds), Some(&holds[0]));
    assert_eq!(hold_of(&job(1, JobState::Running, None), &holds), None);
    assert!(find_holds(&facts(&queue(), &[])).is_empty());
}

#[test]
fn each_cause_is_a_value_of_the_metric() {
    assert_eq!(HoldCause::ALL.map(HoldCause::as_str), naq_core::metrics::HELD_BY);
}
