//! Ledgers of one job that went as its script says, for tests to falsify.

use std::collections::BTreeMap;

use super::{What, check};
use crate::history::{End, Held, History, Run, Sent};
use crate::ledger::{Fault, FaultKind};
use crate::plan::{Plan, PlannedJob, Settings};
use crate::script::{Act, Pace, Script, Step};

const JOB: &str = "job";

/// One job's plan, ledgers and final state.
#[derive(Debug)]
pub(super) struct Forged {
    pub(super) plan: Plan,
    history: History,
    held: BTreeMap<String, Held>,
}

impl Forged {
    /// A job with this script that everything went right with.
    pub(super) fn new(script: Script) -> Self {
        let pace = Pace::Fixed;
        let mut at = 1_000_000;
        let (mut runs, mut faults) = (Vec::new(), Vec::new());
        let sent = Sent { first: at, acked: Some(at + 2) };
        at += 3;
        for n in 0..script.own_crashes() {
            let mut run = Self::run(Step::attempt(1), at, Act::Abort);
            (run.worker, run.finish) = (format!("w0-{n}"), None);
            let (kind, worker) = (FaultKind::WorkerAborted, Some(run.worker.clone()));
            faults.push(Fault { kind, worker, from: at + 1, to: at + 1 });
            runs.push(run);
            at += 2_000;
        }
        for scene in script.scenes(pace).iter().filter(|scene| scene.act != Act::Abort) {
            runs.push(Self::run(scene.step, at, scene.act));
            at += 1 + scene.wait_ms.unwrap_or_default();
        }
        let ending = script.ending(pace);
        let end = End {
            state: ending.state,
            step: ending.step,
            crashes: script.own_crashes(),
            rule: ending.rule.map(str::to_owned),
            at: at + 10,
        };
        let planned = PlannedJob {
            id: JOB.into(),
            queue: "q".into(),
            send_at_ms: 0,
            delay_ms: 0,
            script,
            pace,
        };
        let settings = Settings { jobs: 1, ..Settings::SHORT };
        Self {
            plan: Plan { seed: 0, settings, jobs: vec![planned], faults: Vec::new() },
            history: History {
                sent: [(JOB.to_owned(), sent)].into(),
                runs: [(JOB.to_owned(), runs)].into(),
                faults,
            },
            held: [(JOB.to_owned(), Held { ends: vec![end], ..Held::default() })].into(),
        }
    }

    /// A run of one millisecond on the first worker.
    pub(super) fn run(step: Step, start: u64, act: Act) -> Run {
        let worker = "w0-0".to_owned();
        Run { step, crashes: 0, worker, start, finish: Some(start + 1), will: Some(act) }
    }

    pub(super) fn runs(&mut self) -> &mut Vec<Run> {
        self.history.runs.get_mut(JOB).expect("the job")
    }

    pub(super) fn sent(&mut self) -> &mut Sent {
        self.history.sent.get_mut(JOB).expect("the job")
    }

    pub(super) fn held(&mut self) -> &mut Held {
        self.held.get_mut(JOB).expect("the job")
    }

    pub(super) fn faults(&mut self) -> &mut Vec<Fault> {
        &mut self.history.faults
    }

    pub(super) fn end_at(&mut self, at: u64) {
        self.held().ends[0].at = at;
    }

    pub(super) fn violations(&self) -> Vec<What> {
        let verdict = check(&self.plan, &self.history, &self.held);
        verdict.violations.into_iter().map(|violation| violation.what).collect()
    }
}

/// The names of what the checker finds.
pub(super) fn names(forged: &Forged) -> Vec<String> {
    forged.violations().iter().map(What::name).collect()
}

#[test]
fn nothing_is_found_where_all_went_right() {
    for script in [
        Script::Succeed,
        Script::FailThenSucceed { failures: 2 },
        Script::FailAlways,
        Script::Fatal,
        Script::Ignored,
        Script::Snooze,
        Script::Panic,
        Script::RetryAfter,
        Script::Crash,
        Script::Poison,
        Script::Cancel,
        Script::Expire,
    ] {
        assert_eq!(Forged::new(script).violations(), [], "{script:?}");
    }
}
