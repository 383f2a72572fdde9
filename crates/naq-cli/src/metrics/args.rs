//! [`MetricsArgs`]: the option `--metrics`.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use clap::Args;

use super::MetricsServer;
use crate::readiness::WorkerProbe;

/// The address for `--metrics` without a value.
const DEFAULT: &str = "127.0.0.1:9464";

/// Whether and where to serve metrics.
#[derive(Debug, Clone, Args)]
pub(crate) struct MetricsArgs {
    /// Serve /metrics for Prometheus, /healthz and /readyz; without an address at 127.0.0.1:9464
    #[arg(long, env = "NAQ_METRICS", value_name = "ADDR", num_args = 0..=1, default_missing_value = DEFAULT, value_parser = parse_address)]
    metrics: Option<SocketAddr>,
}

impl MetricsArgs {
    /// Starts the metrics server, if an address is given. When the worker is connected, the caller must
    /// call [`WorkerProbe::set`].
    ///
    /// # Errors
    /// The address is in use, or does not belong to this machine.
    pub(crate) async fn start(&self) -> Result<Arc<WorkerProbe>> {
        let probe = Arc::new(WorkerProbe::default());
        if let Some(address) = self.metrics {
            MetricsServer::open(address).await?.start(probe.clone());
        }
        Ok(probe)
    }
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let local = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    local.as_deref().unwrap_or(text).parse().map_err(|_| {
        format!("use IP:PORT, such as {DEFAULT}, or 0.0.0.0:9464 to serve other machines too")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_an_ip_and_a_port() {
        let address = |text| parse_address(text).map(|it| it.to_string());
        assert_eq!(address(DEFAULT).as_deref(), Ok(DEFAULT));
        assert_eq!(address("localhost:1").as_deref(), Ok("127.0.0.1:1"));
        assert_eq!(address("[::1]:80").as_deref(), Ok("[::1]:80"));
        for bad in ["9464", "mail", "localhost", "example.com:9464", "127.0.0.1:99999"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
