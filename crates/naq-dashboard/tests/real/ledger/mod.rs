//! Ten thousand jobs of mixed fates on a real broker, and whether the statistics say what the
//! handlers did: every start, every outcome, every error, and nothing else.

mod expected;
mod fate;
mod shown;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use naq_client::{DeadFilter, DeadSummary};
use naq_core::stats::{Helped, History};
use naq_core::transport::JobKey;
use naq_core::{JobId, JobState, TaskName};
use naq_dashboard::Options;
use serde_json::json;

use crate::world::{self, World};
use expected::{Expected, group_counts};
use fate::{End, FATES, Fate};

const JOBS: usize = 10_000;
const QUEUES: [&str; 2] = ["mail", "billing"];
const TASKS: [&str; 3] = ["email.send", "invoice.charge", "invoice.print"];

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_jobs_are_counted_as_their_handlers_count_them() -> Result<()> {
    let world = World::start().await?;
    let fates = enqueue_all(&world).await?;
    // Started when all is there: what expires does so before anybody looks at it.
    let hands = [
        world.worker("ada", &QUEUES, world.scripted(&TASKS)).await?,
        world.worker("bob", &QUEUES, world.scripted(&TASKS)).await?,
    ];
    world.quiet(&QUEUES).await;
    for hand in hands {
        hand.stop().await?;
    }

    let expected = Expected::new(&world.ledger.read(), &fates);
    let history = read_history(&world).await?;
    let now = world.client.now();
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

    let site = world.dashboard(Options::default()).await?;
    site.has_read().await;
    shown::agrees(&world, &site, &expected).await?;
    dead_letters_agree(&world, &fates).await?;
    some_jobs_agree(&world, &fates).await
}

type Fates = BTreeMap<JobKey, &'static Fate>;

async fn enqueue_all(world: &World) -> Result<Fates> {
    let mut fates = Fates::new();
    let mut jobs = Vec::new();
    for n in 0..JOBS {
        let (fate, id) = (&FATES[fate::pick(n)], JobId::new(format!("job-{n}"))?);
        let (queue, task) = (world::queue(QUEUES[n % 2]), task_of(&id));
        let args = json!({ "order": n, "script": fate.script(n) });
        let job = world.client.enqueue_task(task.as_str(), &args)?.queue(&queue).id(&id);
        jobs.push(fate.apply(job));
        fates.insert(JobKey { queue, id }, fate);
    }
    for sent in world.client.enqueue_many(jobs).await {
        sent?;
    }
    Ok(fates)
}

/// The task of a job, by the number in its id.
fn task_of(id: &JobId) -> TaskName {
    let n: usize = id.as_str().trim_start_matches("job-").parse().expect("a number");
    world::task(TASKS[n % 3])
}

async fn read_history(world: &World) -> Result<History> {
    let (mut history, mut from) = (History::default(), 0);
    loop {
        let page = world.transport().stats_since(from, 100).await?;
        anyhow::ensure!(page.unreadable == 0, "{page:?}");
        page.reports.into_iter().for_each(|report| history.apply(report, world.client.now()));
        if !page.more {
            return Ok(history);
        }
        from = page.next;
    }
}

/// The broker has a letter for each job that the ledger says is dead, with the rule that killed it.
async fn dead_letters_agree(world: &World, fates: &Fates) -> Result<()> {
    let (mut found, mut from) = (BTreeMap::new(), Some(0));
    while let Some(at) = from {
        let page = world.client.dead_letters(&DeadFilter::default(), at, 1_000).await?;
        let summaries = page.letters.iter().map(DeadSummary::from);
        found.extend(summaries.map(|dead| (JobKey { queue: dead.queue, id: dead.id }, dead.rule)));
        from = page.next;
    }
    let dead = |(key, fate): (&JobKey, &&Fate)| match fate.end {
        End::Dead(rule) => Some((key.clone(), rule.as_str().to_owned())),
        _ => None,
    };
    assert_eq!(found, fates.iter().filter_map(dead).collect());
    Ok(())
}

/// One job of each fate has ended as it should.
async fn some_jobs_agree(world: &World, fates: &Fates) -> Result<()> {
    let one_of_each: BTreeMap<_, _> =
        fates.iter().map(|(key, fate)| (fate.name, (key, fate.end))).collect();
    for (name, (key, end)) in one_of_each {
        let state = match end {
            End::Completed => JobState::Completed,
            End::Dead(_) => JobState::Dead,
            End::Cancelled => JobState::Cancelled,
            End::Expired => JobState::Expired,
        };
        assert_eq!(world.client.report(key).await?.state, state, "{name}");
    }
    Ok(())
}
