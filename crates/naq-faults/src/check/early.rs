//! Promise 3: no retry before its time. One machine and one clock, so there is no tolerance; ledgers
//! round times down to the millisecond, and a handler writes its finish before NAQ sees it.

use super::{Case, What};
use crate::script::Scene;

pub(super) fn check(case: &Case<'_>) -> Vec<What> {
    let mut found: Vec<_> = first(case).into_iter().collect();
    let scenes = case.planned.script.scenes(case.planned.pace);
    for pair in scenes.windows(2) {
        let [before, after] = pair else { continue };
        let due = due(case, before);
        for run in case.runs.iter().filter(|run| run.step == after.step) {
            let step = run.step.to_string();
            match due {
                None => found.push(What::OutOfNowhere { step }),
                Some(due) if run.start < due => {
                    found.push(What::Early { step, by_ms: due - run.start });
                }
                Some(_) => {}
            }
        }
    }
    found
}

/// When the step after `scene` is due: counted from its first run that finished, since any of them
/// may be the one that was settled.
pub(super) fn due(case: &Case<'_>, scene: &Scene) -> Option<u64> {
    let runs = case.runs.iter().filter(|run| run.step == scene.step);
    let finish = runs.filter_map(|run| run.finish).min()?;
    Some(finish + scene.wait_ms.unwrap_or_default())
}

/// A job with a delay of its own, and none that was not yet sent.
fn first(case: &Case<'_>) -> Option<What> {
    let (sent, run) = (case.sent?, case.runs.first()?);
    let due = sent.first + case.planned.delay_ms;
    let step = run.step.to_string();
    (run.start < due).then(|| What::Early { step, by_ms: due - run.start })
}

#[cfg(test)]
mod tests {
    use super::super::forged::{Forged, names};
    use crate::script::Script;

    #[test]
    fn a_retry_one_millisecond_early_is_found() {
        let mut forged = Forged::new(Script::FailThenSucceed { failures: 1 });
        let finish = forged.runs()[0].finish.expect("it finished");
        forged.runs()[1].start = finish + 300;
        assert_eq!(names(&forged), [""; 0]);
        forged.runs()[1].start = finish + 299;
        assert_eq!(names(&forged), ["Early"]);
    }

    #[test]
    fn a_snooze_and_a_retry_after_keep_their_own_delay() {
        for script in [Script::Snooze, Script::RetryAfter] {
            let mut forged = Forged::new(script);
            let finish = forged.runs()[0].finish.expect("it finished");
            forged.runs()[1].start = finish + 699;
            assert_eq!(names(&forged), ["Early"]);
        }
    }

    #[test]
    fn a_delayed_job_that_starts_at_once_is_found() {
        let mut forged = Forged::new(Script::Succeed);
        let waited = forged.runs()[0].start - forged.sent().first;
        forged.plan.jobs[0].delay_ms = waited + 1;
        assert_eq!(names(&forged), ["Early"]);
    }

    #[test]
    fn a_retry_of_what_never_finished_is_found() {
        let mut forged = Forged::new(Script::FailThenSucceed { failures: 1 });
        forged.runs()[0].finish = None;
        assert_eq!(names(&forged), ["OutOfNowhere"]);
    }
}
