//! What a worker takes of memory: one in a process of its own, watched from here.

use std::io::Read;
use std::process::Stdio;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use naq_nats::NatsConfig;
use naq_worker::Worker;
use tokio::process::{Child, Command};

use super::Part;
use super::arena::{Arena, Plan};
use super::figure::{Figure, Target, Unit};
use super::naq::{Probe, registry};
use super::side::{Kind, Seen, Side, empty};
use super::topology::QUEUE;
use crate::connection::connect;

const CONCURRENCY: usize = 100;

/// The most that the worker ever took: with every slot in use, and while it drained a backlog.
pub(super) async fn measure(arena: &Arena, plan: &Plan) -> Result<Vec<Figure>> {
    plan.progress(format_args!("memory of a worker with concurrency {CONCURRENCY}"));
    let mut worker = spawn(arena.config(), Part::Worker)?;
    let pid = worker.id().context("the worker has ended at once")?;
    let Some(_) = peak_megabytes(pid) else {
        plan.progress("no /proc/PID/status here: memory is not measured");
        return Ok(Vec::new());
    };
    let naq = &arena.naq;
    let slow = (0..CONCURRENCY).map(|n| Probe { takes_ms: 1000, ..naq.probe(n) });
    naq.send(slow, Kind::USUAL).await?;
    empty(naq.streams()).await?;
    let busy = peak_megabytes(pid).context("the worker has ended")?;
    naq.enqueue_many(plan.jobs, Kind::USUAL).await?;
    empty(naq.streams()).await?;
    let peak = peak_megabytes(pid).context("the worker has ended")?;
    stop(&mut worker).await?;
    naq.streams().purge().await?;

    let figure = |name| Figure::new(name, Unit::Megabytes, Target::AtMost(40.0));
    let mut slots = figure("worker memory, 100 slots in use");
    let mut drain = figure("worker memory, after a backlog too");
    slots.alone(busy);
    drain.alone(peak);
    Ok(vec![slots.done(), drain.done()])
}

/// Starts this program once more, as that part: with the same arguments, so that it finds the same
/// broker and is let in.
pub(super) fn spawn(config: &NatsConfig, part: Part) -> Result<Child> {
    let name = part.to_possible_value().context("a part without a name")?;
    let talks = if part == Part::Traffic { Stdio::null() } else { Stdio::inherit() };
    Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .args(["--as", name.get_name(), "--as-prefix", &config.prefix])
        .env("NAQ_NATS_URL", &config.url)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(talks)
        .kill_on_drop(true)
        .spawn()
        .context("cannot start this program once more")
}

/// Its standard input is what keeps it going.
pub(super) async fn stop(worker: &mut Child) -> Result<()> {
    drop(worker.stdin.take());
    worker.wait().await?;
    Ok(())
}

/// The other end: works until standard input ends.
pub(super) async fn work(config: NatsConfig) -> Result<()> {
    let client = connect(config).await?;
    let seen = Seen::new(0);
    let worker = Worker::builder(client, registry(seen)).queue(QUEUE).concurrency(CONCURRENCY);
    worker.build().run(parent_ends()).await?;
    Ok(())
}

/// Waits until the process that started this one ends, or lets go of it.
pub(super) async fn parent_ends() {
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    drop(ended.await);
}

/// The peak of a process's resident memory in megabytes, where /proc says it.
pub(super) fn peak_megabytes(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}
