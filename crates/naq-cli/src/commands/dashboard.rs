//! `naq dashboard`: serves the web page until it is stopped.

mod logins;
mod probe;
mod server;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use naq_dashboard::Options;

use crate::connection::ClientConfig;
use crate::exit::{CliError, ExitCode};
use crate::listen::{parse_host, stop_signal};
use crate::output::Output;
use crate::runtime::runtime;

pub(super) use server::DashboardServer;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  naq dashboard
  naq dashboard --read-only --environment production
  naq dashboard --host 0.0.0.0 --public-host naq.example.com --auth-file /etc/naq/logins
  NAQ_DASHBOARD_AUTH=ann:secret naq dashboard --host 0.0.0.0 --public-host 10.0.0.7

If there is no broker yet, it waits for one. Beside the pages it serves /metrics for Prometheus,
/healthz and /readyz. It serves plain HTTP: for other machines, put it behind a proxy with TLS, and
name the proxy's host with --public-host. Ctrl-C or SIGTERM ends it.")]
pub(crate) struct DashboardArgs {
    /// The address to listen on; an address that other machines can reach needs logins
    #[arg(long, env = "NAQ_DASHBOARD_HOST", value_name = "IP", default_value = "127.0.0.1", value_parser = parse_host)]
    host: IpAddr,
    /// The port; 0 for a free one
    #[arg(short, long, env = "NAQ_DASHBOARD_PORT", default_value_t = 8000)]
    port: u16,
    /// Serve the dashboard below this path, such as /naq
    #[arg(long = "path", env = "NAQ_DASHBOARD_PATH", value_name = "/PATH", default_value = "")]
    path: String,
    /// A host name in its URL, besides localhost; may be repeated
    #[arg(long, env = "NAQ_DASHBOARD_PUBLIC_HOST", value_name = "NAME", value_delimiter = ',')]
    public_host: Vec<String>,
    /// Show everything, change nothing
    #[arg(long, env = "NAQ_DASHBOARD_READ_ONLY")]
    read_only: bool,
    /// Never show arguments and results of a job
    #[arg(long, env = "NAQ_DASHBOARD_HIDE_ARGS")]
    hide_args: bool,
    /// A label in the head of each page, such as production
    #[arg(long, env = "NAQ_DASHBOARD_ENVIRONMENT", value_name = "WORDS")]
    environment: Option<String>,
    /// File with logins, one name:password per line; only its owner may read it [variable for one login: NAQ_DASHBOARD_AUTH]
    #[arg(long, env = "NAQ_DASHBOARD_AUTH_FILE", value_name = "FILE")]
    auth_file: Option<PathBuf>,
    /// Listen without logins on an address that other machines can reach; everyone who reaches it may
    /// see and do everything
    #[arg(long)]
    unsafe_bind: bool,
}

impl DashboardArgs {
    /// The dashboard's options, checked as far as possible without a connection.
    fn options(&self) -> Result<Options> {
        let mut options = Options::default();
        options.prefix = self.path.trim_end_matches('/').to_owned();
        options.hosts = self.public_host.iter().filter(|host| !host.is_empty()).cloned().collect();
        if !self.host.is_unspecified() {
            options.hosts.push(match self.host {
                IpAddr::V4(ip) => ip.to_string(),
                IpAddr::V6(ip) => format!("[{ip}]"),
            });
        }
        options.read_only = self.read_only;
        options.hide_args = self.hide_args;
        options.environment = self.environment.clone().filter(|words| !words.trim().is_empty());
        options.logins = logins::read(self.auth_file.as_deref())?;
        if !self.host.is_loopback() && options.logins.is_empty() && !self.unsafe_bind {
            let what = format!(
                "other machines can reach {}, and there are no logins: everyone who finds the page \
                 could see and do everything",
                self.host
            );
            return Err(CliError::usage(what)
                .next("give logins with --auth-file FILE or NAQ_DASHBOARD_AUTH=name:password, or keep --host 127.0.0.1 behind a proxy that asks for logins; to serve without logins, add --unsafe-bind")
                .into());
        }
        options.check().map_err(|err| CliError::usage(err.to_string()))?;
        Ok(options)
    }
}

/// Serves until SIGINT or SIGTERM.
pub(crate) fn run(args: &DashboardArgs, mut config: ClientConfig, out: Output) -> Result<ExitCode> {
    let options = args.options()?;
    "naq-dashboard".clone_into(&mut config.nats.name);
    config.nats.wait_for_broker = true;
    runtime()?.block_on(async {
        let stop = stop_signal()?;
        let server =
            DashboardServer::open(SocketAddr::new(args.host, args.port), options, "--port 0")?;
        out.raw(&format!("dashboard at {}", server.url()))?;
        server.serve(config, stop).await?;
        Ok(ExitCode::Ok)
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        args: DashboardArgs,
    }

    #[test]
    fn the_address_that_it_listens_on_is_an_allowed_host() {
        for (address, host) in [
            ("127.0.0.1", "127.0.0.1"),
            ("127.0.0.2", "127.0.0.2"),
            ("::1", "[::1]"),
            ("10.0.0.7", "10.0.0.7"),
        ] {
            let line = ["dashboard", "--host", address, "--unsafe-bind"];
            let options = Command::parse_from(line).args.options().expect("options");
            assert_eq!(options.hosts, [host]);
        }
        let line = ["dashboard", "--host", "0.0.0.0", "--unsafe-bind"];
        assert!(Command::parse_from(line).args.options().expect("options").hosts.is_empty());
    }
}
