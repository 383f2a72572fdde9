//! `--metrics`.

use std::net::SocketAddr;

use anyhow::Result;
use clap::Args;

use super::Server;

/// Where metrics are served when no address is given.
const DEFAULT: &str = "127.0.0.1:9464";

/// Where to serve metrics, if anywhere.
#[derive(Debug, Clone, Args)]
pub(crate) struct MetricsArgs {
    /// Serve /metrics for Prometheus, /healthz and /readyz; at 127.0.0.1:9464 when no address is given
    #[arg(long, env = "NAQ_METRICS", value_name = "ADDR", num_args = 0..=1, default_missing_value = DEFAULT, value_parser = parse_address)]
    metrics: Option<SocketAddr>,
}

impl MetricsArgs {
    /// Opens the address, if there is one.
    ///
    /// # Errors
    /// That it is taken, or is not one of this machine.
    pub(crate) async fn open(&self) -> Result<Option<Server>> {
        match self.metrics {
            Some(address) => Ok(Some(Server::open(address).await?)),
            None => Ok(None),
        }
    }
}

fn parse_address(text: &str) -> Result<SocketAddr, String> {
    let local = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    local
        .as_deref()
        .unwrap_or(text)
        .parse()
        .map_err(|_| format!("use IP:PORT, as {DEFAULT}; or 0.0.0.0:9464 for other machines, too"))
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
