//! Code that enqueues, and the jobs that follow from it.

use std::time::Duration;

use crate::bank::{FakeBank, shop};
use naq::testing::Harness;
use testing_jobs::checkout::buy;
use testing_jobs::jobs::{AskForReview, Charge, Ship};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn buying_enqueues_a_charge_and_a_review_mail_a_week_later() {
    let harness = Harness::new(shop(FakeBank::open()));
    buy(harness.client(), 7).await.expect("enqueued");
    harness.assert_enqueued::<Charge>().on_queue("payments").unique("order-7").due_now().times(1);
    let review = harness.assert_enqueued::<AskForReview>().due_in(7 * DAY).only();
    assert_eq!((review.args.order, &*review.envelope.tags), (7, &["marketing".into()][..]));
    // Nothing has run yet.
    harness.assert_not_enqueued::<Ship>();
}

#[tokio::test]
async fn pressing_the_button_twice_charges_once() {
    let harness = Harness::new(shop(FakeBank::open()));
    for _ in 0..2 {
        buy(harness.client(), 7).await.expect("enqueued");
    }
    harness.assert_enqueued::<Charge>().times(1);
    // After the charge, the customer may buy again.
    harness.drain().await;
    buy(harness.client(), 7).await.expect("enqueued");
    harness.assert_enqueued::<Charge>().times(2);
}

#[tokio::test]
async fn a_charge_is_followed_by_a_parcel() {
    let harness = Harness::new(shop(FakeBank::open()));
    buy(harness.client(), 7).await.expect("enqueued");
    harness.drain().await;
    harness.assert_enqueued::<Ship>().with(|parcel| parcel.order == 7).times(1);
    assert!(harness.elapsed().is_zero(), "all of it was due");
}
