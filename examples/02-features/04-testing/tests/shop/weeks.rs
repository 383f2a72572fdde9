//! Weeks of retries, in milliseconds.

use std::time::Duration;

use crate::bank::{FakeBank, shop};
use naq::testing::Harness;
use testing_jobs::jobs::{Charge, Ship};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn no_order_is_lost_while_the_bank_is_closed_for_a_week() {
    let harness = Harness::new(shop(FakeBank::down(17)));
    let charge = harness.client().enqueue(Charge { order: 7 }).await.expect("enqueued");
    harness.pass(6 * DAY).await;
    harness.assert_not_enqueued::<Ship>();
    harness.run_to_end().await;
    harness.job(&charge).assert_completed().assert_attempts(18);
    harness.assert_enqueued::<Ship>().times(1);
    assert_eq!(harness.elapsed().as_secs() / DAY.as_secs(), 7, "days");
}

#[tokio::test]
async fn after_two_weeks_without_a_bank_the_charge_is_in_the_dead_letter_queue() {
    let harness = Harness::new(shop(FakeBank::down(1000)));
    let charge = harness.client().enqueue(Charge { order: 7 }).await.expect("enqueued");
    harness.run_to_end().await;
    let charge = harness.job(&charge);
    charge.assert_dead("ConnectionError").assert_attempts(25);
    let minutes = charge.delays().iter().map(|delay| delay.as_secs() / 60).collect::<Vec<_>>();
    assert_eq!(minutes[..5], [1, 2, 4, 8, 16]);
    assert_eq!(minutes[11..], [1440; 13], "once a day");
    assert_eq!(harness.elapsed(), charge.delays().iter().sum::<Duration>());
    // The follow-up was enqueued, too.
    let follow_ups = harness.all_enqueued();
    assert!(follow_ups.iter().any(|job| job.envelope.task.as_str() == "order.cancel"));
}
