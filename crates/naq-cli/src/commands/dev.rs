//! `naq dev`: a broker, a worker and the dashboard to play with, all gone when it ends.

mod demo;
pub(super) mod server;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use naq_dashboard::Options;
use naq_nats::NatsConfig;
use naq_worker::{Registry, Worker};

use super::dashboard::Site;
use super::worker;
use crate::connection::connect;
use crate::exit::Exit;
use crate::output::{BOLD, Output, paint};
use crate::run::runtime;
use server::DevServer;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  naq dev
  naq dev --port 0 --data ./naq-data
  naq dev --no-dashboard

Broker and dashboard listen on 127.0.0.1 only. Ctrl-C ends all. An own binary brings its own tasks;
the stock naq has demo.ok, demo.flaky, demo.fail, demo.slow and demo.panic.")]
pub(crate) struct DevArgs {
    /// The broker's port; 0 for a free one
    #[arg(short, long, env = "NAQ_DEV_PORT", default_value_t = 4222)]
    port: u16,
    /// Keep the broker's data in this directory [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The dashboard's port; 0 for a free one
    #[arg(long, env = "NAQ_DASHBOARD_PORT", default_value_t = 8000)]
    dashboard_port: u16,
    /// Leave the dashboard out
    #[arg(long)]
    no_dashboard: bool,
}

pub(crate) fn run<S: Clone + Send + Sync + 'static>(
    args: &DevArgs,
    registry: Registry<S>,
    out: Output,
) -> Result<Exit> {
    let binary = server::find()?;
    if registry.is_empty() {
        runtime()?.block_on(serve(args, &binary, demo::registry(), out))
    } else {
        runtime()?.block_on(serve(args, &binary, registry, out))
    }
}

async fn serve<S: Clone + Send + Sync + 'static>(
    args: &DevArgs,
    binary: &std::path::Path,
    registry: Registry<S>,
    out: Output,
) -> Result<Exit> {
    let site = match args.no_dashboard {
        true => None,
        false => {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.dashboard_port));
            Some(Site::open(address, Options::default(), "--dashboard-port 0, or --no-dashboard")?)
        }
    };
    let mut server = DevServer::start(binary, args.port, args.data.clone())?;
    tokio::select! {
        () = server.listens() => {}
        ended = server.ended() => return Err(ended),
    }
    let client = connect(NatsConfig::new(server.url()).name("naq-dev")).await?;
    let tasks: Vec<String> = registry.task_names().map(ToString::to_string).collect();
    out.raw(&hello(&server, site.as_ref(), &tasks))?;
    let config = NatsConfig::new(server.url()).name("naq-dashboard");
    let shown = async {
        match site {
            // The worker hears the signal, and all ends with it.
            Some(site) => site.serve(config, std::future::pending()).await,
            None => std::future::pending().await,
        }
    };
    let exit = tokio::select! {
        exit = worker::work(Worker::builder(client.clone(), registry).build()) => exit,
        shown = shown => shown.map(|()| Exit::Ok),
        ended = server.ended() => Err(ended),
    };
    drop(client);
    server.stop().await;
    exit
}

fn hello(server: &DevServer, site: Option<&Site>, tasks: &[String]) -> String {
    let page = site.map_or_else(String::new, |site| format!("dashboard at {}\n", site.url()));
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
{page}data in {}; Ctrl-C ends all. In another terminal:
{export}  naq enqueue {first} --max-retries 4 --retry-delay 1s --retry-strategy exponential
  naq job watch ID
  naq queue list
  naq dlq list",
        server.data().display()
    )
}
