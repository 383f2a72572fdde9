//! The whole demo in one go: a broker, a worker, the three programs, one table.
//!
//! `bash scripts/demo-retries` builds and runs it.

use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use job_retries::programs;
use job_retries::stage::{Args, Screen, Stage, in_memory};
use naq::{Client, NatsConfig, NatsTransport};
use naq_testing::{ChildProcess, NatsServer};

/// Retries, end to end: starts a broker and a worker, runs the three programs, compares.
#[derive(Debug, Parser)]
struct Options {
    /// Without a broker: everything in this process, over the in-memory transport.
    #[arg(long)]
    memory: bool,

    #[command(flatten)]
    args: Args,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let options = Options::parse();
    tokio::select! {
        ended = demo(&options) => ended,
        // What was started ends with what is dropped here.
        _ = tokio::signal::ctrl_c() => Ok(ExitCode::from(130)),
    }
}

async fn demo(options: &Options) -> Result<ExitCode> {
    let say = |text: &str| Screen::Terminal.line(text);
    if options.memory {
        say("broker  in this process's memory");
        say("worker  in this process");
        mute_handlers_panics();
        let (client, worker) = in_memory();
        return tokio::select! {
            ended = perform(client, options.args.second) => ended,
            exit = worker.run(std::future::pending()) => bail!("the worker ended: {exit:?}"),
        };
    }
    let server = NatsServer::start()?;
    say(&format!("broker  nats-server at {}, with a store of its own", server.url()));
    let mut worker = start_worker(&server)?;
    say(&format!("worker  process {}: default retry_queue --log-level DEBUG", worker.pid()));
    let transport = NatsTransport::connect(NatsConfig::new(server.url())).await?;
    let ended = perform(Client::new(Arc::new(transport)), options.args.second).await;
    if !ended.as_ref().is_ok_and(|code| *code == ExitCode::SUCCESS) {
        say(&format!("\nthe worker's log:\n{}", worker.stderr()));
    }
    worker.terminate()?;
    worker.wait(Duration::from_secs(10)).await?;
    ended
}

/// The programs, one after the other, and one table of all.
async fn perform(client: Client, second: Duration) -> Result<ExitCode> {
    let mut stage = Stage::new(client, second, Screen::Terminal);
    stage.say_scale();
    programs::all(&mut stage).await?;
    Ok(stage.finish())
}

/// The example's own worker, a process like any other.
fn start_worker(server: &NatsServer) -> Result<ChildProcess> {
    let demo = std::env::current_exe().context("cannot tell where this program is")?;
    let mut worker = Command::new(demo.with_file_name("worker"));
    worker
        .args(["worker", "default", "retry_queue", "--log-level", "DEBUG"])
        .args(["--nats-url", &server.url()]);
    // What is set for another broker is not for this one.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("NAQ_") {
            worker.env_remove(name);
        }
    }
    ChildProcess::spawn(worker).context("build it first: cargo build -p job-retries")
}

/// A handler that panics is part of the story, and NAQ tells it: the standard message would break
/// into it.
fn mute_handlers_panics() {
    let standard = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().name() != Some("naq-handler") {
            standard(panic);
        }
    }));
}
