//! What fails in practice: services, databases, files, mail; and how to live with it.

use anyhow::Result;
use naq::retry::Rule;
use naq::{Jitter, Strategy};

use crate::stage::{Expected, Stage};
use crate::tasks::{
    ApiError, CallApi, Charge, DatabaseError, FetchPrice, FileFault, ImportFile, MailError,
    SaveOrder, SendMail,
};

/// API, database, file and mail; an idempotent handler; a fallback; monitoring by program.
///
/// # Errors
/// The broker cannot be reached, or no worker is there.
pub async fn realistic(stage: &mut Stage) -> Result<()> {
    stage.open("realistic_scenarios", "services, databases, files, mail").await?;
    api(stage).await?;
    database(stage).await?;
    files(stage).await?;
    mail(stage).await?;
    graceful(stage).await?;
    monitor(stage).await?;
    stage.watch().await
}

/// Back off from a service that is down; do not knock again where the key does not fit.
async fn api(stage: &mut Stage) -> Result<()> {
    let client = stage.client();
    let secs = stage.seconds();
    let call = |faults| {
        client
            .enqueue(CallApi { url: "api.example.com/orders".into(), faults })
            .max_retries(5)
            .retry_delay(secs(1))
            .retry_strategy(Strategy::Exponential)
            .retry_on(["ConnectionError", "TimeoutError", "HTTPError"])
            .ignore_on(["ValueError", "AuthenticationError", "PermissionError"])
    };

    let outage = vec![ApiError::Status(503), ApiError::TimedOut, ApiError::Status(502)];
    let expected = Expected::completed_after([secs(1), secs(2), secs(4)]);
    stage.add("api-outage", "503, a timeout, 502, and back", call(outage), expected).await?;

    let expected = Expected::dead_at_once(Rule::IgnoreOn);
    let job = call(vec![ApiError::Status(401)]);
    stage.add("api-login", "401: the key is wrong", job, expected).await?;

    let expected = Expected::dead_at_once(Rule::IgnoreOn);
    let job = call(vec![ApiError::Status(422)]);
    stage.add("api-input", "422: the input is wrong", job, expected).await
}

/// A deadlock passes at once, if the two that met do not meet again: short delays, with jitter.
async fn database(stage: &mut Stage) -> Result<()> {
    let client = stage.client();
    let secs = stage.seconds();
    let save = |faults| {
        client
            .enqueue(SaveOrder { order: 4711, faults })
            .max_retries(5)
            .retry_delay(secs(1))
            .jitter(Jitter::Equal)
            .retry_on(["ConnectionError", "DatabaseError"])
            .ignore_on(["DatabaseError.constraint"])
    };
    let short = secs(1) / 2..=secs(1);

    let expected = Expected::completed_after([short.clone(), short.clone()]);
    let job = save(vec![DatabaseError::Deadlock, DatabaseError::PoolExhausted]);
    stage.add("db-deadlock", "a deadlock, then a full pool", job, expected).await?;

    let expected = Expected::dead_after([short], Rule::IgnoreOn);
    let job = save(vec![DatabaseError::Refused, DatabaseError::Constraint]);
    stage.add("db-constraint", "a restart, then a duplicate key", job, expected).await
}

/// A file that is late will come; one that is not ours will not become ours.
async fn files(stage: &mut Stage) -> Result<()> {
    let client = stage.client();
    let secs = stage.seconds();
    let import = |faults| {
        client
            .enqueue(ImportFile { path: "orders.csv".into(), faults })
            .max_retries(4)
            .retry_delay([secs(1), secs(5), secs(15)])
            .ignore_on(["PermissionError"])
    };

    let expected = Expected::completed_after([secs(1), secs(5)]);
    let job = import(vec![FileFault::Missing, FileFault::Stalled]);
    stage.add("file-late", "not there yet, then a slow share", job, expected).await?;

    let expected = Expected::dead_at_once(Rule::IgnoreOn);
    let job = import(vec![FileFault::Denied]);
    stage.add("file-denied", "permission denied", job, expected).await
}

/// Greylisting is a retry by design; an unknown mailbox is for good.
async fn mail(stage: &mut Stage) -> Result<()> {
    let client = stage.client();
    let secs = stage.seconds();
    let send = |faults| {
        client
            .enqueue(SendMail { to: "a@example.com".into(), faults })
            .max_retries(5)
            .retry_delay(secs(3))
            .retry_strategy(Strategy::Linear)
            .retry_increment(secs(3))
    };

    let expected = Expected::completed_after([secs(3), secs(6)]);
    let job = send(vec![MailError::Smtp(451), MailError::Reset]);
    stage.add("mail-greylist", "451 try again later, a reset", job, expected).await?;

    let expected = Expected::dead_at_once(Rule::Fatal);
    let job = send(vec![MailError::Smtp(550)]);
    stage.add("mail-unknown", "550 no such mailbox", job, expected).await
}

/// Run twice, charge once; and when all else fails, serve what there is.
async fn graceful(stage: &mut Stage) -> Result<()> {
    let client = stage.client();
    let secs = stage.seconds();

    let job = client.enqueue(Charge { cents: 4200, lost_answers: 2 }).retry_delay(secs(3));
    let expected =
        Expected::completed_after([secs(3), secs(3)]).result("3 calls, 1 charge of 4200 cents");
    stage.add("idempotent", "two lost answers, one charge", job, expected).await?;

    let faults = vec![ApiError::Status(503); 9];
    let price = FetchPrice { item: "socks".into(), faults };
    let job = client.enqueue(price).max_retries(2).retry_delay(secs(4));
    let expected =
        Expected::completed_after([secs(4), secs(4)]).result("socks: 399 cents, from the cache");
    stage.add("fallback", "the last attempt serves the cache", job, expected).await
}

/// Who works, and how much is waiting.
async fn monitor(stage: &Stage) -> Result<()> {
    for worker in stage.client().list_workers().await? {
        stage.say(&format!("Worker {}: {}", worker.worker_id, worker.status));
    }
    for queue in stage.client().queues().await? {
        let (pending, waiting, dead) = (queue.pending, queue.waiting, queue.dead);
        stage.say(&format!(
            "Queue {}: {pending} pending, {waiting} waiting, {dead} dead",
            queue.name
        ));
    }
    Ok(())
}
