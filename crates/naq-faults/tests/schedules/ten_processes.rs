//! Ten processes register the same schedule and work it, while they are killed.

use std::time::Duration;

use naq_client::ScheduleState;
use naq_core::{Clock, SystemClock, Timer};
use naq_testing::eventually;

use crate::scene::{Scene, ids};

const PROCESSES: usize = 10;
const TICKS: u64 = 60;
const OPTIONS: [&str; 6] = ["--schedule", "heartbeat", "--every-ms", "400", "--max-runs", "60"];

#[tokio::test(flavor = "multi_thread")]
async fn ten_processes_that_register_one_schedule_and_are_killed_make_one_run_a_tick() {
    let scene = Scene::new().await;
    let mut workers: Vec<_> =
        (0..PROCESSES).map(|n| scene.worker(&format!("w{n}-0"), &OPTIONS)).collect();
    let registered = eventually("a schedule", Duration::from_secs(30), async || {
        scene.client.schedules().list().await.unwrap().pop()
    });
    registered.await.unwrap();

    // One after the other they die, and others begin by registering it again.
    let mut kills = 0;
    while scene.schedule("heartbeat").await.progress.runs < TICKS {
        let place = kills % PROCESSES;
        SystemClock.sleep_until(SystemClock.now() + Duration::from_millis(450)).await;
        workers[place].kill().unwrap();
        kills += 1;
        workers[place] = scene.worker(&format!("w{place}-{kills}"), &OPTIONS);
        assert!(kills < 400, "{:?}", scene.schedule("heartbeat").await.progress);
    }
    assert!(kills >= 30, "{kills} kills in {TICKS} ticks");

    let report = scene.schedule("heartbeat").await;
    assert_eq!(report.state, ScheduleState::Finished);
    let first = report.schedule.created_at;
    let ticks = report.schedule.ticks(first, first + Duration::from_millis(400 * TICKS));
    assert_eq!(ticks.len() as u64, TICKS);
    let expected = ids(&report, &ticks);
    eventually("the end of every run", Duration::from_secs(60), async || {
        let made = scene.runs("heartbeat");
        for (id, _) in &made {
            if !scene.end(id).await.0.is_final() {
                return Err(format!("{id} goes on"));
            }
        }
        let made: Vec<_> = made.into_iter().map(|(id, _)| id).collect();
        if made.len() == expected.len() { Ok(()) } else { Err(format!("{}", made.len())) }
    })
    .await;
    // None is missing, and there is none that nobody's tick made.
    let made: Vec<_> = scene.runs("heartbeat").into_iter().map(|(id, _)| id).collect();
    assert_eq!(made, expected);
    scene.each_ran_once("heartbeat", None).await;
    let skipped = scene.schedule("heartbeat").await.progress.skipped;
    assert_eq!(skipped, 0, "every tick made its run");
}
