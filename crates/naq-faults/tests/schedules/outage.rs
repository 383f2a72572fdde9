//! The broker and all workers are gone for a while.

use std::time::Duration;

use naq_core::schedule::{CatchUp, Overlap};
use naq_core::{Clock, ScheduleName, SystemClock, Timer};
use naq_faults::history::Run;
use naq_faults::recurring::define;
use naq_faults::script::Script;
use naq_testing::eventually;

use crate::scene::{Scene, ids, queue};

const EVERY: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(60);
const CATCH_UPS: [CatchUp; 3] = [CatchUp::Skip, CatchUp::Last, CatchUp::All];

async fn pass(span: Duration) {
    SystemClock.sleep_until(SystemClock.now() + span).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_passed_while_broker_and_workers_were_down_is_caught_up_with_as_asked() {
    let mut scene = Scene::new().await;
    for catch_up in CATCH_UPS {
        let name = catch_up.as_str();
        let schedule = define(&scene.client, name, &queue(), Script::Succeed);
        schedule.every(EVERY).catch_up(catch_up).await.unwrap();
    }
    // Runs of three beats each, that must keep apart.
    for overlap in [Overlap::Skip, Overlap::Queue] {
        let name = format!("apart-{overlap}");
        let schedule = define(&scene.client, &name, &queue(), Script::Slow { ms: 1_500 });
        let schedule = schedule.every(EVERY).overlap(overlap);
        schedule.catch_up(CatchUp::All).await.unwrap();
    }
    let workers = [scene.worker("a", &[]), scene.worker("b", &[])];
    eventually("some runs of each", PATIENCE, async || {
        let runs = |name: &str| scene.runs(name).len();
        runs("all") >= 4 && runs("last") >= 4 && runs("apart-skip") >= 2 && runs("apart-queue") >= 2
    })
    .await;

    let down = SystemClock.now();
    for mut worker in workers {
        worker.kill().unwrap();
    }
    scene.server.kill().unwrap();
    let killed = down..=SystemClock.now();
    pass(EVERY * 8).await;
    scene.server.restart().unwrap();
    let up = SystemClock.now();
    // Made long ago by a clock of those days: two of its ticks have passed, the later of them more
    // than a minute ago, and the next is an hour away.
    let days = scene.client_at(up.saturating_sub(Duration::from_secs(7_300)));
    for catch_up in CATCH_UPS {
        let name = format!("old-{catch_up}");
        let schedule = define(&days, &name, &queue(), Script::Succeed);
        schedule.every(Duration::from_secs(3_600)).catch_up(catch_up).await.unwrap();
    }
    let _workers = [scene.worker("c", &[]), scene.worker("d", &[])];
    let back = up + Duration::from_secs(4);
    for name in ["skip", "last", "all"] {
        eventually("the time after the outage", PATIENCE, async || {
            let decided = scene.schedule(name).await.progress.decided_until;
            (decided > back).then_some(()).ok_or(format!("{name}: {decided}"))
        })
        .await;
    }
    let names =
        ["skip", "last", "all", "apart-skip", "apart-queue", "old-skip", "old-last", "old-all"];
    for name in names {
        scene.client.schedules().pause(&ScheduleName::new(name).unwrap()).await.unwrap();
    }
    eventually("a quiet queue", PATIENCE, async || {
        let info = scene.client.transport().queue_info(&queue()).await.unwrap().unwrap();
        let left = info.pending + info.running + info.waiting;
        (left == 0).then_some(()).ok_or(format!("{info:?}"))
    })
    .await;

    for name in ["skip", "last", "all"] {
        let report = scene.schedule(name).await;
        let until = report.progress.decided_until;
        let ticks = report.schedule.ticks(report.schedule.created_at, until);
        let made: Vec<_> = scene.runs(name).into_iter().map(|(id, _)| id).collect();
        let missed: Vec<_> =
            ids(&report, &ticks).into_iter().filter(|id| !made.contains(id)).collect();
        assert_eq!((made.len() + missed.len()) as u64, ticks.len() as u64, "{name}: {made:?}");
        assert_eq!(
            (report.progress.runs, report.progress.skipped),
            (made.len() as u64, missed.len() as u64),
            "{name}"
        );
        if name == "all" {
            assert_eq!(missed, [""; 0]);
        } else {
            // Of those in the outage the last one was made up for, or what was due when workers
            // were back; all that is missing lies in one stretch.
            assert!(missed.len() >= 5, "{name}: {missed:?}");
            let gap = ticks.iter().filter(|tick| **tick > down && **tick < up).count();
            assert!(gap >= 7, "{gap}");
        }
        scene.each_ran_once(name, Some(killed.clone())).await;
    }
    for (name, runs, skipped) in [("old-skip", 0, 2), ("old-last", 1, 1), ("old-all", 2, 0)] {
        let progress = scene.schedule(name).await.progress;
        assert_eq!((progress.runs, progress.skipped), (runs, skipped), "{name}");
        assert_eq!(scene.runs(name).len() as u64, runs, "{name}");
        scene.each_ran_once(name, Some(killed.clone())).await;
    }
    for name in ["apart-skip", "apart-queue"] {
        let runs = scene.runs(name);
        assert!(runs.len() >= 4, "{name}: {runs:?}");
        for pair in runs.windows(2) {
            assert!(end(&pair[0].1) <= pair[1].1[0].start, "{name}: {pair:?}");
        }
        scene.each_ran_once(name, Some(killed.clone())).await;
    }
}

/// When the last try of a run was done.
fn end(tries: &[Run]) -> u64 {
    tries.iter().filter_map(|run| run.finish).max().unwrap()
}
