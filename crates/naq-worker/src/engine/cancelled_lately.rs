//! [`CancelledLately`]: the jobs that operators cancelled in the last minute.
//!
//! A cancel removes the messages of a job, and then signals the workers. The broker may have taken a
//! due job from its schedule before that, and put it into the queue after that: on a loaded cluster seconds
//! later (measured). So a worker remembers a cancel for a while, and does not start a job that arrives after
//! it.

use std::collections::{HashSet, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use naq_core::Timestamp;
use naq_core::names::JobId;
use naq_core::sync::lock;

use crate::delivery::HeldDelivery;

/// How long a cancel is remembered. The broker moves a due job to its queue well before.
const REMEMBERED: Duration = Duration::from_secs(60);
/// The most cancels that are remembered: an operator who cancels a whole queue fills no memory.
const MOST: usize = 10_000;

/// A life of a job: its id, and the nonce of the life.
type Life = (JobId, String);

/// The lives that were cancelled lately.
#[derive(Debug, Default)]
pub(crate) struct CancelledLately(Mutex<Lives>);

#[derive(Debug, Default)]
struct Lives {
    known: HashSet<Life>,
    /// The same, the oldest first, with the time until which they are remembered.
    order: VecDeque<(Timestamp, Life)>,
}

impl CancelledLately {
    pub(crate) fn add(&self, id: JobId, nonce: String, now: Timestamp) {
        let mut lives = lock(&self.0);
        let life = (id, nonce);
        if lives.known.insert(life.clone()) {
            lives.order.push_back((now + REMEMBERED, life));
        }
        lives.forget(now);
    }

    pub(crate) fn has(&self, held: &HeldDelivery, now: Timestamp) -> bool {
        let mut lives = lock(&self.0);
        if lives.known.is_empty() {
            return false;
        }
        lives.forget(now);
        let nonce = held.delivery.step().nonce;
        lives.known.contains(&(held.job_id().clone(), nonce.as_str().to_owned()))
    }
}

impl Lives {
    fn forget(&mut self, now: Timestamp) {
        let over = |lives: &Self| {
            let oldest = lives.order.front();
            lives.order.len() > MOST || oldest.is_some_and(|(until, _)| *until <= now)
        };
        while over(self) {
            if let Some((_, life)) = self.order.pop_front() {
                self.known.remove(&life);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancel_is_forgotten_after_its_time_and_the_oldest_when_there_are_too_many() {
        let start = Timestamp::from_millis(1_000_000);
        let mut lives = Lives::default();
        let add = |lives: &mut Lives, n: usize, at: Timestamp| {
            let life = (JobId::new(format!("job-{n}")).expect("an id"), "1".to_owned());
            lives.known.insert(life.clone());
            lives.order.push_back((at + REMEMBERED, life));
            lives.forget(at);
        };
        for n in 0..=MOST {
            add(&mut lives, n, start);
        }
        assert_eq!((lives.known.len(), lives.order.len()), (MOST, MOST));
        assert!(!lives.known.iter().any(|(id, _)| id.as_str() == "job-0"));
        lives.forget(start + REMEMBERED);
        assert_eq!((lives.known.len(), lives.order.len()), (0, 0));
    }
}
