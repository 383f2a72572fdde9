//! One attempt of one job: what the handler does, and what NAQ decides then.

use std::time::Duration;

use crate::bank::{FakeBank, shop};
use naq::testing;
use testing_jobs::jobs::Charge;

#[tokio::test]
async fn a_charge_returns_its_receipt() {
    let charge = testing::run(&shop(FakeBank::open()), Charge { order: 7 }).await;
    assert_eq!(charge.result::<String>(), "receipt 7");
}

#[tokio::test]
async fn while_the_bank_is_down_a_charge_waits_longer_and_longer() {
    let shop = shop(FakeBank::down(100));
    for (attempt, minutes) in [(1, 1), (2, 2), (3, 4), (24, 24 * 60)] {
        let charge = testing::run(&shop, Charge { order: 7 }).attempt(attempt).await;
        charge
            .assert_failed("ConnectionError")
            .assert_retries_in(Duration::from_secs(60 * minutes));
    }
    testing::run(&shop, Charge { order: 7 }).attempt(25).await.assert_dead("ConnectionError");
}

#[tokio::test]
async fn a_declined_card_is_not_retried() {
    let charge = testing::run(&shop(FakeBank::declining()), Charge { order: 7 }).await;
    charge.assert_dead("ValueError").assert_attempts(1);
}
