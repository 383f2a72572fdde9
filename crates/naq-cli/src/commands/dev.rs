//! `naq dev`: a broker, a worker and the dashboard for development. All end with the command.

mod dashboard;
mod demo;
pub(super) mod server;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use naq_core::QueueName;
use naq_nats::NatsConfig;
use naq_worker::{Registry, StopSignals, Worker};

use self::dashboard::{DevDashboard, DevDashboardArgs};
use self::server::DevServer;
#[cfg(feature = "handlers")]
use super::handlers::HandlerArgs;
use super::worker;
use crate::connection::connect;
use crate::exit::ExitCode;
use crate::output::{BOLD, Output, paint};
use crate::runtime::runtime;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  naq dev
  naq dev --port 0 --data ./naq-data
  naq dev --no-dashboard
  naq dev mail billing                # work on these queues too

Broker and dashboard listen on 127.0.0.1 only. Ctrl-C ends everything. Your own binary runs your
own tasks; the stock naq runs the handlers of naq.toml, or else demo.ok, demo.flaky, demo.fail, demo.slow and demo.panic.")]
pub(crate) struct DevArgs {
    /// More queues to work on, besides default and those that the types of the tasks name
    #[arg(value_name = "QUEUE")]
    queues: Vec<QueueName>,
    /// The broker's port; 0 for a free one
    #[arg(short, long, env = "NAQ_DEV_PORT", default_value_t = 4222)]
    port: u16,
    /// Store the broker's data in this directory [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    dashboard: DevDashboardArgs,
    // Last: its heading is for all options after it.
    #[cfg(feature = "handlers")]
    #[command(flatten)]
    handlers: HandlerArgs,
}

pub(crate) fn run<S: Clone + Send + Sync + 'static>(
    args: &DevArgs,
    registry: Registry<S>,
    out: Output,
) -> Result<ExitCode> {
    let binary = server::find()?;
    #[cfg(feature = "handlers")]
    let handlers = args.handlers.load(!registry.is_empty())?;
    #[cfg(feature = "handlers")]
    if !handlers.is_empty() {
        return runtime()?.block_on(async {
            let registry = handlers.ask_for_tasks().await?.register(registry)?;
            serve(args, &binary, registry, out).await
        });
    }
    if registry.is_empty() {
        runtime()?.block_on(serve(args, &binary, demo::registry(), out))
    } else {
        runtime()?.block_on(serve(args, &binary, registry, out))
    }
}

async fn serve<S: Clone + Send + Sync + 'static>(
    args: &DevArgs,
    binary: &Path,
    registry: Registry<S>,
    out: Output,
) -> Result<ExitCode> {
    // Signals first: otherwise one that comes soon ends this process and not the broker.
    let mut signals = StopSignals::listen()?;
    let dashboard = DevDashboard::open(&args.dashboard)?;
    let mut server = DevServer::start(binary, args.port, args.data.clone())?;
    let (listens, config) = (server.listens(), NatsConfig::new(server.url()).name("naq-dev"));
    let connected = async {
        listens.await;
        connect(config).await
    };
    let client = tokio::select! {
        client = connected => client?,
        ended = server.ended() => return Err(ended),
        _ = signals.next() => {
            server.stop().await;
            return Ok(ExitCode::Ok);
        }
    };
    let tasks: Vec<String> = registry.task_names().map(ToString::to_string).collect();
    let queues = args.queues.iter().chain(registry.queues()).cloned();
    let queues: BTreeSet<QueueName> = queues.chain([QueueName::default()]).collect();
    let queues: Vec<QueueName> = queues.into_iter().collect();
    out.raw(&welcome(&server, dashboard.url(), &tasks))?;
    // The worker handles the stop signal. When the worker ends, this command ends the others too.
    let exit = tokio::select! {
        exit = worker::work(Worker::builder(client.clone(), registry).queues(queues).build(), signals) => exit,
        served = dashboard.serve(NatsConfig::new(server.url()).name("naq-dashboard")) => {
            served.map(|()| ExitCode::Ok)
        }
        ended = server.ended() => Err(ended),
    };
    drop(client);
    server.stop().await;
    exit
}

fn welcome(server: &DevServer, dashboard: Option<String>, tasks: &[String]) -> String {
    let dashboard = dashboard.map_or_else(String::new, |url| format!("dashboard at {url}\n"));
    let first = tasks.iter().find(|t| *t == "demo.flaky").or(tasks.first());
    let first = first.map_or("TASK", String::as_str);
    let heading = paint(BOLD, format_args!("broker {}, tasks: {}", server.url(), tasks.join(", ")));
    let export = if server.url() == "nats://127.0.0.1:4222" {
        String::new()
    } else {
        format!("  export NAQ_NATS_URL={}\n", server.url())
    };
    format!(
        "{heading}
{dashboard}data in {}; Ctrl-C ends everything. In another terminal:
{export}  naq enqueue {first} --max-retries 4 --retry-delay 1s --retry-strategy exponential
  naq job watch ID
  naq queue list
  naq dlq list",
        server.data().display()
    )
}
