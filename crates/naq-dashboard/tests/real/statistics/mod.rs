//! Ten thousand jobs with mixed plans on a real broker: the statistics must equal what the handlers did,
//! for every start, every outcome and every error.

mod expected;
mod job_plan;
mod pages;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use naq_client::{DeadFilter, DeadSummary};
use naq_core::stats::{Helped, History};
use naq_core::transport::JobKey;
use naq_core::{JobId, JobState, TaskName};
use naq_dashboard::Options;
use serde_json::json;

use crate::setup::{self, TestSetup};
use expected::{Expected, group_counts};
use job_plan::{End, JobPlan, PLANS};

const JOBS: usize = 10_000;
const QUEUES: [&str; 2] = ["mail", "billing"];
const TASKS: [&str; 3] = ["email.send", "invoice.charge", "invoice.print"];

#[tokio::test(flavor = "multi_thread")]
async fn the_statistics_of_ten_thousand_jobs_equal_the_run_log_of_the_handlers() -> Result<()> {
    let setup = TestSetup::start().await?;
    let plans = enqueue_all(&setup).await?;
    // The workers start after all jobs are enqueued, so that jobs with a deadline expire first.
    let workers = [
        setup.worker("ada", &QUEUES, setup.scripted(&TASKS)).await?,
        setup.worker("bob", &QUEUES, setup.scripted(&TASKS)).await?,
    ];
    setup.wait_empty(&QUEUES).await;
    for worker in workers {
        worker.stop().await?;
    }

    let expected = Expected::new(&setup.run_log.read(), &plans);
    let history = read_history(&setup).await?;
    let now = setup.client.now();
    let day = Duration::from_secs(24 * 60 * 60);
    let totals = history.totals(day, now);
    let counted: BTreeMap<_, _> = totals
        .tasks()
        .map(|(queue, task, counts)| ((queue.clone(), task.clone()), counts.clone()))
        .collect();
    assert!(counted.keys().eq(expected.tasks.keys()), "{:?}", counted.keys());
    for (key, tally) in &expected.tasks {
        tally.assert_eq(&counted[key], &format!("{}/{}", key.0, key.1));
    }
    expected.all().assert_eq(&totals.all(), "all");
    assert_eq!(group_counts(&history.groups(day, 24, now)), expected.groups);
    assert_eq!(history.other_errors(day, now), 0);

    let helped = Helped::of(&totals.all());
    assert_eq!(helped.saved(), expected.saved());
    assert_eq!(helped.failures(), expected.saved() + expected.dead());

    let dashboard = setup.dashboard(Options::default()).await?;
    dashboard.has_read().await;
    pages::assert_agree(&setup, &dashboard, &expected).await?;
    dead_letters_agree(&setup, &plans).await?;
    some_jobs_agree(&setup, &plans).await
}

type JobPlans = BTreeMap<JobKey, &'static JobPlan>;

async fn enqueue_all(setup: &TestSetup) -> Result<JobPlans> {
    let mut plans = JobPlans::new();
    let mut jobs = Vec::new();
    for n in 0..JOBS {
        let plan = &PLANS[job_plan::pick(n)];
        let id = JobId::new(format!("job-{n}"))?;
        let queue = setup::queue(QUEUES[n % 2]);
        let task = task_of(&id);
        let args = json!({ "order": n, "script": plan.script(n) });
        let job = setup.client.enqueue_task(task.as_str(), &args)?.queue(&queue).id(&id);
        jobs.push(plan.apply(job));
        plans.insert(JobKey::new(queue, id), plan);
    }
    for sent in setup.client.enqueue_many(jobs).await {
        sent?;
    }
    Ok(plans)
}

/// The task of a job, from the number in its id.
fn task_of(id: &JobId) -> TaskName {
    let n: usize = id.as_str().trim_start_matches("job-").parse().expect("a number");
    setup::task(TASKS[n % 3])
}

async fn read_history(setup: &TestSetup) -> Result<History> {
    let mut history = History::default();
    let mut from = 0;
    loop {
        let page = setup.transport().stats_since(from, 100).await?;
        anyhow::ensure!(page.unreadable == 0, "{page:?}");
        page.reports.into_iter().for_each(|report| history.apply(report, setup.client.now()));
        if !page.more {
            return Ok(history);
        }
        from = page.next;
    }
}

/// The broker must have a dead letter for each job that is planned to die, with the planned rule.
async fn dead_letters_agree(setup: &TestSetup, plans: &JobPlans) -> Result<()> {
    let mut found = BTreeMap::new();
    let mut from = Some(0);
    while let Some(at) = from {
        let page = setup.client.dead_letters(&DeadFilter::default(), at, 1_000).await?;
        let summaries = page.letters.iter().map(DeadSummary::from);
        found.extend(summaries.map(|dead| (JobKey::new(dead.queue, dead.id), dead.rule)));
        from = page.next;
    }
    let dead = |(key, plan): (&JobKey, &&JobPlan)| match plan.end {
        End::Dead(rule) => Some((key.clone(), rule.as_str().to_owned())),
        _ => None,
    };
    assert_eq!(found, plans.iter().filter_map(dead).collect());
    Ok(())
}

/// One job of each plan must have ended as planned.
async fn some_jobs_agree(setup: &TestSetup, plans: &JobPlans) -> Result<()> {
    let one_of_each: BTreeMap<_, _> =
        plans.iter().map(|(key, plan)| (plan.name, (key, plan.end))).collect();
    for (name, (key, end)) in one_of_each {
        let state = match end {
            End::Completed => JobState::Completed,
            End::Dead(_) => JobState::Dead,
            End::Cancelled => JobState::Cancelled,
            End::Expired => JobState::Expired,
        };
        assert_eq!(setup.client.report(key).await?.state, state, "{name}");
    }
    Ok(())
}
