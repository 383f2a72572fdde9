//! [`SampleData`]: the jobs of a company. Most jobs complete, the service of a partner is down, some cards
//! are declined, and a nightly import has half failed.

mod history;
mod tasks;

use std::time::Duration;

use anyhow::Result;
use naq_client::{
    AuditEntry, BatchAction, BatchOrder, BatchScope, Client, WaitingFilter, Workflow,
};
use naq_core::retry::Strategy;
use naq_core::{ErrorKind, Jitter};
use naq_testing::eventually;
use serde_json::json;

use crate::setup::{RunningWorker, TIMEOUT, TestSetup, queue};

pub(crate) const QUEUES: [&str; 4] = ["mail", "billing", "partners", "media"];

pub(crate) struct SampleData {
    pub(crate) setup: TestSetup,
    _workers: [RunningWorker; 2],
}

impl SampleData {
    pub(crate) async fn start() -> Result<Self> {
        let setup = TestSetup::start().await?;
        history::write(&setup.client).await?;
        fill(&setup.client).await?;
        let workers = [
            setup.worker("ada", &QUEUES, tasks::registry()).await?,
            setup.worker("grace", &QUEUES, tasks::registry()).await?,
        ];
        // Until most jobs have ended; the others are not due yet, or run for long.
        eventually("most jobs to end", TIMEOUT, async || {
            let queues = setup.client.queues().await?;
            let busy: u64 = queues.iter().map(|queue| queue.pending + queue.running).sum();
            let dead: u64 = queues.iter().map(|queue| queue.dead).sum();
            anyhow::ensure!(busy <= 8 && dead >= 20, "{queues:?}");
            Ok(())
        })
        .await;
        add_actions(&setup.client).await?;
        Ok(Self { setup, _workers: workers })
    }
}

/// Takes some actions as an operator.
async fn add_actions(client: &Client) -> Result<()> {
    let until = client.now() + Duration::from_secs(3_600);
    client.transport().pause(&queue("media"), until).await?;
    let entry = AuditEntry::new("grace", "pause", "queue media, for 1 h");
    client.audit(entry.reason("the disk of the encoder is full")).await?;
    let scope =
        BatchScope::Waiting(WaitingFilter { queue: Some(queue("mail")), ..Default::default() });
    let action = BatchAction::Spread { over: Duration::from_secs(1_200) };
    let order = BatchOrder::new(action, scope, "grace").reason("go easy on the smtp servers");
    let batch = client.start_batch(order).await?;
    client.run_batch(&batch.id, || false).await?;
    Ok(())
}

async fn fill(client: &Client) -> Result<()> {
    let mut jobs = Vec::new();
    for n in 0..400 {
        let to = format!("{}@example.com", tasks::NAMES[n % tasks::NAMES.len()]);
        let mail = json!({ "to": to, "template": "order_shipped", "order": 70_000 + n });
        jobs.push(
            client
                .enqueue_task("email.send", &mail)?
                .queue("mail")
                .id(format!("mail-{n:03}"))
                .max_retries(3)
                .retry_delay([
                    Duration::from_millis(300),
                    Duration::from_secs(2),
                    Duration::from_secs(600),
                ])
                .tag("transactional"),
        );
    }
    for n in 0..160 {
        let charge = json!({ "customer": 4_000 + n, "amount": "49.00", "currency": "EUR" });
        jobs.push(
            client
                .enqueue_task("invoice.charge", &charge)?
                .queue("billing")
                .id(format!("charge-{n:03}"))
                .max_retries(2)
                .retry_delay(Duration::from_millis(400))
                .ignore_on([ErrorKind::new("PaymentError.declined")?]),
        );
    }
    for n in 0..120 {
        let sync = json!({ "partner": "acme", "item": 90_000 + n });
        jobs.push(
            client
                .enqueue_task("partner.sync", &sync)?
                .queue("partners")
                .id(format!("sync-{n:03}"))
                .max_retries(6)
                .retry_delay(Duration::from_millis(250))
                .retry_strategy(Strategy::Exponential)
                .retry_multiplier(6.0)
                .max_delay(Duration::from_secs(1_800))
                .jitter(Jitter::Factor(0.4)),
        );
    }
    for n in 0..6 {
        let video = json!({ "source": format!("s3://uploads/{n}.mov"), "height": 1_080 });
        jobs.push(
            client
                .enqueue_task("video.encode", &video)?
                .queue("media")
                .id(format!("video-{n}"))
                .tag("bulk"),
        );
    }
    for n in 0..12 {
        let report = json!({ "month": n + 1 });
        let later = Duration::from_secs(900 * (n + 1));
        jobs.push(
            client
                .enqueue_task("report.render", &report)?
                .queue("billing")
                .id(format!("report-{n}"))
                .delay(later),
        );
    }
    for sent in client.enqueue_many(jobs).await {
        sent?;
    }
    for day in ["monday", "tuesday"] {
        client.start(import(client, day)?).await?;
    }
    let ping = client
        .enqueue_task("health.ping", &json!({}))?
        .queue("partners")
        .record_ttl(Duration::from_secs(300));
    client.schedule("health-ping").every(Duration::from_secs(30)).template(ping).await?;
    let nightly =
        client.enqueue_task("report.render", &json!({ "month": "last" }))?.queue("billing");
    client
        .schedule("nightly-report")
        .cron("30 2 * * *")
        .time_zone("Europe/Berlin")
        .template(nightly)
        .await?;
    let closing = client.enqueue_task("invoice.close", &json!({}))?.queue("billing");
    client.schedule("month-end").cron("0 6 1 * *").template(closing).await?;
    client.schedules().pause(&naq_core::ScheduleName::new("month-end")?).await?;
    Ok(())
}

/// The import of tuesday has a job that dies.
fn import(client: &Client, day: &str) -> Result<Workflow> {
    let step = |task: &str, what: &str| {
        let args = json!({ "day": day, "what": what });
        anyhow::Ok(client.enqueue_task(task, &args)?.queue("partners").max_retries(0))
    };
    Ok(Workflow::new("import")
        .id(format!("import-{day}"))
        .job("extract", step("import.extract", "all")?)
        .job("orders", step("import.load", "orders")?)
        .job("stock", step("import.load", "stock")?)
        .job("report", step("import.report", "all")?)
        .fan_out("extract", ["orders", "stock"])
        .fan_in(["orders", "stock"], "report"))
}
