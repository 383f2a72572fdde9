//! Promise 3: no retry starts before it is due. All times are from one clock, so there is no tolerance.
//! Ledgers round times down to milliseconds, and a handler writes its finish before NAQ sees its
//! result.

use super::{BrokenPromise, JobCase};
use crate::script::StepPlan;

pub(super) fn check(case: &JobCase<'_>) -> Vec<BrokenPromise> {
    let mut found: Vec<_> = first(case).into_iter().collect();
    let step_plans = case.planned.script.step_plans(case.planned.pace);
    for pair in step_plans.windows(2) {
        let [before, after] = pair else { continue };
        let due = due(case, before);
        for run in case.runs.iter().filter(|run| run.step == after.step) {
            let step = run.step.to_string();
            match due {
                None => found.push(BrokenPromise::OutOfNowhere { step }),
                Some(due) if run.start < due => {
                    found.push(BrokenPromise::Early { step, by_ms: due - run.start });
                }
                Some(_) => {}
            }
        }
    }
    found
}

/// When the step after `before` is due. This is counted from its first run that finished, because
/// any of its runs may be the one that was settled.
pub(super) fn due(case: &JobCase<'_>, before: &StepPlan) -> Option<u64> {
    let runs = case.runs.iter().filter(|run| run.step == before.step);
    let finish = runs.filter_map(|run| run.finish).min()?;
    Some(finish + before.wait_ms.unwrap_or_default())
}

/// The first run must not start before the job was sent and its delay has passed.
fn first(case: &JobCase<'_>) -> Option<BrokenPromise> {
    let sent = case.sent?;
    let run = case.runs.first()?;
    let due = sent.first + case.life.delay_ms;
    let step = run.step.to_string();
    (run.start < due).then(|| BrokenPromise::Early { step, by_ms: due - run.start })
}

#[cfg(test)]
mod tests {
    use super::super::fake_job::{FakeJob, names};
    use crate::script::Script;

    #[test]
    fn a_retry_one_millisecond_early_is_found() {
        let mut fake = FakeJob::new(Script::FailThenSucceed { failures: 1 });
        let finish = fake.runs()[0].finish.expect("it finished");
        fake.runs()[1].start = finish + 300;
        assert_eq!(names(&fake), [""; 0]);
        fake.runs()[1].start = finish + 299;
        assert_eq!(names(&fake), ["Early"]);
    }

    #[test]
    fn a_snooze_and_a_retry_after_keep_their_own_delay() {
        for script in [Script::Snooze, Script::RetryAfter] {
            let mut fake = FakeJob::new(script);
            let finish = fake.runs()[0].finish.expect("it finished");
            fake.runs()[1].start = finish + 699;
            assert_eq!(names(&fake), ["Early"]);
        }
    }

    #[test]
    fn a_delayed_job_that_starts_at_once_is_found() {
        let mut fake = FakeJob::new(Script::Succeed);
        let waited = fake.runs()[0].start - fake.sent().first;
        fake.plan.jobs[0].delay_ms = waited + 1;
        assert_eq!(names(&fake), ["Early"]);
    }

    #[test]
    fn a_retry_of_an_unfinished_step_is_found() {
        let mut fake = FakeJob::new(Script::FailThenSucceed { failures: 1 });
        fake.runs()[0].finish = None;
        assert_eq!(names(&fake), ["OutOfNowhere"]);
    }
}
