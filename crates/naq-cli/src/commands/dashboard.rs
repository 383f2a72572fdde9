//! `naq dashboard`: serves the web page until it is stopped, and keeps the file of its logins.

mod logins;
mod password_prompt;
mod probe;
mod server;
mod user;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Subcommand};
use naq_dashboard::{EnvironmentColor, Options, Role, SsoProxy};

use crate::connection::ClientConfig;
use crate::connection_settings::LabelColor;
use crate::context;
use crate::exit::{CliError, ExitCode};
use crate::listen::parse_host;
use crate::output::Output;
use crate::runtime::runtime;
use crate::stop_signal::stop_signal;

pub(super) use server::DashboardServer;

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  naq dashboard
  naq dashboard --read-only --environment production
  naq dashboard user add ann --role operate --queue mail --auth-file /etc/naq/logins
  naq dashboard --host 0.0.0.0 --public-host naq.example.com --auth-file /etc/naq/logins

If there is no broker yet, it waits for one. Beside the pages it serves /metrics for Prometheus,
/healthz and /readyz. Ctrl-C or SIGTERM ends it.

TLS: put a proxy before it. The dashboard serves plain HTTP, over which others can read passwords.
Keep --host 127.0.0.1, let the proxy serve TLS, and name the proxy's host with --public-host."
)]
pub(crate) struct DashboardArgs {
    #[command(subcommand)]
    pub(crate) command: Option<DashboardCommand>,
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
    /// A label in the head of each page, such as production [default: the name of the context]
    #[arg(long, env = "NAQ_DASHBOARD_ENVIRONMENT", value_name = "WORDS")]
    environment: Option<String>,
    /// The colour of that label [default: that of the context, or red]
    #[arg(long, env = "NAQ_DASHBOARD_ENVIRONMENT_COLOR", value_name = "COLOR", value_enum)]
    environment_color: Option<LabelColor>,
    /// File with logins, made by `naq dashboard user add`; only its owner may read it [variable for one login: NAQ_DASHBOARD_AUTH]
    #[arg(long, env = "NAQ_DASHBOARD_AUTH_FILE", value_name = "FILE")]
    auth_file: Option<PathBuf>,
    /// File with the secret of a proxy that logs visitors in; the proxy sends it as X-NAQ-Proxy-Secret
    #[arg(long, env = "NAQ_DASHBOARD_SSO_SECRET_FILE", value_name = "FILE")]
    sso_secret_file: Option<PathBuf>,
    /// Header in which that proxy names the visitor [default: X-Forwarded-User]
    #[arg(
        long,
        env = "NAQ_DASHBOARD_SSO_HEADER",
        value_name = "NAME",
        requires = "sso_secret_file",
        hide_short_help = true
    )]
    sso_header: Option<String>,
    /// Role of visitors from that proxy who are not in --auth-file; without it they are refused
    #[arg(
        long,
        env = "NAQ_DASHBOARD_SSO_ROLE",
        value_name = "ROLE",
        requires = "sso_secret_file",
        hide_short_help = true
    )]
    sso_role: Option<Role>,
    /// Address at which that proxy logs a visitor out
    #[arg(
        long,
        env = "NAQ_DASHBOARD_SSO_LOGOUT",
        value_name = "URL",
        requires = "sso_secret_file",
        hide_short_help = true
    )]
    sso_logout: Option<String>,
    /// Listen without logins on an address that other machines can reach; everyone who reaches it may
    /// see and do everything
    #[arg(long)]
    unsafe_bind: bool,
}

impl From<LabelColor> for EnvironmentColor {
    fn from(color: LabelColor) -> Self {
        match color {
            LabelColor::Red => Self::Red,
            LabelColor::Orange => Self::Orange,
            LabelColor::Green => Self::Green,
            LabelColor::Blue => Self::Blue,
            LabelColor::Grey => Self::Grey,
        }
    }
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
        let environment = self.environment.clone().filter(|words| !words.trim().is_empty());
        let context = context::in_use();
        options.environment = environment.or_else(|| Some(context?.name.clone()));
        let color = self.environment_color.or_else(|| Some(context?.color)).unwrap_or_default();
        options.environment_color = color.into();
        options.users = logins::read(self.auth_file.as_deref())?;
        options.sso = self.sso()?;
        let is_open = options.users.is_empty() && options.sso.is_none();
        if !self.host.is_loopback() && is_open && !self.unsafe_bind {
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

    /// The proxy that logs visitors in, if there is one.
    fn sso(&self) -> Result<Option<SsoProxy>> {
        let Some(path) = &self.sso_secret_file else { return Ok(None) };
        let mut proxy = SsoProxy::new(logins::read_private("--sso-secret-file", path)?.trim());
        if let Some(name) = &self.sso_header {
            proxy.user_header.clone_from(name);
        }
        proxy.role = self.sso_role;
        proxy.logout_url.clone_from(&self.sso_logout);
        Ok(Some(proxy))
    }
}

/// The commands of `naq dashboard`.
#[derive(Debug, Subcommand)]
pub(crate) enum DashboardCommand {
    /// Add, remove and list the logins of a file; needs no broker
    #[command(subcommand)]
    User(user::UserCommand),
}

impl DashboardCommand {
    pub(crate) fn run(&self, out: Output) -> Result<()> {
        match self {
            Self::User(command) => command.run(out),
        }
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
