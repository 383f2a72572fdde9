//! A worker's memory: the worker is a child process, and this process reads its peak.

use std::io::Read;
use std::process::Stdio;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use naq_nats::NatsConfig;
use naq_worker::Worker;
use tokio::process::{Child, Command};

use crate::args::ChildRole;
use crate::contestant::{Contestant, JobShape, StartTimes, wait_until_empty};
use crate::contestants::{BenchPlan, Contestants};
use crate::figure::{BenchFigure, FigureTarget, FigureUnit};
use crate::naq::connect;
use crate::naq::{BenchJob, registry};
use crate::topology::QUEUE;

const CONCURRENCY: usize = 100;

/// The worker's peak memory: with every slot in use, and after it drained a backlog.
pub(crate) async fn measure(
    contestants: &Contestants,
    plan: &BenchPlan,
) -> Result<Vec<BenchFigure>> {
    plan.progress(format_args!("memory of a worker with concurrency {CONCURRENCY}"));
    let mut worker = spawn(contestants.config(), ChildRole::Worker)?;
    let pid = worker.id().context("the worker ended at once")?;
    let Some(_) = peak_megabytes(pid) else {
        plan.progress("this system has no /proc/PID/status: memory is not measured");
        return Ok(Vec::new());
    };
    let naq = &contestants.naq;
    let slow = (0..CONCURRENCY).map(|n| BenchJob { takes_ms: 1000, ..naq.probe(n) });
    naq.send(slow, JobShape::DEFAULT).await?;
    wait_until_empty(naq.streams()).await?;
    let busy = peak_megabytes(pid).context("the worker has ended")?;
    naq.enqueue_many(plan.jobs, JobShape::DEFAULT).await?;
    wait_until_empty(naq.streams()).await?;
    let peak = peak_megabytes(pid).context("the worker has ended")?;
    stop(&mut worker).await?;
    naq.streams().purge().await?;

    let figure = |name| BenchFigure::new(name, FigureUnit::Megabytes, FigureTarget::AtMost(40.0));
    let mut slots = figure("worker memory, 100 slots in use");
    let mut drain = figure("worker memory, after a backlog too");
    slots.alone(busy);
    drain.alone(peak);
    Ok(vec![slots.done(), drain.done()])
}

/// Starts this program again as a child process with `role`. It gets the same arguments, so that it
/// uses the same broker and credentials.
pub(crate) fn spawn(config: &NatsConfig, role: ChildRole) -> Result<Child> {
    let name = role.to_possible_value().context("a role without a name")?;
    let stderr = if role == ChildRole::Traffic { Stdio::null() } else { Stdio::inherit() };
    Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .args(["--as", name.get_name(), "--as-prefix", &config.prefix])
        .env("NAQ_NATS_URL", &config.url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .kill_on_drop(true)
        .spawn()
        .context("cannot start this program again as a child process")
}

/// Closes the child's standard input, which is its stop signal, and waits until the child has ended.
pub(crate) async fn stop(child: &mut Child) -> Result<()> {
    drop(child.stdin.take());
    child.wait().await?;
    Ok(())
}

/// The child process with the worker: works until standard input ends.
pub(crate) async fn work(config: NatsConfig) -> Result<()> {
    let client = connect(config).await?;
    let seen = StartTimes::new(0);
    let worker = Worker::builder(client, registry(seen)).queue(QUEUE).concurrency(CONCURRENCY);
    worker.build().run(wait_for_parent_end()).await?;
    Ok(())
}

/// Waits until the parent process closes this process's standard input, or ends.
pub(crate) async fn wait_for_parent_end() {
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    drop(ended.await);
}

/// The peak of a process's resident memory in megabytes, read from /proc.
pub(crate) fn peak_megabytes(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}
