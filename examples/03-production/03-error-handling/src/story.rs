//! Six scenes, played over any client whose jobs a worker with [`crate::tasks::registry`] runs.

use std::time::Duration;

use anyhow::{Context as _, Result};
use naq::{Client, Clock, JobHandle, JobId, JobReport, JobState, SystemClock, Timer};

use crate::alert::{Alert, Watcher};
use crate::bank::Bank;
use crate::dead::{self, Verdict};
use crate::tasks::{Charge, Import, Imported, Rate};

/// What happened, for whoever wants to check it.
#[derive(Debug)]
pub struct Told {
    /// State and attempts of a payment that was declined, and of one that had to come back.
    pub classified: [(JobState, u32); 2],
    /// Payments while the bank was down, and calls that reached it then.
    pub breaker: (usize, u32),
    /// The rate, when nobody would give one.
    pub rate: f64,
    /// What became of the batch.
    pub imported: Imported,
    /// What was decided about dead letters.
    pub verdicts: Vec<(String, Verdict)>,
    /// Who was woken.
    pub alert: Option<Alert>,
}

/// Plays all scenes, and tells `say` about them.
///
/// # Errors
/// The broker cannot be reached, or a scene does not end.
pub async fn play(client: &Client, bank: &Bank, say: impl Fn(&str)) -> Result<Told> {
    let mut watcher = Watcher::new(3, Duration::from_secs(60));

    say("1. Classes of errors");
    let declined = end(client, pay(client, "expired").await?).await?;
    say(&format!("   an expired card: {}", last_word(&declined)));
    let busy = end(client, pay(client, "popular").await?).await?;
    say(&format!("   a busy bank: {} at attempt {}", busy.state, attempts(&busy)));

    say("2. A breaker around a bank that goes down");
    bank.set_down(true);
    let (before, mut payments) = (bank.calls(), Vec::new());
    for n in 0..30 {
        payments.push(pay(client, &format!("card {n}")).await?);
    }
    pause(Duration::from_millis(1_200)).await;
    let calls = bank.calls() - before;
    let state = client.breaker("bank").await?.state;
    say(&format!("   30 payments, {calls} calls; the breaker is {}", state.phase));
    bank.set_down(false);
    let breaker = (payments.len(), calls);
    let mut died = 0;
    for payment in payments {
        died += usize::from(end(client, payment).await?.state == JobState::Dead);
    }
    say(&format!("   it came back: {} completed, {died} died", breaker.0 - died));

    say("3. A fallback");
    let job = client.enqueue(Rate { currency: "EUR".into() }).await?;
    let rate = result(client, job).await?;
    say(&format!("   no rate to be had: yesterday's is {rate}"));

    say("4. Partial success");
    let rows = ["1", "2", "three", " ", "5"].map(str::to_owned).to_vec();
    let imported = result(client, client.enqueue(Import { rows }).await?).await?;
    say(&format!("   {} rows are in, {} go on as jobs", imported.done, imported.left.len()));
    for id in &imported.left {
        let row = end(client, id.parse().context("an id")?).await?;
        say(&format!("   {id}: {}", last_word(&row)));
    }

    say("5. An alert on the error rate");
    bank.set_down(true);
    client.reset_breaker("bank").await?;
    let unlucky = pay(client, "unlucky").await?;
    end(client, unlucky).await?;
    bank.set_down(false);
    let alert = watcher.look(client).await?;
    if let Some(alert) = &alert {
        say(&format!("   {} deaths in {:?}: {:?}", alert.deaths, alert.window, alert.kinds));
    }

    say("6. Dead letters, by their kind");
    let mut verdicts = Vec::new();
    for (letter, verdict) in dead::process(client).await? {
        let task = letter.task.map(|task| task.to_string()).unwrap_or_default();
        say(&format!("   {task}: {}: {verdict:?}", letter.error_kind));
        verdicts.push((letter.error_kind.to_string(), verdict));
    }
    let classified = [&declined, &busy].map(|report| (report.state, attempts(report)));
    Ok(Told { classified, breaker, rate, imported, verdicts, alert })
}

async fn pay(client: &Client, card: &str) -> Result<JobId> {
    let job = client.enqueue(Charge { card: card.to_owned() }).await?;
    Ok(job.id().clone())
}

/// How a job ended.
async fn end(client: &Client, id: JobId) -> Result<JobReport> {
    let patience = SystemClock.now() + Duration::from_secs(20);
    while SystemClock.now() < patience {
        let report = client.job(&id, None).await?;
        if report.state.is_final() {
            return Ok(report);
        }
        pause(Duration::from_millis(20)).await;
    }
    anyhow::bail!("job {id} does not end: is there a worker of this example?")
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

/// State, and why.
fn last_word(report: &JobReport) -> String {
    let history = report.envelope.as_ref().map(|job| job.history.as_slice()).unwrap_or_default();
    let why = history.last().and_then(|record| record.reason.as_deref()).unwrap_or("-");
    format!("{}: {why}", report.state)
}

async fn pause(time: Duration) {
    SystemClock.sleep_until(SystemClock.now() + time).await;
}
