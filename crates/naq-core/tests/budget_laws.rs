//! Laws of every retry budget: the bound holds over any time.
#![cfg(feature = "jobs")]

use std::time::Duration;

use naq_core::Timestamp;
use naq_core::flow::{RetryBudget, Tokens};
use proptest::collection::vec;
use proptest::prelude::*;

/// Milliseconds that pass, first attempts that start, tokens that are wanted.
type Moment = (u64, u32, u32);

fn moments() -> impl Strategy<Value = Vec<Moment>> {
    vec((0_u64..5_000, 0_u32..50, 0_u32..40), 1..80)
}

proptest! {
    #[test]
    fn retries_stay_below_the_bound_in_any_window(
        share in 0.0..1.0,
        min_per_sec in 0.01..20.0,
        burst in 1_u32..50,
        moments in moments(),
    ) {
        let budget = RetryBudget::new(share, min_per_sec).burst(burst);
        let mut now = Timestamp::from_millis(1_000_000);
        let mut tokens = Tokens::full(&budget, now);
        let mut story = Vec::new();
        for (passes, first, wanted) in moments {
            now = now + Duration::from_millis(passes);
            tokens.deposit(&budget, f64::from(first) * share, now);
            story.push((now, first, tokens.take(&budget, wanted, now)));
        }
        for from in 0..story.len() {
            for to in from..story.len() {
                let part = &story[from..=to];
                let first: u32 = part.iter().map(|moment| moment.1).sum();
                let retries: u32 = part.iter().map(|moment| moment.2).sum();
                let secs = story[to].0.since(story[from].0).as_secs_f64();
                let bound = share * f64::from(first) + min_per_sec * secs + f64::from(burst);
                prop_assert!(f64::from(retries) <= bound + 1e-6, "{retries} > {bound}");
            }
        }
    }

    #[test]
    fn a_wait_for_the_next_token_is_long_enough_and_no_longer(
        min_per_sec in 0.01..50.0,
        held in 0.0..1.0,
    ) {
        let budget = RetryBudget::new(0.0, min_per_sec);
        let now = Timestamp::from_millis(1_000_000);
        let tokens = Tokens { tokens: held, at: now };
        let next = tokens.next_at(&budget, now).expect("time gives some");
        prop_assert_eq!(tokens.clone().take(&budget, 1, next), 1);
        let before = next.saturating_sub(Duration::from_millis(2));
        if before > now {
            prop_assert_eq!(tokens.clone().take(&budget, 1, before), 0);
        }
    }
}
