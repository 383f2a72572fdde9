//! What fails in practice: services, databases, files, mail. And what a job can do about it.

use anyhow::Result;
use naq::retry::Rule;
use naq::{Jitter, Strategy};

use crate::demo::{DemoRun, Expected};
use crate::tasks::{
    ApiError, CallApi, Charge, DatabaseError, FetchPrice, FileFault, ImportFile, MailError,
    SaveOrder, SendMail,
};

/// API, database, file and mail; an idempotent handler; a fallback price; monitoring in code.
///
/// # Errors
/// The broker cannot be reached, or no worker runs.
pub async fn realistic(demo: &mut DemoRun) -> Result<()> {
    demo.open("realistic_scenarios", "services, databases, files, mail").await?;
    api(demo).await?;
    database(demo).await?;
    files(demo).await?;
    mail(demo).await?;
    graceful(demo).await?;
    monitor(demo).await?;
    demo.watch().await
}

/// Retries wait longer and longer while a service is down. A wrong API key is never retried.
async fn api(demo: &mut DemoRun) -> Result<()> {
    let client = demo.client();
    let secs = demo.seconds();
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
    demo.add("api-outage", "503, a timeout, 502, then success", call(outage), expected).await?;

    let expected = Expected::dead_at_once(Rule::IgnoreOn);
    let job = call(vec![ApiError::Status(401)]);
    demo.add("api-login", "401: the key is wrong", job, expected).await?;

    let expected = Expected::dead_at_once(Rule::IgnoreOn);
    let job = call(vec![ApiError::Status(422)]);
    demo.add("api-input", "422: the input is wrong", job, expected).await
}

/// A deadlock passes at once, if the two transactions do not meet again: short delays, with jitter.
async fn database(demo: &mut DemoRun) -> Result<()> {
    let client = demo.client();
    let secs = demo.seconds();
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
    demo.add("db-deadlock", "a deadlock, then a full pool", job, expected).await?;

    let expected = Expected::dead_after([short], Rule::IgnoreOn);
    let job = save(vec![DatabaseError::Refused, DatabaseError::Constraint]);
    demo.add("db-constraint", "a restart, then a duplicate key", job, expected).await
}

/// A missing file may arrive later. A retry does not change file permissions.
async fn files(demo: &mut DemoRun) -> Result<()> {
    let client = demo.client();
    let secs = demo.seconds();
    let import = |faults| {
        client
            .enqueue(ImportFile { path: "orders.csv".into(), faults })
            .max_retries(4)
            .retry_delay([secs(1), secs(5), secs(15)])
            .ignore_on(["PermissionError"])
    };

    let expected = Expected::completed_after([secs(1), secs(5)]);
    let job = import(vec![FileFault::Missing, FileFault::Stalled]);
    demo.add("file-late", "missing, then a slow network share", job, expected).await?;

    let expected = Expected::dead_at_once(Rule::IgnoreOn);
    let job = import(vec![FileFault::Denied]);
    demo.add("file-denied", "permission denied", job, expected).await
}

/// Greylisting asks for a retry. An unknown mailbox stays unknown.
async fn mail(demo: &mut DemoRun) -> Result<()> {
    let client = demo.client();
    let secs = demo.seconds();
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
    demo.add("mail-greylist", "451 try again later, a reset", job, expected).await?;

    let expected = Expected::dead_at_once(Rule::Fatal);
    let job = send(vec![MailError::Smtp(550)]);
    demo.add("mail-unknown", "550 no such mailbox", job, expected).await
}

/// A job that runs twice charges once. A job on its last attempt serves a cached price.
async fn graceful(demo: &mut DemoRun) -> Result<()> {
    let client = demo.client();
    let secs = demo.seconds();

    let job = client.enqueue(Charge { cents: 4200, lost_answers: 2 }).retry_delay(secs(3));
    let expected =
        Expected::completed_after([secs(3), secs(3)]).result("3 calls, 1 charge of 4200 cents");
    demo.add("idempotent", "two lost answers, one charge", job, expected).await?;

    let faults = vec![ApiError::Status(503); 9];
    let price = FetchPrice { item: "socks".into(), faults };
    let job = client.enqueue(price).max_retries(2).retry_delay(secs(4));
    let expected =
        Expected::completed_after([secs(4), secs(4)]).result("socks: 399 cents, from the cache");
    demo.add("fallback", "the last attempt serves the cache", job, expected).await
}

/// Which workers run, and how many jobs wait.
async fn monitor(demo: &DemoRun) -> Result<()> {
    for worker in demo.client().list_workers().await? {
        demo.print(&format!("Worker {}: {}", worker.worker_id, worker.status));
    }
    for queue in demo.client().queues().await? {
        let (pending, waiting, dead) = (queue.pending, queue.waiting, queue.dead);
        demo.print(&format!(
            "Queue {}: {pending} pending, {waiting} waiting, {dead} dead",
            queue.name
        ));
    }
    Ok(())
}
