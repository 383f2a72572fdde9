//! [`Lookups`]: looks at single jobs, shared by all tabs, and together within a budget: two hundred
//! tabs on two hundred jobs ask the broker no more than one tab on each of twenty does.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use naq_client::{Client, ClientError, JobReport};
use naq_core::redact::Redactor;
use naq_core::transport::{JobKey, TransportError};
use naq_core::wire::WireMessage;
use naq_core::{Payload, Timestamp};

/// Looks a second at most, whatever the number of tabs.
const PER_SECOND: u32 = 20;
const SECOND: Duration = Duration::from_secs(1);
/// What has ended changes seldom.
const ENDED: u32 = 10;
/// A job that no tab has asked for in this time is forgotten.
const FORGET: Duration = Duration::from_secs(30);
/// How long a look may take. The client waits longer than that for a broker that has gone.
const PATIENCE: Duration = Duration::from_secs(4);

/// A job as it was seen last.
pub(crate) type Seen = Arc<Result<JobReport, ClientError>>;

/// The jobs that open tabs show.
#[derive(Debug, Default)]
pub(crate) struct Lookups(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    jobs: HashMap<JobKey, Entry>,
    /// Since when the looks of this second count, and how many there were.
    since: Timestamp,
    spent: u32,
}

#[derive(Debug)]
struct Entry {
    seen: Option<Seen>,
    looked_at: Timestamp,
    asked_at: Timestamp,
}

impl Table {
    fn forget(&mut self, now: Timestamp) {
        self.jobs.retain(|_, entry| now.since(entry.asked_at) < FORGET);
    }

    /// Whether to look at the job now: not again before its turn, nor beyond the budget. The more
    /// jobs are open, the longer until it is a job's turn again, so that each has one.
    fn turn(&mut self, key: &JobKey, now: Timestamp) -> bool {
        self.forget(now);
        if now.since(self.since) >= SECOND {
            (self.since, self.spent) = (now, 0);
        }
        let open = u32::try_from(self.jobs.len()).unwrap_or(u32::MAX);
        let fresh = Entry { seen: None, looked_at: Timestamp::default(), asked_at: now };
        let entry = self.jobs.entry(key.clone()).or_insert(fresh);
        entry.asked_at = now;
        let ended = |seen: &Seen| seen.as_ref().as_ref().is_ok_and(|job| job.state.is_final());
        let calm = if entry.seen.as_ref().is_some_and(ended) { ENDED } else { 1 };
        // Looks of a second that come a few milliseconds early are of the next.
        let rest = SECOND * calm.max(open / PER_SECOND) - SECOND / 10;
        let due = now.since(entry.looked_at) >= rest && self.spent < PER_SECOND;
        if due {
            entry.looked_at = now;
            self.spent += 1;
        }
        due
    }
}

impl Lookups {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The whole job as it is now: for the load of a page.
    pub(crate) async fn now(
        &self,
        client: &Client,
        key: &JobKey,
    ) -> Result<JobReport, ClientError> {
        let report = look(client, key).await?;
        let now = client.now();
        let seen = Some(Arc::new(Ok(slim(report.clone()))));
        let entry = Entry { seen, looked_at: now, asked_at: now };
        let mut table = self.table();
        table.forget(now);
        table.jobs.insert(key.clone(), entry);
        Ok(report)
    }

    /// The job without arguments and result, as it was seen not long ago: for what changes by itself
    /// on a page. None when nobody has seen it yet and it is not its turn.
    pub(crate) async fn lately(&self, client: &Client, key: &JobKey) -> Option<Seen> {
        let turn = self.table().turn(key, client.now());
        if turn {
            let seen = look(client, key).await.map(slim);
            let mut table = self.table();
            if let Some(entry) = table.jobs.get_mut(key) {
                // While the broker is away, what was seen before stands.
                let keep = matches!(seen, Err(ClientError::Transport(_))) && entry.seen.is_some();
                if !keep {
                    entry.seen = Some(Arc::new(seen));
                }
            }
        }
        self.table().jobs.get(key).and_then(|entry| entry.seen.clone())
    }
}

async fn look(client: &Client, key: &JobKey) -> Result<JobReport, ClientError> {
    match tokio::time::timeout(PATIENCE, client.report(key)).await {
        Ok(report) => report.map(hide),
        Err(_) => {
            let what = format!("look at job {key}");
            Err(TransportError::Timeout { what, after: PATIENCE }.into())
        }
    }
}

/// Without secrets in what it says; its arguments are shown by whoever shows them.
fn hide(mut report: JobReport) -> JobReport {
    let redactor = Redactor::default();
    let text = |text: &mut String| {
        if let Cow::Owned(redacted) = redactor.redact_text(text) {
            *text = redacted;
        }
    };
    for record in report.envelope.iter_mut().flat_map(|job| &mut job.history) {
        record.message.iter_mut().chain(&mut record.reason).for_each(text);
    }
    if let Some(letter) = &mut report.dead {
        [&mut letter.message, &mut letter.reason].into_iter().for_each(text);
    }
    report.progress.iter_mut().for_each(|progress| text(&mut progress.message));
    report
}

/// Without what may be large and is shown only when a page is loaded.
fn slim(mut report: JobReport) -> JobReport {
    report.result = None;
    report.stored.message = WireMessage::default();
    if let Some(job) = &mut report.envelope {
        job.args = Payload::null(job.codec);
        // As it was written it would keep the whole body alive.
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

    /// Looks in a minute, when tabs on `jobs` jobs ask `times` a second each.
    fn looks(jobs: u64, times: u64) -> Vec<u64> {
        let mut table = Table::default();
        let mut looks = vec![0; usize::try_from(jobs).expect("few")];
        for tick in 0..60 * times {
            let now = Timestamp::from_millis(1_000_000 + tick * 1_000 / times);
            for (n, count) in (0..).zip(&mut looks) {
                *count += u64::from(table.turn(&key(n), now));
            }
        }
        looks
    }

    #[test]
    fn a_job_is_looked_at_once_a_second_however_many_tabs_show_it() {
        assert_eq!(looks(1, 1), [60]);
        assert_eq!(looks(1, 200), [looks(1, 10)[0]]);
        assert!(looks(1, 10)[0] <= 67, "one in 0.9 s at most");
    }

    #[test]
    fn all_tabs_together_keep_the_budget_and_every_job_has_its_turn() {
        let looks = looks(200, 1);
        assert!(looks.iter().sum::<u64>() <= 60 * u64::from(PER_SECOND), "{looks:?}");
        assert!(looks.iter().all(|n| (4..=8).contains(n)), "{looks:?}");
    }

    #[test]
    fn what_nobody_asks_for_is_forgotten() {
        let mut table = Table::default();
        let at = |s: u64| Timestamp::from_millis(1_000_000 + s * 1_000);
        for n in 0..100 {
            table.turn(&key(n), at(0));
        }
        assert_eq!(table.jobs.len(), 100);
        table.turn(&key(0), at(40));
        assert_eq!(table.jobs.len(), 1);
    }
}
