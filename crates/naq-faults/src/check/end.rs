//! Promise 1: every acknowledged job ends once, as its script says, or as an operator decided: a
//! cancelled job is cancelled, a purged one is gone or was ended by a worker that had it.

use super::{BrokenPromise, Intervention, JobCase};
use crate::script::{ExpectedEnd, MAX_CRASHES, Script};
use crate::stored_job::{JobEnd, StoredJob};
use naq_core::JobState;

pub(super) fn check(case: &JobCase<'_>) -> Vec<BrokenPromise> {
    let Some(sent) = case.sent else { return vec![BrokenPromise::NotSent] };
    let mut found = Vec::new();
    if sent.acked.is_none() {
        found.push(BrokenPromise::NotSent);
    }
    let stored = case.stored;
    if !stored.live.is_empty() {
        found.push(BrokenPromise::LeftWaiting { places: stored.live.clone() });
    }
    if !stored.half.is_empty() && !is_half_purged(case) {
        found.push(BrokenPromise::HalfDead { found: stored.half.clone() });
    }
    match stored.ends.as_slice() {
        // A job without an ack and without messages may never have reached the broker.
        [] if stored.live.is_empty()
            && stored.half.is_empty()
            && (sent.acked.is_some() || !case.runs.is_empty()) =>
        {
            match case.intervention {
                Intervention::Removed { .. } => found.extend(unrecorded(case)),
                _ => found.push(BrokenPromise::Lost),
            }
        }
        [] => {}
        [end] => found.extend(wrong_end(case, end)),
        ends => found.push(BrokenPromise::TwoEnds {
            states: ends.iter().map(|e| e.state.to_string()).collect(),
        }),
    }
    found.extend(steps(case));
    found
}

/// Whether an operator purged the job, and what is left is a record of a death: of the life before a
/// requeue, or of this life, whose worker a fault stopped before it stored the dead letter. The message
/// of the job does not come back to complete the death.
fn is_half_purged(case: &JobCase<'_>) -> bool {
    let removed = matches!(case.intervention, Intervention::Removed { .. });
    let interrupted = case.runs.last().is_some_and(|run| case.harmful.interrupted(run, u64::MAX));
    let has_record = case.stored.half.as_slice() == [StoredJob::NO_LETTER];
    removed && has_record && (case.life.was_dead || interrupted)
}

/// A purged job may be gone. But its last step must not have finished without a fault: the worker
/// stores its end then, even if the message is gone.
fn unrecorded(case: &JobCase<'_>) -> Option<BrokenPromise> {
    let last = case.planned.script.expected_end(case.planned.pace).step;
    let mut finished = case.runs.iter().filter(|run| run.step == last && run.finish.is_some());
    finished.any(|run| !case.harmful.interrupted(run, u64::MAX)).then_some(BrokenPromise::Lost)
}

fn wrong_end(case: &JobCase<'_>, end: &JobEnd) -> Option<BrokenPromise> {
    let ExpectedEnd { state, step, rule } = case.planned.script.expected_end(case.planned.pace);
    if matches!(case.intervention, Intervention::Cancelled { .. }) {
        return (end.state != JobState::Cancelled).then(|| BrokenPromise::WrongEnd {
            expected: "cancelled by an operator".into(),
            found: format!("{} at {}", end.state, end.step),
        });
    }
    let matches = end.state == state
        && end.step == step
        && rule.is_none_or(|rule| end.rule.as_deref() == Some(rule));
    (!matches && !died_with_its_workers(case, end)).then(|| BrokenPromise::WrongEnd {
        expected: format!("{state} at {step} by {}", rule.unwrap_or("-")),
        found: format!("{} at {} by {}", end.state, end.step, end.rule.as_deref().unwrap_or("-")),
    })
}

impl JobCase<'_> {
    /// Whether the end came before the end of the script.
    fn is_cut_short(&self, end: &JobEnd) -> bool {
        let cancelled = matches!(self.intervention, Intervention::Cancelled { .. });
        cancelled || died_with_its_workers(self, end)
    }
}

/// Whether the job died because as many workers that ran it died as its policy allows.
fn died_with_its_workers(case: &JobCase<'_>, end: &JobEnd) -> bool {
    let by_crashes = end.state == JobState::Dead && end.rule.as_deref() == Some("max_crashes");
    by_crashes && case.all_deaths() >= MAX_CRASHES
}

/// All steps of the script ran, and no others.
fn steps(case: &JobCase<'_>) -> Vec<BrokenPromise> {
    let step_plans = case.planned.script.step_plans(case.planned.pace);
    let unscripted = case
        .runs
        .iter()
        .filter(|run| run.will.is_none() || step_plans.iter().all(|plan| plan.step != run.step));
    let mut found: Vec<_> =
        unscripted.map(|run| BrokenPromise::Unscripted { step: run.step.to_string() }).collect();
    // A poison job may reach its crash limit through the crashes of other jobs in its worker. A job
    // that was cancelled, or that died with its workers, ran all steps before its last one.
    let until = match case.stored.ends.as_slice() {
        [] => return found,
        _ if case.planned.script == Script::Poison => return found,
        [end] if case.is_cut_short(end) => Some(end.step),
        _ => None,
    };
    let missing = step_plans
        .iter()
        .filter(|plan| until.is_none_or(|until| plan.step < until))
        .filter(|plan| case.runs.iter().all(|run| run.step != plan.step));
    found.extend(missing.map(|plan| BrokenPromise::NeverRan { step: plan.step.to_string() }));
    found
}

#[cfg(test)]
mod tests {
    use super::super::fake_job::{FakeJob, names};
    use super::*;
    use crate::script::{HandlerAct, ScriptStep};

    #[test]
    fn an_acknowledged_job_that_is_gone_is_lost() {
        let mut fake = FakeJob::new(Script::Succeed);
        fake.stored().ends.clear();
        assert_eq!(names(&fake), ["Lost"]);
    }

    #[test]
    fn a_job_that_ran_without_an_ack_must_not_be_lost_either() {
        let mut fake = FakeJob::new(Script::Succeed);
        fake.stored().ends.clear();
        fake.sent().acked = None;
        assert_eq!(names(&fake), ["NotSent", "Lost"]);
    }

    #[test]
    fn a_job_that_still_waits_after_the_drain_is_found() {
        let mut fake = FakeJob::new(Script::Succeed);
        fake.stored().live.push("queue".into());
        assert_eq!(names(&fake), ["LeftWaiting"]);
    }

    #[test]
    fn a_record_beside_a_dead_letter_is_found() {
        let mut fake = FakeJob::new(Script::FailAlways);
        let mut second = fake.stored().ends[0].clone();
        second.state = JobState::Completed;
        fake.stored().ends.push(second);
        assert_eq!(names(&fake), ["TwoEnds"]);
    }

    #[test]
    fn a_death_without_its_record_or_letter_is_found() {
        let mut fake = FakeJob::new(Script::FailAlways);
        fake.stored().half.push("a letter without its record".into());
        assert_eq!(names(&fake), ["HalfDead"]);
        fake.stored().ends.clear();
        assert_eq!(names(&fake), ["HalfDead"]);
    }

    #[test]
    fn another_state_attempt_or_rule_is_a_wrong_end() {
        let mut fake = FakeJob::new(Script::FailAlways);
        fake.stored().ends[0].state = JobState::Completed;
        assert_eq!(names(&fake), ["WrongEnd"]);
        let mut fake = FakeJob::new(Script::FailThenSucceed { failures: 2 });
        fake.stored().ends[0].step = ScriptStep::attempt(2);
        assert_eq!(names(&fake), ["WrongEnd"]);
        let mut fake = FakeJob::new(Script::Ignored);
        fake.stored().ends[0].rule = Some("max_retries".into());
        assert_eq!(names(&fake), ["WrongEnd"]);
    }

    #[test]
    fn an_end_without_its_runs_is_found() {
        let mut fake = FakeJob::new(Script::Succeed);
        fake.runs().clear();
        assert_eq!(names(&fake), ["NeverRan"]);
    }

    #[test]
    fn a_step_that_the_script_does_not_have_is_found() {
        let mut fake = FakeJob::new(Script::Fatal);
        let mut more = fake.runs()[0].clone();
        more.step = ScriptStep::attempt(2);
        more.will = None;
        more.start += 1;
        fake.end_at(more.start + 1);
        fake.runs().push(more);
        assert_eq!(names(&fake), ["Unscripted"]);
        assert_eq!(
            Script::Fatal.step_plans(crate::script::DelayPattern::Fixed)[0].act,
            HandlerAct::Fatal
        );
    }

    #[test]
    fn an_expired_job_that_ran_is_found() {
        let mut fake = FakeJob::new(Script::Expire);
        let end = fake.stored().ends[0].at;
        let run = FakeJob::run(ScriptStep::attempt(1), end - 10, HandlerAct::Succeed);
        fake.runs().push(run);
        assert_eq!(names(&fake), ["Unscripted"]);
    }
}
