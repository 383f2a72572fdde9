//! Workflows of any shape: every job ends as the truth table says, never before its parents.

use naq_client::Workflow;
use naq_core::flow::{Ends, RunWhen, Verdict};
use naq_core::transport::JobKey;
use naq_core::{JobId, JobState, QueueName};
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::bench::{Bench, Do, Script, secs};

/// How a job ends once it may run.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Succeeds,
    SucceedsAfterRetries,
    Dies,
    Cancels,
}

#[derive(Debug, Clone)]
struct Node {
    fate: Fate,
    when: RunWhen,
    /// For each earlier job in the list, whether this job depends on it.
    after: Vec<bool>,
}

impl Fate {
    fn script(self) -> Vec<Do> {
        let fail = || Do::Fail("Error".into());
        match self {
            Self::Succeeds => vec![Do::Succeed],
            Self::SucceedsAfterRetries => vec![fail(), fail(), Do::Succeed],
            Self::Dies => vec![fail(), Do::Fatal],
            Self::Cancels => vec![Do::Cancel],
        }
    }

    fn end(self) -> JobState {
        match self {
            Self::Succeeds | Self::SucceedsAfterRetries => JobState::Completed,
            Self::Dies => JobState::Dead,
            Self::Cancels => JobState::Cancelled,
        }
    }
}

impl Node {
    fn before(&self) -> impl Iterator<Item = usize> {
        self.after.iter().enumerate().filter(|(_, after)| **after).map(|(place, _)| place)
    }
}

fn nodes() -> impl Strategy<Value = Vec<Node>> {
    let fate = prop_oneof![
        4 => Just(Fate::Succeeds),
        3 => Just(Fate::SucceedsAfterRetries),
        2 => Just(Fate::Dies),
        1 => Just(Fate::Cancels),
    ];
    let when = prop_oneof![
        4 => Just(RunWhen::AllCompleted),
        2 => Just(RunWhen::AnyCompleted),
        2 => Just(RunWhen::AnyFailed),
        1 => Just(RunWhen::AllEnded),
    ];
    let node = (fate, when, prop::collection::vec(prop::bool::weighted(0.35), 9));
    prop::collection::vec(node, 1..=9).prop_map(|nodes| {
        let shaped = nodes.into_iter().enumerate().map(|(place, (fate, when, mut after))| {
            after.truncate(place);
            Node { fate, when, after }
        });
        shaped.collect()
    })
}

/// How each job ends by the truth table. None for a job that never ran.
fn expected(nodes: &[Node]) -> Vec<(JobState, bool)> {
    let mut all: Vec<(JobState, bool)> = Vec::new();
    for node in nodes {
        let mut ends = Ends::default();
        let before: Vec<usize> = node.before().collect();
        before.iter().for_each(|place| ends.add(&key(*place), all[*place].0));
        all.push(match node.when.verdict(before.len(), &ends) {
            Verdict::Run => (node.fate.end(), true),
            _ if before.is_empty() => (node.fate.end(), true),
            _ => (JobState::Cancelled, false),
        });
    }
    all
}

fn key(place: usize) -> JobKey {
    let id = JobId::new(format!("w-job{place}")).expect("an id");
    JobKey { queue: QueueName::default(), id }
}

async fn runs_as_expected(nodes: Vec<Node>) {
    let bench = Bench::new();
    let _worker = bench.start_with(|worker| worker.chores(true).concurrency(4)).await;
    let mut workflow = Workflow::new("w").id("w");
    for (place, node) in nodes.iter().enumerate() {
        let job = bench.client.enqueue(Script(node.fate.script())).retry_delay(secs(7));
        let name = format!("job{place}");
        let before: Vec<_> = node.before().map(|before| format!("job{before}")).collect();
        let (failure, partial) = match node.when {
            _ if before.is_empty() => (false, false),
            RunWhen::AnyCompleted => (false, true),
            RunWhen::AnyFailed => (true, false),
            RunWhen::AllEnded => (true, true),
            _ => (false, false),
        };
        workflow = workflow.job(&name, job).after(&name, before);
        if failure {
            workflow = workflow.run_after_failure(&name);
        }
        if partial {
            workflow = workflow.allow_partial_dependencies(&name);
        }
    }
    bench.client.start(workflow).await.expect("started");
    // The longest path, and less than the minute after which a job checks its parents itself.
    for _ in 0..nodes.len() {
        bench.pass(secs(15)).await;
        if bench.left().await == 0 {
            break;
        }
    }
    let order = bench.seen.order();
    let starts = |place: usize| {
        let id = key(place).id;
        order.iter().enumerate().filter(move |(_, seen)| **seen == id.as_str()).map(|(at, _)| at)
    };
    for (place, (state, ran)) in expected(&nodes).into_iter().enumerate() {
        let report = bench.report(key(place).id.as_str()).await;
        assert_eq!(report.state, state, "job{place} of {nodes:#?}");
        let attempts = if ran { nodes[place].fate.script().len() } else { 0 };
        assert_eq!(starts(place).count(), attempts, "job{place} of {nodes:#?}");
        for before in nodes[place].before() {
            let (first, last) = (starts(place).min(), starts(before).max());
            let in_order = first.is_none() || last.is_none() || first > last;
            assert!(in_order, "job{place} started before job{before} had ended: {order:?}");
        }
    }
    assert_eq!(bench.left().await, 0, "{nodes:#?}");
}

proptest! {
    #![proptest_config(Config { cases: 40, failure_persistence: None, ..Config::default() })]

    #[test]
    fn every_job_of_any_workflow_ends_once_and_never_before_its_parents(nodes in nodes()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(runs_as_expected(nodes));
    }
}
