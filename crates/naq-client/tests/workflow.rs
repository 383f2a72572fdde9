//! Workflows: which are refused, and what a crash during a start leaves.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "support/world.rs"]
mod world;

use std::sync::Arc;
use std::time::Duration;

use naq_client::{Client, Enqueue, Workflow, WorkflowError};
use naq_core::testing::{DiePoint, FaultPlan, FaultyTransport, Op};
use naq_core::transport::{Consumer, Expect, Lookup, StateKey, StateStore};
use naq_core::{JobId, JobState, QueueName};

use crate::world::World;

impl World {
    /// A client of a process that crashes at `point`.
    fn crashing(&self, point: DiePoint, nth: u32) -> Client {
        let plan = FaultPlan::new().die_at(point, nth);
        let faulty = FaultyTransport::new(self.broker.clone(), plan);
        Client::new(Arc::new(faulty)).clock(Arc::new(self.clock.clone()))
    }

    /// The ids of the jobs that a worker would get now.
    async fn delivered(&self) -> Vec<String> {
        let queue = QueueName::default();
        let mut opened = self.broker.subscribe(&queue, Duration::from_secs(10)).await.unwrap();
        let found = opened.fetch(10, Duration::ZERO).await.unwrap();
        found.iter().map(|delivery| delivery.stored.key.id.to_string()).collect()
    }
}

fn job(client: &Client) -> Enqueue<'_, serde_json::Value> {
    client.enqueue_task("task", &()).unwrap()
}

fn chain(client: &Client) -> Workflow {
    Workflow::new("w")
        .id("w")
        .job("a", job(client))
        .job("b", job(client))
        .job("c", job(client))
        .sequence(["a", "b", "c"])
}

#[tokio::test]
async fn an_invalid_workflow_is_refused_before_anything_is_stored() {
    let world = World::new();
    let client = &world.client;
    let job = || job(client);
    let refused = async |workflow: Workflow| client.start(workflow).await.unwrap_err();
    for (workflow, why) in [
        (Workflow::new("w"), "a workflow without jobs: add some with job()"),
        (Workflow::new("w").job("a", job()).job("a", job()), "two jobs are named \"a\""),
        (Workflow::new("w").job("a", job()).after("a", ["x"]), "no job \"x\" in this workflow"),
        (Workflow::new("w").job("a", job()).run_after_failure("x"), "no job \"x\""),
        (chain(client).after("a", ["c"]), "these jobs wait for each other: "),
        (Workflow::new("w").job("a b", job()), "invalid job id"),
        (Workflow::new("w w").job("a", job()), "invalid job id"),
        (Workflow::new("w").job("a", job()).run_after_failure("a"), "depends_on names none"),
        (Workflow::new("w").job("a", job().depends_on("gone")), "\"a\": no job default/gone"),
        (Workflow::new("w").job("a", job().max_retries(1).timeout(Duration::ZERO)), "timeout"),
        (
            Workflow::new("w")
                .job("a", job().record_ttl(Duration::ZERO))
                .job("b", job())
                .sequence(["a", "b"]),
            "keeps no record",
        ),
        (Workflow::new("w").job("a", job().id("x")).job("b", job().id("x")), "default/x already"),
    ] {
        let err = refused(workflow).await.to_string();
        assert!(err.contains(why), "{err} does not say {why}");
    }
    assert!(client.workflows().await.unwrap().is_empty());
    assert!(world.broker.queues().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_job_that_exists_already_is_not_part_of_a_workflow() {
    let world = World::new();
    job(&world.client).id("w-b").await.unwrap();
    let refused = world.client.start(chain(&world.client)).await;
    assert!(matches!(refused, Err(WorkflowError::Occupied { .. })), "{refused:?}");
    assert_eq!(world.delivered().await, ["w-b"], "no job of the workflow runs");
}

#[tokio::test]
async fn a_crash_during_a_start_starts_no_job_and_the_start_can_be_completed() {
    let mut deaths = 0;
    for op in [Op::State, Op::Publish, Op::Await, Op::Evidence] {
        for point in [DiePoint::Before(op), DiePoint::After(op)] {
            for nth in 1..=4 {
                let world = World::new();
                let dying = world.crashing(point, nth);
                if dying.start(chain(&dying)).await.is_ok() {
                    continue;
                }
                deaths += 1;
                let what = format!("{point} {nth}");
                // Once the first job is stored, all are.
                let delivered = world.delivered().await;
                let all_there = point == DiePoint::After(Op::Publish) && nth == 3
                    || op == Op::State && !delivered.is_empty();
                assert_eq!(!delivered.is_empty(), all_there, "{what}: {delivered:?}");
                world.clock.advance(Duration::from_secs(30)).await;
                world.client.start(chain(&world.client)).await.unwrap();
                let report = world.client.workflow(&JobId::new("w").unwrap()).await.unwrap();
                let states: Vec<_> = report.jobs.iter().map(|job| job.state).collect();
                assert_eq!(states[2], Some(JobState::Blocked), "{what}");
                let first = states[0].unwrap();
                assert!(matches!(first, JobState::Pending | JobState::Running), "{what}: {first}");
                let mine = world.client.start(chain(&world.client)).await.unwrap();
                assert!(mine.is_duplicate(), "{what}");
            }
        }
    }
    assert!(deaths > 15, "{deaths} deaths");
}

#[tokio::test]
async fn an_abandoned_start_is_not_completed() {
    let world = World::new();
    let dying = world.crashing(DiePoint::Before(Op::Publish), 2);
    dying.start(chain(&dying)).await.unwrap_err();
    world.clock.advance(Duration::from_secs(301)).await;
    let refused = world.client.start(chain(&world.client)).await;
    assert!(matches!(refused, Err(WorkflowError::Abandoned(_))), "{refused:?}");
}

#[tokio::test]
async fn a_workflow_that_is_cancelled_while_it_starts_is_cancelled() {
    let world = World::new();
    let dying = world.crashing(DiePoint::Before(Op::Publish), 3);
    dying.start(chain(&dying)).await.unwrap_err();
    let id = JobId::new("w").unwrap();
    assert_eq!(world.client.cancel_workflow(&id, "stop").await.unwrap(), 2);
    let again = world.client.start(chain(&world.client)).await.unwrap();
    assert!(again.is_duplicate() && world.delivered().await.is_empty());
}

#[tokio::test]
async fn a_forged_manifest_is_refused() {
    let world = World::new();
    let key = StateKey::new(["workflow", "w"]).unwrap();
    let note = |depth: u64, after: u64| {
        let job = serde_json::json!({
            "name": "a", "key": "default/a", "task": "task", "after": [after], "depth": depth,
        });
        serde_json::json!({
            "id": "w", "name": "w", "run": "abcdefghijkl", "enqueued_at": "2026-11-23T12:00:00Z", "jobs": [job],
        })
    };
    for (depth, after, why) in [
        (1_000_000_000_000, 0, "1000000000000 of 1 jobs come before a"),
        (0, 7, "after job 7 of 1"),
    ] {
        let value = serde_json::to_vec(&note(depth, after)).unwrap();
        world.broker.state_put(&key, value.into(), Expect::Any, None).await.unwrap();
        let id = JobId::new("w").unwrap();
        let shown = world.client.workflow(&id).await.map(drop).unwrap_err().to_string();
        let cancelled = world.client.cancel_workflow(&id, "no").await.map(drop).unwrap_err();
        assert!(shown.contains(why), "{shown}");
        assert!(matches!(cancelled, WorkflowError::Unreadable { .. }), "{cancelled}");
    }
}
