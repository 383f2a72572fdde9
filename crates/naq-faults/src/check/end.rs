//! Promise 1: every acknowledged job ends once, as its script says.

use super::{BrokenPromise, JobCase};
use crate::history::JobEnd;
use crate::script::{ExpectedEnd, Script};

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
    if !stored.half.is_empty() {
        found.push(BrokenPromise::HalfDead { found: stored.half.clone() });
    }
    match stored.ends.as_slice() {
        // A job without an ack and without messages may never have reached the broker.
        [] if stored.live.is_empty()
            && stored.half.is_empty()
            && (sent.acked.is_some() || !case.runs.is_empty()) =>
        {
            found.push(BrokenPromise::Lost);
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

fn wrong_end(case: &JobCase<'_>, end: &JobEnd) -> Option<BrokenPromise> {
    let ExpectedEnd { state, step, rule } = case.planned.script.expected_end(case.planned.pace);
    let matches = end.state == state
        && end.step == step
        && rule.is_none_or(|rule| end.rule.as_deref() == Some(rule));
    (!matches).then(|| BrokenPromise::WrongEnd {
        expected: format!("{state} at {step} by {}", rule.unwrap_or("-")),
        found: format!("{} at {} by {}", end.state, end.step, end.rule.as_deref().unwrap_or("-")),
    })
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
    // A poison job may have reached its crash limit through the crashes of other jobs in its
    // worker.
    if !case.stored.ends.is_empty() && case.planned.script != Script::Poison {
        let missing =
            step_plans.iter().filter(|plan| case.runs.iter().all(|r| r.step != plan.step));
        found.extend(missing.map(|plan| BrokenPromise::NeverRan { step: plan.step.to_string() }));
    }
    found
}

#[cfg(test)]
mod tests {
    use naq_core::JobState;

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
