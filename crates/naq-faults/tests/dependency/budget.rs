//! One retry budget for several worker processes.

use std::time::Duration;

use naq_faults::caller::{BudgetJob, budget};

use crate::service::ServiceState;
use crate::setup::{TestSetup, wait};

/// How many retries may be in transit from a worker to the service, in addition to the budget: a
/// worker takes the token shortly before the service sees the call.
const IN_FLIGHT: f64 = 4.0;
/// The worker that the test kills.
const KILLED: &str = "b0";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_of_four_workers_stay_below_their_share_during_an_outage() {
    let setup = TestSetup::new("budget").await;
    let mut killed = setup.worker(KILLED).await;
    let mut workers = Vec::new();
    for n in 1..4 {
        workers.push(setup.worker(&format!("b{n}")).await);
    }
    let ((), ids) = tokio::join!(
        async {
            wait(Duration::from_secs(1)).await;
            setup.service.set(ServiceState::Down);
            wait(Duration::from_secs(1)).await;
            killed.kill().unwrap();
            workers.push(setup.worker("b4").await);
            wait(Duration::from_secs(1)).await;
            setup.service.set(ServiceState::Up);
        },
        setup.traffic(Duration::from_millis(16), |sent| sent == 300, || BudgetJob),
    );
    setup.wait_until_empty().await;
    for id in &ids {
        setup.completed(id).await;
    }

    let mut calls = setup.service.calls();
    calls.sort_by_key(|call| call.from);
    let retries = calls.iter().filter(|call| call.attempt > 1).count();
    // The worker that was killed may not have stored a failure that the service had reported to it.
    // Then the attempt runs again, and is no retry.
    let failed = calls.iter().filter(|call| call.failed && call.worker != KILLED).count();
    assert!(failed > 80 && retries >= failed, "{failed} failures, {retries} retries");
    let budget = budget();
    // One burst for all workers, and a quarter of a burst for each of the five workers.
    let slack = f64::from(budget.max_burst()) + 5.0 * f64::from(budget.max_burst().div_ceil(4));
    for from in 0..calls.len() {
        let mut first = 0.0;
        let mut retries = 0.0;
        for call in &calls[from..] {
            *if call.attempt > 1 { &mut retries } else { &mut first } += 1.0;
            let secs = (call.from - calls[from].from) as f64 / 1000.0;
            let bound = budget.share() * first + budget.min_per_sec() * secs + slack + IN_FLIGHT;
            assert!(retries <= bound, "{retries} retries in {secs} s, with {first} first attempts");
        }
    }
}
