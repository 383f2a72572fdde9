//! Where a server listens.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use anyhow::Result;

use crate::exit::{CliError, ExitCode};

/// Reads `--host`.
pub(crate) fn parse_host(text: &str) -> Result<IpAddr, String> {
    match text {
        "localhost" => Ok(Ipv4Addr::LOCALHOST.into()),
        text => text.parse().map_err(|_| {
            "use the IP address of a network interface: 127.0.0.1, ::1, or 0.0.0.0 for all"
                .to_owned()
        }),
    }
}

/// Opens the address. `what` names the server, `option` is the option that selects another port.
///
/// # Errors
/// The address is in use, or does not belong to this machine.
pub(crate) fn open(address: SocketAddr, what: &str, option: &str) -> Result<TcpListener> {
    let listener = TcpListener::bind(address).map_err(|err| {
        let what = format!("the {what} cannot listen on {address}: {err}");
        CliError::new(ExitCode::Failed, what)
            .next(format!("use another port, or a free one: {option}"))
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The address under which programs on this machine reach a server.
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip: IpAddr = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, address.port())
}
