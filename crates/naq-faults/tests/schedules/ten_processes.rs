//! Ten processes register the same schedule and run its jobs, while they are killed.

use std::time::Duration;

use naq_client::ScheduleState;
use naq_core::{Clock, SystemClock, Timer};
use naq_testing::eventually;

use crate::setup::{TestSetup, ids};

const PROCESSES: usize = 10;
const TICKS: u64 = 60;
const OPTIONS: [&str; 6] = ["--schedule", "heartbeat", "--every-ms", "400", "--max-runs", "60"];

#[tokio::test(flavor = "multi_thread")]
async fn ten_killed_processes_that_register_one_schedule_make_one_run_per_tick() {
    let setup = TestSetup::new().await;
    let mut workers: Vec<_> =
        (0..PROCESSES).map(|n| setup.worker(&format!("w{n}-0"), &OPTIONS)).collect();
    let registered = eventually("a schedule", Duration::from_secs(30), async || {
        setup.client.schedules().list().await.unwrap().pop()
    });
    registered.await.unwrap();

    // They are killed one after the other. Each new process registers the schedule again.
    let mut kills = 0;
    let mut names: Vec<String> = (0..PROCESSES).map(|n| format!("w{n}-0")).collect();
    let mut killed = Vec::new();
    while setup.schedule("heartbeat").await.progress.runs < TICKS {
        let place = kills % PROCESSES;
        SystemClock.sleep_until(SystemClock.now() + Duration::from_millis(450)).await;
        workers[place].kill().unwrap();
        let killed_at = SystemClock.now();
        kills += 1;
        let next = format!("w{place}-{kills}");
        workers[place] = setup.worker(&next, &OPTIONS);
        killed.push((std::mem::replace(&mut names[place], next), killed_at));
        assert!(kills < 400, "{:?}", setup.schedule("heartbeat").await.progress);
    }
    assert!(kills >= 30, "{kills} kills in {TICKS} ticks");

    let report = setup.schedule("heartbeat").await;
    assert_eq!(report.state, ScheduleState::Finished);
    let first = report.schedule.created_at;
    let ticks = report.schedule.ticks(first, first + Duration::from_millis(400 * TICKS));
    assert_eq!(ticks.len() as u64, TICKS);
    let expected = ids(&report, &ticks);
    eventually("all runs to end", Duration::from_secs(60), async || {
        let made = setup.runs("heartbeat");
        for (id, _) in &made {
            if !setup.end(id).await.0.is_final() {
                return Err(format!("{id} has not ended"));
            }
        }
        let made: Vec<_> = made.into_iter().map(|(id, _)| id).collect();
        if made.len() == expected.len() { Ok(()) } else { Err(format!("{}", made.len())) }
    })
    .await;
    // No run is missing, and there is none without a tick.
    let made: Vec<_> = setup.runs("heartbeat").into_iter().map(|(id, _)| id).collect();
    assert_eq!(made, expected);
    setup.each_ran_once("heartbeat", None, &killed).await;
    let skipped = setup.schedule("heartbeat").await.progress.skipped;
    assert_eq!(skipped, 0, "every tick made a run");
}
