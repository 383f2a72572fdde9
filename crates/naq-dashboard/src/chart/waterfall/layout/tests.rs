use naq_core::retry::{Jitter, Rule};
use naq_core::{Codec, Envelope, ErrorKind, JobId, Payload, QueueName, TaskName};

use super::*;
use crate::chart::waterfall::TimelineBar;

const T0: u64 = 1_000_000;

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(T0 + ms)
}

fn job(policy: &str) -> Envelope {
    let id = JobId::new("j").expect("an id");
    let task = TaskName::new("t").expect("a task");
    let mut job = Envelope::new(QueueName::default(), id, task, Payload::null(Codec::Json), at(0));
    job.policy = policy.parse().expect("a policy");
    job
}

fn timeline(job: &Envelope, state: JobState, due_at: Option<u64>, now: u64) -> JobTimeline<'_> {
    let due_at = due_at.map(at);
    let now = at(now);
    JobTimeline { job, state, due_at, stored_at: now, blockers: 0, run: None, now }
}

/// An attempt that failed, with a retry `delay` later.
fn failed(attempt: u32, times: (u64, u64), delay: Option<u64>) -> AttemptRecord {
    let mut record = AttemptRecord::new(attempt, AttemptOutcome::Failed);
    (record.started_at, record.ended_at) = (Some(at(times.0)), Some(at(times.1)));
    record.error_kind = Some(ErrorKind::CONNECTION);
    record.message = Some("refused".into());
    record.rule = Some(if delay.is_some() { Rule::Strategy } else { Rule::MaxRetries });
    record.reason = Some(format!("attempt {attempt} failed with ConnectionError"));
    record.delay_ms = delay;
    record
}

fn due(mut record: AttemptRecord, due_at: u64) -> AttemptRecord {
    record.due_at = Some(at(due_at));
    record
}

fn kinds(rows: &[TimelineRow]) -> Vec<RowKind> {
    rows.iter().map(|row| row.kind).collect()
}

fn bar(kind: BarKind, from: u64, to: u64) -> TimelineBar {
    TimelineBar { kind, from: at(from), to: at(to) }
}

const FAILED: RowKind = RowKind::Past(AttemptOutcome::Failed);
const RAN_BADLY: BarKind = BarKind::Run(AttemptOutcome::Failed);

#[test]
fn a_job_that_waits_for_its_third_attempt_shows_past_current_and_planned_attempts() {
    let mut job = job("exponential:2s,max_retries=4");
    job.history =
        vec![failed(1, (40, 100), Some(2_000)), due(failed(2, (3_300, 3_400), Some(4_000)), 2_100)];
    (job.attempt, job.first_started_at) = (3, Some(at(40)));
    let rows = layout(&timeline(&job, JobState::Retrying, Some(7_400), 5_400));
    let expected = [
        FAILED,
        FAILED,
        RowKind::Waiting,
        RowKind::Planned,
        RowKind::Planned,
        RowKind::FinalOutcome,
    ];
    assert_eq!(kinds(&rows), expected);
    assert_eq!(rows[0].title, "Attempt 1 of 5");
    assert_eq!(rows[0].bars, [bar(BarKind::Queued, 0, 40), bar(RAN_BADLY, 40, 100)]);
    assert_eq!((rows[0].waited.as_str(), rows[0].ran.as_str()), ("40ms for a slot", "60ms"));
    // The wait: planned, and actual.
    assert_eq!(
        rows[1].bars,
        [
            bar(BarKind::Planned, 100, 2_100),
            bar(BarKind::Late, 2_100, 3_300),
            bar(RAN_BADLY, 3_300, 3_400)
        ]
    );
    assert!(rows[1].late);
    assert_eq!(rows[1].waited, "2s as planned, then 1.2s late");
    let error = rows[1].error.as_ref().map(|(kind, text)| (kind.as_str(), text.as_str()));
    assert_eq!(error, Some(("ConnectionError", "refused")));
    // The current attempt; the planned ones after 8 s and 16 s; the end.
    assert_eq!(rows[2].waited, "4s as planned");
    assert_eq!(rows[2].bars, [bar(BarKind::Planned, 3_400, 7_400)]);
    let marks: Vec<_> = rows[3..].iter().map(|row| row.mark).collect();
    assert_eq!(marks, [15_400, 31_400, 31_400].map(|ms| Some(at(ms))));
    assert_eq!(rows[3].waited, "8s after attempt 3 fails");
    assert_eq!(rows[5].reason, "the job is dead: no retry is left");
}

#[test]
fn a_start_within_the_brokers_tick_is_on_time() {
    let mut job = job("fixed:2s");
    job.history = vec![
        failed(1, (0, 100), Some(2_000)),
        due(failed(2, (2_350, 2_400), Some(2_000)), 2_100),
        due(failed(3, (4_400, 4_500), Some(2_000)), 4_400),
        due(failed(4, (5_000, 5_100), None), 6_500),
    ];
    let rows = layout(&timeline(&job, JobState::Dead, None, 9_000));
    assert!(rows.iter().all(|row| !row.late));
    let waited: Vec<&str> = rows.iter().map(|row| row.waited.as_str()).collect();
    assert_eq!(
        waited,
        [
            "",
            "2s as planned (+250ms)",
            "2s as planned",
            "500ms, 1.5s before its due time: released by an operator",
        ]
    );
    assert_eq!(kinds(&rows), [FAILED; 4], "a dead job has no planned attempts");
}

#[test]
fn a_due_time_that_an_operator_moved_says_so() {
    let mut job = job("fixed:2s");
    job.history =
        vec![failed(1, (0, 100), Some(2_000)), due(failed(2, (60_100, 60_200), None), 60_100)];
    let rows = layout(&timeline(&job, JobState::Dead, None, 70_000));
    assert_eq!(rows[1].waited, "1m as planned; moved by an operator, the decision was 2s");
}

#[test]
fn crashes_snoozes_and_held_back_jobs_each_have_their_own_row() {
    let mut job = job("fixed:2s");
    let mut snoozed = failed(1, (10, 20), Some(1_000));
    (snoozed.outcome, snoozed.error_kind) = (AttemptOutcome::Snoozed, None);
    let mut crashed = AttemptRecord::new(1, AttemptOutcome::Crashed);
    crashed.error_kind = Some(ErrorKind::CRASH);
    let mut held = AttemptRecord::new(1, AttemptOutcome::HeldBack);
    (held.ended_at, held.delay_ms) = (Some(at(12_000)), Some(3_000));
    held.rule = Some(Rule::Limit);
    let mut fine = due(failed(1, (15_000, 15_100), None), 15_000);
    (fine.outcome, fine.error_kind) = (AttemptOutcome::Completed, None);
    job.history = vec![snoozed, crashed, held, fine];
    let rows = layout(&timeline(&job, JobState::Completed, None, 20_000));
    let outcomes: Vec<_> = rows.iter().map(TimelineRow::outcome).collect();
    assert_eq!(outcomes, ["snoozed", "crashed", "held back", "succeeded"]);
    // The worker crashed between the due time and the next record.
    assert_eq!(rows[1].bars, [bar(BarKind::Planned, 20, 1_020), bar(BarKind::Lost, 1_020, 12_000)]);
    assert!(rows[1].reason.contains("a crash is not an attempt, but counts as one of 3 crashes"));
    assert_eq!((rows[2].mark, rows[2].ran.as_str()), (Some(at(12_000)), "not at all"));
    assert_eq!(rows[2].rule, Some(Rule::Limit));
    assert_eq!(rows[3].bars[0], bar(BarKind::Planned, 12_000, 15_000));
}

#[test]
fn a_requeue_counts_from_1_again_and_dropped_records_have_a_row() {
    let mut job = job("fixed:0s,max_retries=100");
    let mut requeued = AttemptRecord::new(60, AttemptOutcome::Requeued);
    requeued.ended_at = Some(at(5_000));
    job.history = vec![
        failed(1, (0, 1), Some(0)),
        failed(60, (900, 901), None),
        requeued,
        failed(1, (6_000, 6_010), Some(0)),
    ];
    job.attempt = 2;
    let rows = layout(&timeline(&job, JobState::Pending, None, 7_000));
    let titles: Vec<_> = rows.iter().take(6).map(|row| row.title.as_str()).collect();
    assert_eq!(
        titles,
        [
            "Attempt 1 of 101",
            "Attempts 2 to 59",
            "Attempt 60 of 101",
            "Requeued",
            "Attempt 1 of 101",
            "Attempt 2 of 101"
        ]
    );
    assert_eq!(rows[4].waited, "1s for a slot");
    let last = rows.last().map(|row| row.reason.as_str());
    assert_eq!(last, Some("up to 91 more attempts, then the job is dead"));
    let ids: std::collections::BTreeSet<_> = rows.iter().map(|row| &row.id).collect();
    assert_eq!(ids.len(), rows.len());
}

#[test]
fn planned_attempts_end_at_retry_for_and_at_the_deadline() {
    let mut job = job("fixed:10s,max_retries=9,retry_for=25s");
    job.first_started_at = Some(at(0));
    let rows = layout(&timeline(&job, JobState::Running, None, 1_000));
    assert_eq!(
        kinds(&rows),
        [RowKind::Running, RowKind::Planned, RowKind::Planned, RowKind::FinalOutcome]
    );
    assert_eq!(rows[3].rule, Some(Rule::RetryFor));
    job.deadline = Some(at(12_000));
    let rows = layout(&timeline(&job, JobState::Running, None, 1_000));
    assert_eq!((rows.len(), rows[2].rule), (3, Some(Rule::Deadline)));
}

#[test]
fn jitter_shows_its_range_and_the_delay_of_this_job() {
    let mut job = job("fixed:10s,max_retries=2");
    job.policy = job.policy.to_builder().jitter(Jitter::Equal).build();
    let rows = layout(&timeline(&job, JobState::Running, None, 0));
    assert_eq!(rows[1].bars, [bar(BarKind::Possible, 5_000, 10_000)]);
    assert_eq!(rows[2].bars, [bar(BarKind::Possible, 10_000, 20_000)]);
    let own = job.policy.retry_delay(&job.id, 1);
    assert_eq!(rows[1].mark, Some(at(0) + own));
    assert!(rows[1].waited.ends_with("(jitter allows 5s to 10s)"), "{}", rows[1].waited);
}

#[test]
fn a_policy_with_four_billion_retries_makes_few_rows() {
    let mut job = job("fixed:1s,max_retries=4294967295");
    job.attempt = 1;
    let rows = layout(&timeline(&job, JobState::Running, None, 0));
    assert!(rows.len() < 12);
}

#[test]
fn an_attempt_number_of_billions_costs_no_more_than_the_second_attempt() {
    // Any client can write any attempt number into a message.
    for jitter in ["none", "decorrelated"] {
        let mut job = job(&format!("exponential:2s,max_retries=4294967295,jitter={jitter}"));
        for (attempt, ahead) in [(u32::MAX - 2, 4), (u32::MAX, 2)] {
            job.attempt = attempt;
            job.history = vec![failed(attempt, (40, 100), Some(2_000))];
            let rows = layout(&timeline(&job, JobState::Retrying, Some(7_400), 5_400));
            let planned = rows.iter().filter(|row| row.kind == RowKind::Planned).count();
            assert_eq!(
                (planned, rows.last().map(|row| row.kind)),
                (ahead - 1, Some(RowKind::FinalOutcome))
            );
        }
    }
}
