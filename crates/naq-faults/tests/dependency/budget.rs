//! The retry budget.

use std::time::Duration;

use naq_faults::caller::{Budgeted, budget};

use crate::scene::{Scene, pause};
use crate::service::Mood;

/// Retries that may be on their way from a worker to the service, beside what the budget allows: a
/// token is taken a moment before the call is seen.
const ON_THE_WAY: f64 = 4.0;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_of_four_workers_stay_below_their_share_whatever_happens() {
    let scene = Scene::new("budget").await;
    let mut workers = Vec::new();
    for n in 0..4 {
        workers.push(scene.worker(&format!("b{n}")).await);
    }
    let ((), ids) = tokio::join!(
        async {
            pause(Duration::from_secs(1)).await;
            scene.service.set(Mood::Down);
            pause(Duration::from_secs(1)).await;
            workers.remove(0).kill().unwrap();
            workers.push(scene.worker("b4").await);
            pause(Duration::from_secs(1)).await;
            scene.service.set(Mood::Up);
        },
        scene.traffic(Duration::from_millis(16), |sent| sent == 300, || Budgeted),
    );
    scene.quiet().await;
    for id in &ids {
        scene.completed(id).await;
    }

    let mut calls = scene.service.calls();
    calls.sort_by_key(|call| call.from);
    let retries = calls.iter().filter(|call| call.attempt > 1).count();
    let failed = calls.iter().filter(|call| call.failed).count();
    assert!(failed > 80 && retries >= failed, "{failed} failures, {retries} retries");
    let budget = budget();
    // A burst for all, and a quarter of one for each worker; five have lived.
    let slack = f64::from(budget.max_burst()) + 5.0 * f64::from(budget.max_burst().div_ceil(4));
    for from in 0..calls.len() {
        let (mut first, mut retries) = (0.0, 0.0);
        for call in &calls[from..] {
            *if call.attempt > 1 { &mut retries } else { &mut first } += 1.0;
            let secs = (call.from - calls[from].from) as f64 / 1000.0;
            let bound = budget.share() * first + budget.min_per_sec() * secs + slack + ON_THE_WAY;
            assert!(retries <= bound, "{retries} retries in {secs} s, with {first} first attempts");
        }
    }
}
