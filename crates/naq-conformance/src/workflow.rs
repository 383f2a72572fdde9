//! Workflows: graphs of jobs.

use std::time::Duration;

use naq_client::{Enqueue, Workflow, WorkflowError};
use naq_core::flow::Verdict;
use naq_core::names::JobId;
use naq_core::state::JobState;
use naq_core::transport::{Delivery, Subscription};

use crate::Subject;
use crate::case::{BRIEF, Case};
use crate::depends::{end, verdict};

fn job<'a>(case: &'a Case<'_>) -> Enqueue<'a, serde_json::Value> {
    case.client.enqueue_task("task", &()).unwrap()
}

fn diamond(case: &Case<'_>, id: &str) -> Workflow {
    Workflow::new("etl")
        .id(id)
        .job("load", job(case))
        .job("left", job(case).max_retries(2))
        .job("right", job(case))
        .job("extract", job(case))
        .fan_out("extract", ["left", "right"])
        .fan_in(["left", "right"], "load")
}

/// The next deliveries. Fails unless they are these jobs, and may run.
async fn next(case: &Case<'_>, sub: &mut Box<dyn Subscription>, names: &[&str]) -> Vec<Delivery> {
    let mut found = case.next_deliveries(sub, names.len()).await;
    found.sort_by(|a, b| a.stored.key.cmp(&b.stored.key));
    for (delivery, name) in found.iter().zip(names) {
        let id = delivery.stored.key.id.as_str();
        assert!(id.ends_with(&format!("-{name}")), "{id} is not {name}");
        assert_eq!(verdict(case, delivery).await, Verdict::Run);
    }
    case.expect_nothing(sub, BRIEF).await;
    found
}

pub async fn a_diamond_runs_layer_by_layer_and_reports_its_states(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let etl = case.client.start(diamond(&case, case.queue.as_str())).await.unwrap();
    let extract = next(&case, &mut sub, &["extract"]).await.remove(0);
    let report = etl.report().await.unwrap();
    let seen: Vec<_> = report
        .jobs
        .iter()
        .map(|job| (job.name.as_str(), job.depth, job.state.unwrap(), job.waits_for.join(" ")))
        .collect();
    let expected = [
        ("extract", 0, JobState::Running, ""),
        ("left", 1, JobState::Blocked, "extract"),
        ("right", 1, JobState::Blocked, "extract"),
        ("load", 2, JobState::Blocked, "left right"),
    ]
    .map(|(name, depth, state, waits)| (name, depth, state, waits.to_owned()));
    assert_eq!(seen, expected);
    end(&case, &extract, JobState::Completed).await;
    let both = next(&case, &mut sub, &["left", "right"]).await;
    // A retry of a parent releases no dependent.
    case.settle(&both[0], &case.retry(&both[0], Duration::from_millis(100))).await;
    end(&case, &both[1], JobState::Completed).await;
    let again = next(&case, &mut sub, &["left"]).await.remove(0);
    end(&case, &again, JobState::Completed).await;
    let load = next(&case, &mut sub, &["load"]).await.remove(0);
    let parents = case.client.parents(&load.envelope().unwrap()).await.unwrap();
    assert_eq!(parents.result::<String>("right").unwrap(), "done", "by its name");
    end(&case, &load, JobState::Completed).await;
    assert_eq!(etl.report().await.unwrap().ended(), (4, 4));
    let all = case.client.workflows().await.unwrap();
    let found: Vec<_> = all.iter().filter(|found| found.id == *etl.id()).collect();
    assert_eq!(found.iter().map(|found| found.jobs).collect::<Vec<_>>(), [4]);
}

pub async fn a_workflow_that_is_started_twice_is_one(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let id = case.queue.as_str();
    assert!(!case.client.start(diamond(&case, id)).await.unwrap().is_duplicate());
    let extract = next(&case, &mut sub, &["extract"]).await.remove(0);
    end(&case, &extract, JobState::Completed).await;
    let again = case.client.start(diamond(&case, id)).await.unwrap();
    assert!(again.is_duplicate());
    next(&case, &mut sub, &["left", "right"]).await;
    let other = Workflow::new("other").id(id).job("extract", job(&case));
    let refused = case.client.start(other).await;
    assert!(matches!(refused, Err(WorkflowError::Taken(_))), "{refused:?}");
}

pub async fn a_cancelled_workflow_starts_no_more_jobs(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut sub = case.open().await;
    let workflow = diamond(&case, case.queue.as_str())
        .job("alert", job(&case))
        .after("alert", ["extract"])
        .run_after_failure("alert");
    let etl = case.client.start(workflow).await.unwrap();
    let extract = next(&case, &mut sub, &["extract"]).await.remove(0);
    assert_eq!(etl.cancel("not today").await.unwrap(), 5);
    let report = etl.report().await.unwrap();
    assert!(report.cancelled);
    for job in &report.jobs {
        assert_eq!(job.state, Some(JobState::Cancelled), "{}", job.name);
        assert_eq!(job.reason.as_deref(), Some("not today"), "{}", job.name);
    }
    let life = extract.step().nonce;
    let key = &extract.stored.key;
    case.client.wake_dependents(key, &life, JobState::Cancelled).await.unwrap();
    case.expect_nothing(&mut sub, BRIEF).await;
    assert_eq!(etl.cancel("again").await.unwrap(), 0);
    let nowhere = JobId::new("nowhere").unwrap();
    let unknown = case.client.cancel_workflow(&nowhere, "").await;
    assert!(matches!(unknown, Err(WorkflowError::Unknown(_))), "{unknown:?}");
}
