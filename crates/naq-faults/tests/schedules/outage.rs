//! The broker and all workers are down for a while.

use std::time::Duration;

use naq_core::schedule::{CatchUp, Overlap};
use naq_core::{Clock, ScheduleName, SystemClock, Timer};
use naq_faults::history::HandlerRun;
use naq_faults::recurring::define;
use naq_faults::script::Script;
use naq_testing::eventually;

use crate::setup::{TestSetup, ids, queue};

const EVERY: Duration = Duration::from_millis(500);
const TIME_LIMIT: Duration = Duration::from_secs(60);
const CATCH_UPS: [CatchUp; 3] = [CatchUp::Skip, CatchUp::Last, CatchUp::All];

async fn wait(span: Duration) {
    SystemClock.sleep_until(SystemClock.now() + span).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ticks_during_an_outage_are_caught_up_on_as_each_schedule_says() {
    let mut setup = TestSetup::new().await;
    for catch_up in CATCH_UPS {
        let name = catch_up.as_str();
        let schedule = define(&setup.client, name, &queue(), Script::Succeed);
        schedule.every(EVERY).catch_up(catch_up).await.unwrap();
    }
    // Each run takes as long as three ticks, and runs must not overlap.
    for overlap in [Overlap::Skip, Overlap::Queue] {
        let name = format!("apart-{overlap}");
        let schedule = define(&setup.client, &name, &queue(), Script::Slow { ms: 1_500 });
        let schedule = schedule.every(EVERY).overlap(overlap);
        schedule.catch_up(CatchUp::All).await.unwrap();
    }
    let workers = [setup.worker("a", &[]), setup.worker("b", &[])];
    eventually("some runs of each", TIME_LIMIT, async || {
        let runs = |name: &str| setup.runs(name).len();
        runs("all") >= 4 && runs("last") >= 4 && runs("apart-skip") >= 2 && runs("apart-queue") >= 2
    })
    .await;

    let down = SystemClock.now();
    for mut worker in workers {
        worker.kill().unwrap();
    }
    setup.server.kill().unwrap();
    let killed = down..=SystemClock.now();
    wait(EVERY * 8).await;
    setup.server.restart().unwrap();
    let up = SystemClock.now();
    // Two of their ticks have passed, the later one more than a minute ago, and the next tick is in an
    // hour.
    for catch_up in CATCH_UPS {
        let name = format!("old-{catch_up}");
        let schedule = define(&setup.client, &name, &queue(), Script::Succeed);
        schedule.every(Duration::from_secs(3_600)).catch_up(catch_up).await.unwrap();
        setup.make_older(&name, Duration::from_secs(7_300)).await;
    }
    let _workers = [setup.worker("c", &[]), setup.worker("d", &[])];
    // A worker that has just started waits until it knows that the workers of the interrupted runs are
    // gone. How long that takes, and a start on a busy machine, is not what this test is about.
    for name in ["apart-skip", "apart-queue"] {
        eventually("two runs after the outage", TIME_LIMIT, async || {
            let begun = setup
                .runs(name)
                .into_iter()
                .filter(|(_, runs)| runs.iter().all(|run| run.start > up.as_millis()));
            begun.count() >= 2
        })
        .await;
    }
    let back = SystemClock.now().max(up + Duration::from_secs(6));
    for name in ["skip", "last", "all"] {
        eventually("the time after the outage", TIME_LIMIT, async || {
            let decided = setup.schedule(name).await.progress.decided_until;
            (decided > back).then_some(()).ok_or(format!("{name}: {decided}"))
        })
        .await;
    }
    for name in ["old-skip", "old-last", "old-all"] {
        eventually("both old ticks are decided", TIME_LIMIT, async || {
            let progress = setup.schedule(name).await.progress;
            (progress.runs + progress.skipped == 2)
                .then_some(())
                .ok_or(format!("{name}: {progress:?}"))
        })
        .await;
    }
    let names =
        ["skip", "last", "all", "apart-skip", "apart-queue", "old-skip", "old-last", "old-all"];
    for name in names {
        setup.client.schedules().pause(&ScheduleName::new(name).unwrap()).await.unwrap();
    }
    eventually("a quiet queue", TIME_LIMIT, async || {
        let info = setup.client.transport().queue_info(&queue()).await.unwrap().unwrap();
        let left = info.pending + info.running + info.waiting;
        (left == 0).then_some(()).ok_or(format!("{info:?}"))
    })
    .await;

    for name in ["skip", "last", "all"] {
        let report = setup.schedule(name).await;
        let until = report.progress.decided_until;
        let ticks = report.schedule.ticks(report.schedule.created_at, until);
        let made: Vec<_> = setup.runs(name).into_iter().map(|(id, _)| id).collect();
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
            // The last tick in the outage was caught up on, or the one that was due when the workers
            // were back. All missing ticks are in one stretch.
            assert!(missed.len() >= 5, "{name}: {missed:?}");
            let gap = ticks.iter().filter(|tick| **tick > down && **tick < up).count();
            assert!(gap >= 7, "{gap}");
        }
        setup.each_ran_once(name, Some(killed.clone()), &[]).await;
    }
    for (name, runs, skipped) in [("old-skip", 0, 2), ("old-last", 1, 1), ("old-all", 2, 0)] {
        let progress = setup.schedule(name).await.progress;
        assert_eq!((progress.runs, progress.skipped), (runs, skipped), "{name}");
        assert_eq!(setup.runs(name).len() as u64, runs, "{name}");
        setup.each_ran_once(name, Some(killed.clone()), &[]).await;
    }
    for name in ["apart-skip", "apart-queue"] {
        let runs = setup.runs(name);
        assert!(runs.len() >= 4, "{name}: {runs:?}");
        for pair in runs.windows(2) {
            assert!(end(&pair[0].1) <= pair[1].1[0].start, "{name}: {pair:?}");
        }
        setup.each_ran_once(name, Some(killed.clone()), &[]).await;
    }
}

/// When the last handler run of a job finished.
fn end(runs: &[HandlerRun]) -> u64 {
    runs.iter().filter_map(|run| run.finish).max().unwrap()
}
