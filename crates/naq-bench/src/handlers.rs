//! The cost of a handler that is not Rust: the same queue drained by an HTTP service, by commands that stay, and
//! by a command for each attempt, each compared with a Rust handler. None of them does any work, so this
//! measures the way to the handler and back.

use anyhow::{Context as _, Result};
use axum::Router;
use axum::routing::get;
use futures_util::{StreamExt, TryStreamExt, stream};
use naq_core::Failure;
use naq_handlers::{HandlerSources, Handlers};
use naq_worker::{Context, Registry, Worker};
use serde_json::{Value, json};

use crate::contestant::{Contestant, RunningWorker, wait_until_empty};
use crate::contestants::{BenchPlan, Contestants};
use crate::cpu::{CostSamples, CpuMeter, RunCost};
use crate::figure::{BenchFigure, FigureTarget};
use crate::naq::{NaqContestant, connect};
use crate::topology::QUEUE;

/// Slots of the worker, and so processes of the commands that stay.
const SLOTS: usize = 8;
/// At most so many jobs a round: a process for each of them takes milliseconds.
const MOST_JOBS: usize = 1_000;
/// Requests in flight while jobs are enqueued.
const IN_FLIGHT: usize = 64;
/// The task of all handlers.
const TASK: &str = "bench.handler";
/// A command that stays: it answers each line.
const POOL: &str = r#"sh -c 'while read -r line; do echo "{\"result\":null}"; done'"#;
/// A command for each attempt: without an answer, exit code 0 is success.
const ONE_SHOT: &str = "sh -c 'cat > /dev/null'";
/// What other handlers are compared with.
const RUST: &str = "a Rust handler";

/// Where the handler is.
#[derive(Debug, Clone, Copy)]
enum Adapter {
    Rust,
    Http,
    Pool,
    OneShot,
}

impl Adapter {
    /// Rust comes first: it shows how much two equal measurements differ.
    const ALL: [(Self, &'static str); 4] = [
        (Self::Rust, "Rust"),
        (Self::Http, "an HTTP service"),
        (Self::Pool, "commands that stay"),
        (Self::OneShot, "a command for each attempt"),
    ];

    async fn registry(self, service: &str) -> Result<Registry> {
        let mut sources = HandlerSources::default();
        match self {
            Self::Rust => {
                let handler = |_: Value, _: Context| async { Ok::<_, Failure>(Value::Null) };
                return Ok(Registry::new().raw(TASK, handler));
            }
            Self::Http => sources.http.push(service.to_owned()),
            Self::Pool => sources.exec_pool.push(format!("{TASK}={POOL}")),
            Self::OneShot => sources.exec.push(format!("{TASK}={ONE_SHOT}")),
        }
        let handlers = Handlers::new(&sources)?.ask_for_tasks().await?;
        Ok(handlers.register(Registry::new())?)
    }
}

pub(crate) async fn measure(
    contestants: &Contestants,
    plan: &BenchPlan,
) -> Result<Vec<BenchFigure>> {
    let service = serve().await?;
    let mut figures = Vec::new();
    for (adapter, name) in Adapter::ALL {
        let mut costs =
            CostSamples::new(&format!("handler: {name}"), FigureTarget::None).against(RUST);
        for round in 0..plan.rounds {
            plan.progress(format_args!("handler: {name}, round {} of {}", round + 1, plan.rounds));
            let other = drain(&contestants.naq, plan, adapter, &service).await?;
            costs.pair(other, drain(&contestants.naq, plan, Adapter::Rust, &service).await?);
        }
        figures.extend(costs.done());
    }
    Ok(figures)
}

/// Enqueues jobs, and then starts a worker that runs them.
async fn drain(
    naq: &NaqContestant,
    plan: &BenchPlan,
    adapter: Adapter,
    service: &str,
) -> Result<RunCost> {
    let jobs = plan.jobs.min(MOST_JOBS);
    stream::iter(0..jobs)
        .map(|n| async move {
            naq.client.enqueue_task(TASK, &json!({ "n": n }))?.queue(QUEUE).await?;
            anyhow::Ok(())
        })
        .buffer_unordered(IN_FLIGHT)
        .try_collect::<()>()
        .await?;
    let registry = adapter.registry(service).await?;
    let client = connect(naq.config.clone()).await?;
    let worker = Worker::builder(client, registry).queue(QUEUE).concurrency(SLOTS).build();
    let meter = CpuMeter::start(plan.broker);
    let worker = RunningWorker::start(|stop| async move {
        worker.run(async { drop(stop.await) }).await?;
        Ok(())
    });
    wait_until_empty(naq.streams()).await?;
    let cost = meter.stop(jobs);
    worker.stop().await?;
    naq.streams().purge().await?;
    Ok(cost)
}

/// Starts an HTTP service with the handler, in this process. Returns its URL.
async fn serve() -> Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    let tasks = json!({ "v": 1, "tasks": [TASK], "concurrency": SLOTS }).to_string();
    let answer = || async { "{\"result\":null}\n" };
    let app = Router::new().route("/", get(|| async { tasks }).post(answer)).fallback(answer);
    let served = async move { axum::serve(listener, app).await.context("the HTTP handler") };
    tokio::spawn(served);
    Ok(url)
}
