//! Promise 1: every acknowledged job ends, once, and as its script says.

use super::{Case, What};
use crate::history::End;
use crate::script::{Ending, Script};

pub(super) fn check(case: &Case<'_>) -> Vec<What> {
    let Some(sent) = case.sent else { return vec![What::NotSent] };
    let mut found = Vec::new();
    if sent.acked.is_none() {
        found.push(What::NotSent);
    }
    let held = case.held;
    if !held.live.is_empty() {
        found.push(What::LeftWaiting { places: held.live.clone() });
    }
    if !held.half.is_empty() {
        found.push(What::HalfDead { found: held.half.clone() });
    }
    match held.ends.as_slice() {
        // Not acknowledged and nothing there: it may never have arrived.
        [] if held.live.is_empty()
            && held.half.is_empty()
            && (sent.acked.is_some() || !case.runs.is_empty()) =>
        {
            found.push(What::Lost);
        }
        [] => {}
        [end] => found.extend(wrong_end(case, end)),
        ends => {
            found.push(What::TwoEnds { states: ends.iter().map(|e| e.state.to_string()).collect() })
        }
    }
    found.extend(steps(case));
    found
}

fn wrong_end(case: &Case<'_>, end: &End) -> Option<What> {
    let Ending { state, step, rule } = case.planned.script.ending(case.planned.pace);
    let right = end.state == state
        && end.step == step
        && rule.is_none_or(|rule| end.rule.as_deref() == Some(rule));
    (!right).then(|| What::WrongEnd {
        expected: format!("{state} at {step} by {}", rule.unwrap_or("-")),
        found: format!("{} at {} by {}", end.state, end.step, end.rule.as_deref().unwrap_or("-")),
    })
}

/// Every step of the script was run, and no other.
fn steps(case: &Case<'_>) -> Vec<What> {
    let scenes = case.planned.script.scenes(case.planned.pace);
    let strange = case
        .runs
        .iter()
        .filter(|run| run.will.is_none() || scenes.iter().all(|scene| scene.step != run.step));
    let mut found: Vec<_> =
        strange.map(|run| What::Unscripted { step: run.step.to_string() }).collect();
    // A poison job may have spent its budget on the deaths of its neighbours.
    if !case.held.ends.is_empty() && case.planned.script != Script::Poison {
        let missing = scenes.iter().filter(|scene| case.runs.iter().all(|r| r.step != scene.step));
        found.extend(missing.map(|scene| What::NeverRan { step: scene.step.to_string() }));
    }
    found
}

#[cfg(test)]
mod tests {
    use naq_core::JobState;

    use super::super::forged::{Forged, names};
    use super::*;
    use crate::script::{Act, Step};

    #[test]
    fn an_acknowledged_job_that_is_gone_is_lost() {
        let mut forged = Forged::new(Script::Succeed);
        forged.held().ends.clear();
        assert_eq!(names(&forged), ["Lost"]);
    }

    #[test]
    fn a_job_that_ran_but_was_not_acknowledged_must_not_vanish_either() {
        let mut forged = Forged::new(Script::Succeed);
        forged.held().ends.clear();
        forged.sent().acked = None;
        assert_eq!(names(&forged), ["NotSent", "Lost"]);
    }

    #[test]
    fn a_job_that_still_waits_after_the_drain_is_found() {
        let mut forged = Forged::new(Script::Succeed);
        forged.held().live.push("queue".into());
        assert_eq!(names(&forged), ["LeftWaiting"]);
    }

    #[test]
    fn a_record_beside_a_dead_letter_is_found() {
        let mut forged = Forged::new(Script::FailAlways);
        let mut second = forged.held().ends[0].clone();
        second.state = JobState::Completed;
        forged.held().ends.push(second);
        assert_eq!(names(&forged), ["TwoEnds"]);
    }

    #[test]
    fn a_death_of_which_a_half_is_missing_is_found() {
        let mut forged = Forged::new(Script::FailAlways);
        forged.held().half.push("a letter without its record".into());
        assert_eq!(names(&forged), ["HalfDead"]);
        forged.held().ends.clear();
        assert_eq!(names(&forged), ["HalfDead"]);
    }

    #[test]
    fn another_state_attempt_or_rule_is_a_wrong_end() {
        let mut forged = Forged::new(Script::FailAlways);
        forged.held().ends[0].state = JobState::Completed;
        assert_eq!(names(&forged), ["WrongEnd"]);
        let mut forged = Forged::new(Script::FailThenSucceed { failures: 2 });
        forged.held().ends[0].step = Step::attempt(2);
        assert_eq!(names(&forged), ["WrongEnd"]);
        let mut forged = Forged::new(Script::Ignored);
        forged.held().ends[0].rule = Some("max_retries".into());
        assert_eq!(names(&forged), ["WrongEnd"]);
    }

    #[test]
    fn an_end_without_its_runs_is_found() {
        let mut forged = Forged::new(Script::Succeed);
        forged.runs().clear();
        assert_eq!(names(&forged), ["NeverRan"]);
    }

    #[test]
    fn a_step_that_the_script_does_not_have_is_found() {
        let mut forged = Forged::new(Script::Fatal);
        let mut more = forged.runs()[0].clone();
        more.step = Step::attempt(2);
        more.will = None;
        more.start += 1;
        forged.end_at(more.start + 1);
        forged.runs().push(more);
        assert_eq!(names(&forged), ["Unscripted"]);
        assert_eq!(Script::Fatal.scenes(crate::script::Pace::Fixed)[0].act, Act::Fatal);
    }

    #[test]
    fn an_expired_job_that_ran_is_found() {
        let mut forged = Forged::new(Script::Expire);
        let end = forged.held().ends[0].at;
        let run = Forged::run(Step::attempt(1), end - 10, Act::Succeed);
        forged.runs().push(run);
        assert_eq!(names(&forged), ["Unscripted"]);
    }
}
