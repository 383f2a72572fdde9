//! `naq gateway`: serves HTTP until it is stopped.

mod key;
mod key_file;
mod probe;
mod server;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};

use self::key::GatewayKeyCommand;
use self::key_file::KeyFile;
use crate::connection::ClientConfig;
use crate::exit::{CliError, ExitCode};
use crate::large_args::LargeArgsArg;
use crate::listen::{parse_host, reachable};
use crate::output::Output;
use crate::runtime::runtime;
use crate::stop_signal::stop_signal;

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  naq gateway                                        for programs of this machine
  naq gateway key add web --keys keys --queues mail  prints the key
  naq gateway --host 0.0.0.0 --keys keys
  curl localhost:8090/v1/queues/mail/jobs -H 'Authorization: Bearer KEY' \\
    --json '{\"task\":\"email.send\",\"args\":{\"to\":\"ann@example.com\"}}'

The calls: docs/gateway.md, and /v1/openapi.json of the gateway. If there is no broker yet, it waits
for one. Beside the calls it serves /metrics for Prometheus, /healthz and /readyz. It serves plain
HTTP: for other machines, put it behind a proxy with TLS. It reads the file with the keys again when
the file changes. SIGTERM or Ctrl-C ends it, after the requests that it has begun."
)]
pub(crate) struct GatewayArgs {
    #[command(subcommand)]
    command: Option<GatewayCommand>,
    /// The address to listen on; an address that other machines can reach needs --keys
    #[arg(long, env = "NAQ_GATEWAY_HOST", value_name = "IP", default_value = "127.0.0.1", value_parser = parse_host)]
    host: IpAddr,
    /// The port; 0 for a free one
    #[arg(short, long, env = "NAQ_GATEWAY_PORT", default_value_t = 8090)]
    port: u16,
    /// File with the keys of its callers; `naq gateway key add` writes it. Without it, each program of this
    /// machine may do everything
    #[arg(long, env = "NAQ_GATEWAY_KEYS", value_name = "FILE")]
    keys: Option<PathBuf>,
    #[command(flatten)]
    large_args: LargeArgsArg,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GatewayCommand {
    /// Add, list or remove the keys of callers; needs no broker
    #[command(subcommand)]
    Key(GatewayKeyCommand),
}

impl GatewayArgs {
    /// Whether the command serves until it is stopped.
    pub(crate) fn is_server(&self) -> bool {
        self.command.is_none()
    }

    /// The file with the keys, read and checked.
    fn key_file(&self) -> Result<Option<KeyFile>> {
        let file = self.keys.as_deref().map(KeyFile::read).transpose()?;
        if file.is_none() && !self.host.is_loopback() {
            let what = format!(
                "other machines can reach {}, and there are no keys: everyone who finds the gateway \
                 could do everything",
                self.host
            );
            return Err(CliError::usage(what)
                .next("give a file with keys, --keys FILE; to make a key: naq gateway key add NAME --keys FILE")
                .into());
        }
        Ok(file)
    }
}

/// Serves until SIGINT or SIGTERM, or runs the subcommand.
pub(crate) fn run(
    args: &GatewayArgs,
    config: impl FnOnce() -> Result<ClientConfig>,
    out: Output,
) -> Result<ExitCode> {
    if let Some(GatewayCommand::Key(command)) = &args.command {
        command.run(out)?;
        return Ok(ExitCode::Ok);
    }
    let keys = args.key_file()?;
    let mut config = config()?;
    "naq-gateway".clone_into(&mut config.nats.name);
    config.nats.wait_for_broker = true;
    runtime()?.block_on(async {
        let stop = stop_signal()?;
        let listener =
            crate::listen::open(SocketAddr::new(args.host, args.port), "gateway", "--port 0")?;
        out.raw(&format!("gateway at http://{}", reachable(listener.local_addr()?)))?;
        server::serve(listener, config, args.large_args.into(), keys, stop).await?;
        Ok(ExitCode::Ok)
    })
}
