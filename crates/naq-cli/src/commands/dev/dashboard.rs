//! [`DevDashboard`]: the dashboard of `naq dev`, if this binary is built with one.

use anyhow::Result;
use clap::Args;
use naq_nats::NatsConfig;

#[cfg(feature = "dashboard")]
use crate::commands::dashboard::DashboardServer;

/// Whether and where to serve the dashboard.
#[derive(Debug, Args)]
pub(super) struct DevDashboardArgs {
    /// The dashboard's port; 0 for a free one
    #[cfg(feature = "dashboard")]
    #[arg(long, env = "NAQ_DASHBOARD_PORT", default_value_t = 8000)]
    dashboard_port: u16,
    /// Start no dashboard
    #[cfg(feature = "dashboard")]
    #[arg(long)]
    no_dashboard: bool,
}

/// The dashboard at its open address; empty without one.
#[derive(Debug)]
pub(super) struct DevDashboard {
    #[cfg(feature = "dashboard")]
    server: Option<DashboardServer>,
}

#[cfg(feature = "dashboard")]
impl DevDashboard {
    /// Opens the dashboard's address, unless the user wants none.
    ///
    /// # Errors
    /// The address is in use.
    pub(super) fn open(args: &DevDashboardArgs) -> Result<Self> {
        use std::net::{Ipv4Addr, SocketAddr};

        if args.no_dashboard {
            return Ok(Self { server: None });
        }
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.dashboard_port));
        let options = naq_dashboard::Options::default();
        let way_out = "--dashboard-port 0, or --no-dashboard";
        Ok(Self { server: Some(DashboardServer::open(address, options, way_out)?) })
    }

    /// The dashboard's URL.
    pub(super) fn url(&self) -> Option<String> {
        self.server.as_ref().map(DashboardServer::url)
    }

    /// Serves the dashboard. Never returns without one.
    ///
    /// # Errors
    /// The broker refuses the connection.
    pub(super) async fn serve(self, config: NatsConfig) -> Result<()> {
        match self.server {
            Some(server) => server.serve(config, std::future::pending()).await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(not(feature = "dashboard"))]
impl DevDashboard {
    pub(super) fn open(_: &DevDashboardArgs) -> Result<Self> {
        Ok(Self {})
    }

    pub(super) fn url(&self) -> Option<String> {
        None
    }

    pub(super) async fn serve(self, _: NatsConfig) -> Result<()> {
        std::future::pending().await
    }
}
