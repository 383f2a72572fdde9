//! Six patterns. They run over any client, if a worker with [`crate::tasks::registry`] runs its jobs.

use std::time::Duration;

use anyhow::{Context as _, Result};
use naq::{Client, Clock, JobHandle, JobId, JobReport, JobState, SystemClock, Timer};

use crate::alert::{Alert, Watcher};
use crate::bank::Bank;
use crate::dead::{self, LetterAction};
use crate::tasks::{Charge, Import, Imported, Rate};

/// What happened, for the tests.
#[derive(Debug)]
pub struct Results {
    /// State and attempts of a declined payment, and of one for which the bank was busy.
    pub by_kind: [(JobState, u32); 2],
    /// The number of payments while the bank was down, and of the calls to it in that time.
    pub breaker: (usize, u32),
    /// The rate that the fallback gave.
    pub rate: f64,
    /// The result of the batch.
    pub imported: Imported,
    /// For each dead letter, its error kind and the action.
    pub actions: Vec<(String, LetterAction)>,
    /// The alert, if it fired.
    pub alert: Option<Alert>,
}

/// Runs all patterns, and calls `print` with what happens.
///
/// # Errors
/// The broker cannot be reached, or a job does not end.
pub async fn run(client: &Client, bank: &Bank, print: impl Fn(&str)) -> Result<Results> {
    let mut watcher = Watcher::new(3, Duration::from_secs(60));

    print("1. Error kinds");
    let declined = end(client, pay(client, "expired").await?).await?;
    print(&format!("   an expired card: {}", state_and_reason(&declined)));
    let busy = end(client, pay(client, "popular").await?).await?;
    print(&format!("   a busy bank: {} at attempt {}", busy.state, attempts(&busy)));

    print("2. A breaker around a bank that goes down");
    bank.set_down(true);
    let (before, mut payments) = (bank.calls(), Vec::new());
    for n in 0..30 {
        payments.push(pay(client, &format!("card {n}")).await?);
    }
    pause(Duration::from_millis(1_200)).await;
    let calls = bank.calls() - before;
    let state = client.breaker("bank").await?.state;
    print(&format!("   30 payments, {calls} calls; the breaker is {}", state.phase));
    bank.set_down(false);
    let breaker = (payments.len(), calls);
    let mut died = 0;
    for payment in payments {
        died += usize::from(end(client, payment).await?.state == JobState::Dead);
    }
    print(&format!("   the bank is back: {} completed, {died} died", breaker.0 - died));

    print("3. A fallback");
    let job = client.enqueue(Rate { currency: "EUR".into() }).await?;
    let rate = result(client, job).await?;
    print(&format!("   the bank gives no rate; yesterday's is {rate}"));

    print("4. Partial success");
    let rows = ["1", "2", "three", " ", "5"].map(str::to_owned).to_vec();
    let imported = result(client, client.enqueue(Import { rows }).await?).await?;
    print(&format!(
        "   {} rows imported, {} more as jobs of their own",
        imported.done,
        imported.jobs.len()
    ));
    for id in &imported.jobs {
        let row = end(client, id.parse().context("an id")?).await?;
        print(&format!("   {id}: {}", state_and_reason(&row)));
    }

    print("5. An alert on the error rate");
    bank.set_down(true);
    client.reset_breaker("bank").await?;
    let unlucky = pay(client, "unlucky").await?;
    end(client, unlucky).await?;
    bank.set_down(false);
    let alert = watcher.check(client).await?;
    if let Some(alert) = &alert {
        print(&format!("   {} deaths in {:?}: {:?}", alert.deaths, alert.window, alert.kinds));
    }

    print("6. Dead letters, by error kind");
    let mut actions = Vec::new();
    for (letter, action) in dead::process(client).await? {
        let task = letter.task.map(|task| task.to_string()).unwrap_or_default();
        print(&format!("   {task}: {}: {action:?}", letter.error_kind));
        actions.push((letter.error_kind.to_string(), action));
    }
    let by_kind = [&declined, &busy].map(|report| (report.state, attempts(report)));
    Ok(Results { by_kind, breaker, rate, imported, actions, alert })
}

async fn pay(client: &Client, card: &str) -> Result<JobId> {
    let job = client.enqueue(Charge { card: card.to_owned() }).await?;
    Ok(job.id().clone())
}

/// How a job ended.
async fn end(client: &Client, id: JobId) -> Result<JobReport> {
    let until = SystemClock.now() + Duration::from_secs(20);
    while SystemClock.now() < until {
        let report = client.job(&id, None).await?;
        if report.state.is_final() {
            return Ok(report);
        }
        pause(Duration::from_millis(20)).await;
    }
    anyhow::bail!("job {id} does not end: does a worker of this example run?")
}

async fn result<O>(client: &Client, job: JobHandle<O>) -> Result<O>
where
    O: serde::de::DeserializeOwned,
{
    end(client, job.id().clone()).await?;
    job.result().await?.context("a job that completed has a result")
}

fn attempts(report: &JobReport) -> u32 {
    report.envelope.as_ref().map_or(0, |job| job.attempt)
}

/// The state and the reason for it.
fn state_and_reason(report: &JobReport) -> String {
    let history = report.envelope.as_ref().map(|job| job.history.as_slice()).unwrap_or_default();
    let why = history.last().and_then(|record| record.reason.as_deref()).unwrap_or("-");
    format!("{}: {why}", report.state)
}

async fn pause(time: Duration) {
    SystemClock.sleep_until(SystemClock.now() + time).await;
}
