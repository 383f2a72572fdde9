//! [`JobCache`]: the jobs that open tabs show, read from the broker within a budget that all tabs
//! share. Two hundred tabs on two hundred jobs cause no more requests than twenty tabs do.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use naq_client::{Client, ClientError, JobReport};
use naq_core::redact::Redactor;
use naq_core::sync::lock;
use naq_core::transport::{JobKey, TransportError};
use naq_core::wire::WireMessage;
use naq_core::{Payload, Timestamp};

/// Look-ups a second, for all tabs together.
const MAX_PER_SECOND: u32 = 20;
const SECOND: Duration = Duration::from_secs(1);
/// The seconds between two look-ups of a job that has ended. Such a job rarely changes.
const ENDED_EVERY: u32 = 10;
/// The cache drops a job that no tab has asked for in this time.
const UNUSED_AFTER: Duration = Duration::from_secs(30);
/// The timeout of a look-up. The client itself waits longer for a broker that is away.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(4);

/// The last answer of the broker about a job.
pub(crate) type CachedJob = Arc<Result<JobReport, ClientError>>;

/// The jobs that open tabs show.
#[derive(Debug, Default)]
pub(crate) struct JobCache(Mutex<JobCacheState>);

#[derive(Debug, Default)]
struct JobCacheState {
    jobs: HashMap<JobKey, CachedLookup>,
    /// The start of the second that `spent` counts look-ups in.
    second_start: Timestamp,
    spent: u32,
}

#[derive(Debug)]
struct CachedLookup {
    job: Option<CachedJob>,
    looked_up_at: Timestamp,
    asked_at: Timestamp,
}

impl JobCacheState {
    fn drop_unused(&mut self, now: Timestamp) {
        self.jobs.retain(|_, lookup| now.since(lookup.asked_at) < UNUSED_AFTER);
    }

    /// Whether to look the job up now: not within its interval, and not beyond the budget. The more
    /// jobs are open, the longer the interval, so that each job gets its share of the budget.
    fn may_look_up(&mut self, key: &JobKey, now: Timestamp) -> bool {
        self.drop_unused(now);
        if now.since(self.second_start) >= SECOND {
            self.second_start = now;
            self.spent = 0;
        }
        let open = u32::try_from(self.jobs.len()).unwrap_or(u32::MAX);
        let unknown = CachedLookup { job: None, looked_up_at: Timestamp::default(), asked_at: now };
        let lookup = self.jobs.entry(key.clone()).or_insert(unknown);
        lookup.asked_at = now;
        let has_ended =
            |job: &CachedJob| job.as_ref().as_ref().is_ok_and(|job| job.state.is_final());
        let seconds = if lookup.job.as_ref().is_some_and(has_ended) { ENDED_EVERY } else { 1 };
        // A look-up that comes a few milliseconds early belongs to the next second.
        let interval = SECOND * seconds.max(open / MAX_PER_SECOND) - SECOND / 10;
        let may = now.since(lookup.looked_up_at) >= interval && self.spent < MAX_PER_SECOND;
        if may {
            lookup.looked_up_at = now;
            self.spent += 1;
        }
        may
    }
}

impl JobCache {
    /// Looks the job up now, with arguments and result: for the load of a page.
    pub(crate) async fn fresh(
        &self,
        client: &Client,
        key: &JobKey,
    ) -> Result<JobReport, ClientError> {
        let report = look_up(client, key).await?;
        let now = client.now();
        let job = Some(Arc::new(Ok(without_payloads(report.clone()))));
        let mut state = lock(&self.0);
        state.drop_unused(now);
        state.jobs.insert(key.clone(), CachedLookup { job, looked_up_at: now, asked_at: now });
        Ok(report)
    }

    /// The job without arguments and result, at most a few seconds old: for the live region of a page.
    /// `None` if the job has not been looked up yet and the budget is used up.
    pub(crate) async fn cached(&self, client: &Client, key: &JobKey) -> Option<CachedJob> {
        let may_look_up = lock(&self.0).may_look_up(key, client.now());
        if may_look_up {
            let job = look_up(client, key).await.map(without_payloads);
            if let Some(lookup) = lock(&self.0).jobs.get_mut(key) {
                // While the broker is away, the last answer stays.
                let broker_away = matches!(job, Err(ClientError::Transport(_)));
                if !broker_away || lookup.job.is_none() {
                    lookup.job = Some(Arc::new(job));
                }
            }
        }
        lock(&self.0).jobs.get(key).and_then(|lookup| lookup.job.clone())
    }
}

async fn look_up(client: &Client, key: &JobKey) -> Result<JobReport, ClientError> {
    match tokio::time::timeout(LOOKUP_TIMEOUT, client.report(key)).await {
        Ok(report) => report.map(redact),
        Err(_) => {
            let what = format!("look up job {key}");
            Err(TransportError::Timeout { what, after: LOOKUP_TIMEOUT }.into())
        }
    }
}

/// Removes secrets from messages and reasons. The page that shows arguments redacts them itself.
fn redact(mut report: JobReport) -> JobReport {
    let redactor = Redactor::default();
    let redact = |text: &mut String| {
        if let Cow::Owned(redacted) = redactor.redact_text(text) {
            *text = redacted;
        }
    };
    for record in report.envelope.iter_mut().flat_map(|job| &mut job.history) {
        record.message.iter_mut().chain(&mut record.reason).for_each(redact);
    }
    if let Some(letter) = &mut report.dead {
        redact(&mut letter.message);
        redact(&mut letter.reason);
    }
    report.progress.iter_mut().for_each(|progress| redact(&mut progress.message));
    report
}

/// Drops the parts that may be large and that only the load of a page shows.
fn without_payloads(mut report: JobReport) -> JobReport {
    report.result = None;
    report.args = None;
    report.stored.message = WireMessage::default();
    if let Some(job) = &mut report.envelope {
        job.args = Payload::null(job.codec);
        // The policy as it was read shares the memory of the whole body; a new one does not.
        job.set_policy(job.policy.clone());
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u64) -> JobKey {
        format!("default/{n}").parse().expect("a key")
    }

    /// The look-ups of each job in a minute, when tabs on `jobs` jobs ask `times` a second each.
    fn lookups(jobs: u64, times: u64) -> Vec<u64> {
        let mut state = JobCacheState::default();
        let mut lookups = vec![0; usize::try_from(jobs).expect("few")];
        for tick in 0..60 * times {
            let now = Timestamp::from_millis(1_000_000 + tick * 1_000 / times);
            for (n, count) in (0..).zip(&mut lookups) {
                *count += u64::from(state.may_look_up(&key(n), now));
            }
        }
        lookups
    }

    #[test]
    fn a_job_is_looked_up_once_a_second_however_many_tabs_show_it() {
        assert_eq!(lookups(1, 1), [60]);
        assert_eq!(lookups(1, 200), [lookups(1, 10)[0]]);
        assert!(lookups(1, 10)[0] <= 67, "one in 0.9 s at most");
    }

    #[test]
    fn all_tabs_together_stay_within_the_budget_and_every_job_gets_its_share() {
        let lookups = lookups(200, 1);
        assert!(lookups.iter().sum::<u64>() <= 60 * u64::from(MAX_PER_SECOND), "{lookups:?}");
        assert!(lookups.iter().all(|n| (4..=8).contains(n)), "{lookups:?}");
    }

    #[test]
    fn a_job_that_no_tab_asks_for_is_dropped() {
        let mut state = JobCacheState::default();
        let at = |s: u64| Timestamp::from_millis(1_000_000 + s * 1_000);
        for n in 0..100 {
            state.may_look_up(&key(n), at(0));
        }
        assert_eq!(state.jobs.len(), 100);
        state.may_look_up(&key(0), at(40));
        assert_eq!(state.jobs.len(), 1);
    }
}
