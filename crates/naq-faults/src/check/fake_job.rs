//! Correct ledgers of one job. Tests change them to see which violation is found.

use super::{BrokenPromise, FinalState, check};
use crate::deed::DeedEntry;
use crate::history::{HandlerRun, RunHistory, SentJob};
use crate::ledger::{FaultEntry, FaultKind};
use crate::plan::{PlannedJob, RunPlan, RunSettings};
use crate::script::{DelayPattern, HandlerAct, Script, ScriptStep};
use crate::stored_job::{JobEnd, StoredJob};

const JOB: &str = "job";

/// The plan, ledgers and final state of one job.
#[derive(Debug)]
pub(super) struct FakeJob {
    pub(super) plan: RunPlan,
    history: RunHistory,
    last: FinalState,
}

impl FakeJob {
    /// A job with this script and without a violation.
    pub(super) fn new(script: Script) -> Self {
        let pace = DelayPattern::Fixed;
        let mut at = 1_000_000;
        let mut runs = Vec::new();
        let mut faults = Vec::new();
        let sent = SentJob { first: at, acked: Some(at + 2) };
        at += 3;
        for n in 0..script.own_crashes() {
            let mut run = Self::run(ScriptStep::attempt(1), at, HandlerAct::Abort);
            run.worker = format!("w0-{n}");
            (run.finish, run.settled) = (None, None);
            faults.push(FaultEntry {
                kind: FaultKind::WorkerAborted,
                worker: Some(run.worker.clone()),
                queue: None,
                server: None,
                from: at + 1,
                to: at + 1,
            });
            runs.push(run);
            at += 2_000;
        }
        for plan in script.step_plans(pace).iter().filter(|plan| plan.act != HandlerAct::Abort) {
            runs.push(Self::run(plan.step, at, plan.act));
            at += 1 + plan.wait_ms.unwrap_or_default();
        }
        let ending = script.expected_end(pace);
        let end = JobEnd {
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
        let settings = RunSettings { jobs: 1, ..RunSettings::SHORT };
        Self {
            plan: RunPlan {
                seed: 0,
                settings,
                jobs: vec![planned],
                faults: Vec::new(),
                deeds: Vec::new(),
            },
            history: RunHistory {
                sent: [(JOB.to_owned(), sent)].into(),
                runs: [(JOB.to_owned(), runs)].into(),
                faults,
                deeds: Vec::new(),
                elections: Vec::new(),
                connections: Default::default(),
            },
            last: FinalState {
                jobs: [(JOB.to_owned(), StoredJob { ends: vec![end], ..StoredJob::default() })]
                    .into(),
                ..FinalState::default()
            },
        }
    }

    /// A run of one millisecond on the first worker.
    pub(super) fn run(step: ScriptStep, start: u64, act: HandlerAct) -> HandlerRun {
        let worker = "w0-0".to_owned();
        HandlerRun {
            step,
            crashes: 0,
            worker,
            start,
            finish: Some(start + 1),
            stopped: None,
            settled: Some(start + 2),
            will: Some(act),
        }
    }

    pub(super) fn runs(&mut self) -> &mut Vec<HandlerRun> {
        self.history.runs.get_mut(JOB).expect("the job")
    }

    pub(super) fn sent(&mut self) -> &mut SentJob {
        self.history.sent.get_mut(JOB).expect("the job")
    }

    pub(super) fn stored(&mut self) -> &mut StoredJob {
        self.last.jobs.get_mut(JOB).expect("the job")
    }

    pub(super) fn faults(&mut self) -> &mut Vec<FaultEntry> {
        &mut self.history.faults
    }

    pub(super) fn deeds(&mut self) -> &mut Vec<DeedEntry> {
        &mut self.history.deeds
    }

    pub(super) fn last(&mut self) -> &mut FinalState {
        &mut self.last
    }

    pub(super) fn end_at(&mut self, at: u64) {
        self.stored().ends[0].at = at;
    }

    pub(super) fn violations(&self) -> Vec<BrokenPromise> {
        let verdict = check(&self.plan, &self.history, &self.last);
        verdict.violations.into_iter().map(|violation| violation.what).collect()
    }
}

/// The names of the violations that the checker finds.
pub(super) fn names(fake: &FakeJob) -> Vec<String> {
    fake.violations().iter().map(BrokenPromise::name).collect()
}

#[test]
fn a_correct_run_has_no_violations() {
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
        assert_eq!(FakeJob::new(script).violations(), [], "{script:?}");
    }
}
