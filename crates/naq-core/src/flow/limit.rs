//! [`Limit`]: a limit that all jobs of one key share, over all workers.

use std::collections::HashSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::rate::Rate;
use crate::clock::Timestamp;
use crate::names::{JobKey, StateKey, StateKeyError, WorkerId};

/// The most limits of one job.
pub const MAX_LIMITS: usize = 8;
/// The longest key of a limit, in bytes.
pub const MAX_LIMIT_KEY: usize = 100;
/// The largest concurrency of a limit. Each limit slot has its own entry in the state store.
pub const MAX_CONCURRENCY: u32 = 1000;

/// The first token of the state-store keys of all limits.
const KIND: &str = "limit";

/// How many jobs of one key may run at once, and how many may start within a period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// The key: jobs with the same key share the limit, over all queues.
    pub key: String,
    /// How many jobs may run at once. `None` for no limit on concurrency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// How many attempts may start within a period. `None` for no limit on the rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// The start time that the rate has reserved for the attempt of this message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved: Option<Timestamp>,
    /// How many reserved starts in a row the job has missed because it came too late.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lost: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl Limit {
    /// At most `jobs` with this key run at once.
    pub fn concurrency(key: impl Into<String>, jobs: u32) -> Self {
        Self { concurrency: Some(jobs), ..Self::with_key(key) }
    }

    /// At most `count` attempts of jobs with this key start in `per`, evenly spaced. See
    /// [`Rate::burst`] for several starts at once.
    pub fn rate(key: impl Into<String>, count: u32, per: Duration) -> Self {
        Self { rate: Some(Rate::new(count, per)), ..Self::with_key(key) }
    }

    fn with_key(key: impl Into<String>) -> Self {
        Self { key: key.into(), concurrency: None, rate: None, reserved: None, lost: 0 }
    }

    /// Adds this limit to `limits`. Its concurrency and its rate replace those of a limit with the
    /// same key.
    pub fn add_to(self, limits: &mut Vec<Self>) {
        match limits.iter_mut().find(|limit| limit.key == self.key) {
            None => limits.push(self),
            Some(same) => {
                same.concurrency = self.concurrency.or(same.concurrency);
                same.rate = self.rate.or(same.rate);
            }
        }
    }

    /// Checks the limits of one job.
    ///
    /// # Errors
    /// A sentence that says which limit is invalid and what is allowed.
    pub fn check_all(limits: &[Self]) -> Result<(), String> {
        if limits.len() > MAX_LIMITS {
            return Err(format!("{} limits, at most {MAX_LIMITS} are allowed", limits.len()));
        }
        let mut keys = HashSet::new();
        if let Some(twice) = limits.iter().find(|limit| !keys.insert(&limit.key)) {
            return Err(format!("limit {:?}: it is given twice, use one for each key", twice.key));
        }
        limits.iter().try_for_each(Self::check)
    }

    /// Checks that the key and the numbers are within bounds.
    ///
    /// # Errors
    /// A sentence that says what is invalid and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        let key = &self.key;
        if key.is_empty() || key.len() > MAX_LIMIT_KEY {
            let start: String = key.chars().take(40).collect();
            return Err(format!("limit {start:?}: use a key of 1 to {MAX_LIMIT_KEY} bytes"));
        }
        match self.concurrency {
            Some(jobs) if jobs == 0 || jobs > MAX_CONCURRENCY => {
                Err(format!("limit {key:?}: {jobs} at once: use 1 to {MAX_CONCURRENCY}"))
            }
            None if self.rate.is_none() => {
                Err(format!("limit {key:?}: neither a concurrency nor a rate"))
            }
            _ => match self.rate.map_or(Ok(()), |rate| rate.check()) {
                Ok(()) => Ok(()),
                Err(reason) => Err(format!("limit {key:?}: {reason}")),
            },
        }
    }

    /// Whether the attempt may start now: its reserved start has come and is not missed yet.
    pub fn may_start(&self, now: Timestamp) -> bool {
        let grace = self.rate.map_or(Duration::ZERO, |rate| rate.grace(self.lost));
        self.reserved.is_some_and(|at| now >= at && now <= at + grace)
    }

    /// Stores the start that the rate has reserved. If it replaces an earlier start, the job has missed that one.
    pub fn reserve(&mut self, start: Timestamp) {
        if self.reserved.replace(start).is_some() {
            self.lost = self.lost.saturating_add(1);
        }
    }

    /// The attempt has started: the next attempt needs a start of its own.
    pub fn started(&mut self) {
        self.reserved = None;
        self.lost = 0;
    }
}

/// The state-store keys of one limit, which all workers share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitKeys(StateKey);

impl LimitKeys {
    /// The state-store keys of the limit `key`.
    ///
    /// # Errors
    /// [`StateKeyError`] if `key` is empty or too long.
    pub fn new(key: &str) -> Result<Self, StateKeyError> {
        StateKey::new([KIND, key]).map(Self)
    }

    /// The prefix of the state-store keys of all limits.
    ///
    /// # Errors
    /// Never: the key is a constant.
    pub fn all() -> Result<StateKey, StateKeyError> {
        StateKey::new([KIND])
    }

    /// The prefix of all state-store keys of this limit.
    pub fn prefix(&self) -> &StateKey {
        &self.0
    }

    /// The limit slots with these numbers. A running job takes one of them.
    ///
    /// # Errors
    /// [`StateKeyError`] if the key is too long.
    pub fn slots(
        &self,
        numbers: impl IntoIterator<Item = u32>,
    ) -> Result<Vec<StateKey>, StateKeyError> {
        let slots = self.0.join("slot")?;
        numbers.into_iter().map(|i| slots.join(i.to_string())).collect()
    }

    /// The prefix of the wait list. Each job that waits for a limit slot has an entry below it, and the
    /// job with the oldest entry is first.
    ///
    /// # Errors
    /// [`StateKeyError`] if the key is too long.
    pub fn line(&self) -> Result<StateKey, StateKeyError> {
        self.0.join("wait")
    }

    /// The entry of this job in the wait list.
    ///
    /// # Errors
    /// [`StateKeyError`] if the key is too long.
    pub fn place(&self, job: &JobKey) -> Result<StateKey, StateKeyError> {
        self.line()?.join(&job.queue)?.join(&job.id)
    }

    /// The entry that says how much of the rate is used, a [`RateEntry`](super::RateEntry).
    ///
    /// # Errors
    /// [`StateKeyError`] if the key is too long.
    pub fn rate(&self) -> Result<StateKey, StateKeyError> {
        self.0.join("rate")
    }
}

/// A job that has a limit slot, or waits for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The job, written as `queue/id`.
    pub job: JobKey,
    /// The nonce of its life.
    pub nonce: String,
    /// The worker that holds its delivery.
    pub worker: WorkerId,
}

/// One limit slot as stored. A free slot stays stored for a while, so that the next job can take it
/// with the revision that it has read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Slot {
    /// How many slots the limit has, as the job that wrote this entry defines it.
    pub of: u32,
    /// The job that has the slot. `None` if it is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder>,
    /// The delivery of that job: the sequence of its message and its number of crashes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<(u64, u32)>,
}

/// The index of the slot that a job takes: the slot that an earlier delivery of the same life still
/// holds, or else the first free slot. `None` if other jobs hold all slots.
pub fn choose(slots: &[Slot], job: &JobKey, nonce: &str) -> Option<usize> {
    let own = |slot: &Slot| slot.holder.as_ref().is_some_and(|h| h.job == *job && h.nonce == nonce);
    let free = || slots.iter().position(|slot| slot.holder.is_none());
    slots.iter().position(own).or_else(free)
}

/// All jobs that wait for one key together check it once in this time, on average.
const CHECK_EVERY: Duration = Duration::from_millis(100);
/// The longest time before a waiting job checks again.
const LONGEST_WAIT: Duration = Duration::from_secs(900);

/// When a waiting job checks for a free slot by itself, in case no worker has released it. It waits at
/// least `slot_ttl`, after which the slot of a crashed worker is free again, and longer if many jobs
/// wait. `spread`, from 0 to 1, keeps jobs that wait together from checking at the same time.
pub fn look_again(now: Timestamp, slot_ttl: Duration, waiting: u64, spread: f64) -> Timestamp {
    let own_share = CHECK_EVERY.saturating_mul(u32::try_from(waiting).unwrap_or(u32::MAX));
    let wait = own_share.max(slot_ttl).min(LONGEST_WAIT);
    now + wait + wait.mul_f64(spread.clamp(0.0, 1.0) / 4.0)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::super::rate::Gcra;
    use super::*;

    fn job(id: &str) -> JobKey {
        format!("q/{id}").parse().expect("a key")
    }

    fn slots(held: &[&str]) -> Vec<Slot> {
        let holder = |id: &&str| Holder {
            job: job(id),
            nonce: "n".into(),
            worker: WorkerId::new("w").expect("an id"),
        };
        held.iter()
            .map(|id| Some(id).filter(|id| !id.is_empty()).map(holder))
            .map(|holder| Slot { of: 3, holder, delivery: None })
            .collect()
    }

    #[test]
    fn a_job_takes_its_own_slot_or_a_free_one_and_no_other() {
        let me = job("me");
        for (held, taken) in [
            (["", "", ""], Some(0)),
            (["a", "", ""], Some(1)),
            (["a", "b", "c"], None),
            (["", "me", "c"], Some(1)),
        ] {
            assert_eq!(choose(&slots(&held), &me, "n"), taken, "{held:?}");
        }
        // The slot of an earlier life of the same id is not its own.
        assert_eq!(choose(&slots(&["me"]), &me, "other"), None);
        assert_eq!(choose(&[], &me, "n"), None);
    }

    #[test]
    fn a_key_is_checked_at_most_ten_times_a_second_even_if_many_jobs_wait() {
        let now = Timestamp::from_millis(0);
        let ttl = Duration::from_secs(30);
        assert_eq!(look_again(now, ttl, 0, 0.0), now + ttl);
        assert_eq!(look_again(now, ttl, 5000, 0.0), now + Duration::from_secs(500));
        assert_eq!(look_again(now, ttl, u64::MAX, 0.0), now + LONGEST_WAIT);
        assert!(look_again(now, ttl, 5, 1.0) <= now + ttl + ttl / 4);
    }

    #[test]
    fn an_invalid_limit_is_refused() {
        let check = |limit: Limit| Limit::check_all(&[limit]);
        assert_eq!(check(Limit::concurrency("tenant:7", 3)), Ok(()));
        let longest = "%".repeat(MAX_LIMIT_KEY);
        assert_eq!(check(Limit::rate(&longest, 100, Duration::from_secs(60))), Ok(()));
        let key = JobKey {
            queue: crate::QueueName::new("q".repeat(64)).expect("a name"),
            id: crate::JobId::new("i".repeat(128)).expect("an id"),
        };
        LimitKeys::new(&longest).and_then(|keys| keys.place(&key)).expect("the longest names fit");
        for bad in [
            Limit::concurrency("", 3),
            Limit::concurrency("x".repeat(MAX_LIMIT_KEY + 1), 3),
            Limit::concurrency("a", 0),
            Limit::concurrency("a", MAX_CONCURRENCY + 1),
            Limit::rate("a", 0, Duration::from_secs(1)),
            Limit { concurrency: None, ..Limit::concurrency("a", 1) },
        ] {
            assert!(check(bad.clone()).is_err(), "{bad:?}");
        }
        assert!(Limit::check_all(&vec![Limit::concurrency("a", 1); MAX_LIMITS + 1]).is_err());
    }

    #[test]
    fn two_limits_of_one_key_are_refused() {
        let rate = |key| Limit::rate(key, 1, Duration::from_secs(1));
        assert_eq!(Limit::check_all(&[rate("a"), rate("b")]), Ok(()));
        let reason = Limit::check_all(&[rate("a"), rate("b"), Limit::concurrency("a", 1)]);
        assert!(reason.expect_err("refused").contains("\"a\": it is given twice"));
    }

    proptest! {
        #[test]
        fn jobs_that_always_come_late_start_after_a_few_reservations_within_the_rate(
            late_ms in 0u64..3_600_000,
            per_ms in 10u64..100_000,
            jobs in 1usize..60,
        ) {
            let rate = Rate { count: 1, per_ms, burst: 1 };
            let mut used = Gcra::default();
            let mut waiting: VecDeque<(u64, Limit)> = VecDeque::new();
            let ask = |now, limit: &mut Limit, used: &mut Gcra| {
                let start = used.earliest(&rate, Timestamp::from_millis(now));
                *used = used.take(&rate, start);
                limit.reserve(start);
                start.as_millis()
            };
            for _ in 0..jobs {
                let mut limit = Limit { rate: Some(rate), ..Limit::concurrency("a", 1) };
                waiting.push_back((ask(0, &mut limit, &mut used), limit));
            }
            let mut given = Vec::new();
            while let Some((start, mut limit)) = waiting.pop_front() {
                let now = start + late_ms;
                if limit.may_start(Timestamp::from_millis(now)) {
                    given.push(start);
                    continue;
                }
                prop_assert!(limit.lost < 7, "lost {} starts, {late_ms} ms late", limit.lost);
                waiting.push_back((ask(now, &mut limit, &mut used), limit));
            }
            prop_assert_eq!(given.len(), jobs);
            prop_assert!(given.windows(2).all(|two| two[1] >= two[0] + per_ms), "{:?}", given);
        }
    }

    #[test]
    fn a_later_limit_of_a_key_replaces_the_numbers_of_an_earlier_one() {
        let mut limits = Vec::new();
        let minute = Duration::from_secs(60);
        Limit::concurrency("a", 3).add_to(&mut limits);
        Limit::rate("a", 5, minute).add_to(&mut limits);
        Limit::concurrency("a", 2).add_to(&mut limits);
        Limit::concurrency("b", 1).add_to(&mut limits);
        let both = Limit { concurrency: Some(2), ..Limit::rate("a", 5, minute) };
        assert_eq!(limits, [both, Limit::concurrency("b", 1)]);
    }

    #[test]
    fn a_reserved_start_is_neither_early_nor_too_late() {
        let at = Timestamp::from_millis(50_000);
        let limit = Limit { reserved: Some(at), ..Limit::rate("a", 1, Duration::from_secs(60)) };
        let ms = |ms| Timestamp::from_millis(ms);
        assert!(!limit.may_start(ms(49_999)) && limit.may_start(at));
        assert!(limit.may_start(ms(56_000)) && !limit.may_start(ms(56_001)));
        // A job that has missed a start gets more time for the next one, until it has started.
        let mut again = limit.clone();
        again.reserve(at);
        assert!(again.may_start(ms(74_000)) && !again.may_start(ms(74_001)));
        again.started();
        assert_eq!(again, Limit { reserved: None, ..limit });
        assert!(!Limit::concurrency("a", 1).may_start(at));
    }
}
