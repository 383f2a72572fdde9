//! The whole demo in one command: a broker, a worker, the three programs, one table.
//!
//! `bash scripts/demo-retries` builds and runs it.

use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use job_retries::demo::{Args, DemoRun, Screen, in_memory};
use job_retries::programs;
use naq::{Client, NatsConfig, NatsTransport};
use naq_testing::{ChildProcess, NatsServer};

/// Retries, end to end: starts a broker and a worker, runs the three programs, and compares how
/// each job ended with what the program expects.
#[derive(Debug, Parser)]
struct Options {
    /// Without a broker: everything in this process, over the transport in memory.
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
        // Dropping the future stops the broker and the worker that it started.
        _ = tokio::signal::ctrl_c() => Ok(ExitCode::from(130)),
    }
}

async fn demo(options: &Options) -> Result<ExitCode> {
    let print = |text: &str| Screen::Terminal.line(text);
    if options.memory {
        print("broker  in this process's memory");
        print("worker  in this process");
        mute_handler_panics();
        let (client, worker) = in_memory();
        return tokio::select! {
            ended = run_programs(client, options.args.second) => ended,
            exit = worker.run(std::future::pending()) => bail!("the worker ended: {exit:?}"),
        };
    }
    let server = NatsServer::start()?;
    print(&format!("broker  nats-server at {}, with its own store", server.url()));
    let mut worker = start_worker(&server)?;
    print(&format!("worker  process {}: default retry_queue --log-level DEBUG", worker.pid()));
    let transport = NatsTransport::connect(NatsConfig::new(server.url())).await?;
    let ended = run_programs(Client::new(Arc::new(transport)), options.args.second).await;
    if !ended.as_ref().is_ok_and(|code| *code == ExitCode::SUCCESS) {
        print(&format!("\nthe worker's log:\n{}", worker.stderr()));
    }
    worker.terminate()?;
    worker.wait(Duration::from_secs(10)).await?;
    ended
}

/// Runs the programs, one after the other, and prints one table of all jobs.
async fn run_programs(client: Client, second: Duration) -> Result<ExitCode> {
    let mut demo = DemoRun::new(client, second, Screen::Terminal);
    demo.print_scale();
    programs::all(&mut demo).await?;
    Ok(demo.finish())
}

/// The example's own worker, a process like any other.
fn start_worker(server: &NatsServer) -> Result<ChildProcess> {
    let demo = std::env::current_exe().context("cannot tell where this program is")?;
    let mut worker = Command::new(demo.with_file_name("worker"));
    worker
        .args(["worker", "default", "retry_queue", "--log-level", "DEBUG"])
        .args(["--nats-url", &server.url()]);
    // Variables that name another broker must not reach this worker.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("NAQ_") {
            worker.env_remove(name);
        }
    }
    ChildProcess::spawn(worker).context("build it first: cargo build -p job-retries")
}

/// One job of the demo panics on purpose, and NAQ reports it. The standard panic message would appear
/// in the middle of the output.
fn mute_handler_panics() {
    let standard = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().name() != Some("naq-handler") {
            standard(panic);
        }
    }));
}
