//! What `naq doctor` finds on this machine that is less safe than it could be: secrets that all users can
//! read, and a dashboard without logins.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::time::Duration;

use naq_nats::{Finding, Level};

use super::finding;

/// How long a dashboard on this machine may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
const DASHBOARD_PORT: u16 = 8000;

/// The findings about this machine. `files` are secrets that all users can read.
pub(super) fn findings(files: &[PathBuf]) -> Vec<Finding> {
    let mut found: Vec<_> = files
        .iter()
        .map(|file| {
            let detail = format!("every user of this machine can read {}", file.display());
            let next = format!("chmod 600 {}", file.display());
            finding("security: files", Level::Warn, detail, Some(&next))
        })
        .collect();
    let port = std::env::var("NAQ_DASHBOARD_PORT").ok().and_then(|port| port.parse().ok());
    let port = port.unwrap_or(DASHBOARD_PORT);
    if let Some(address) = outer_address().map(|ip| SocketAddr::new(ip, port))
        && status_at(address).is_some_and(|status| status == 200)
    {
        let detail = format!("http://{address} shows everything without a login to other machines");
        let next = "start it with --auth-file FILE, or keep --host 127.0.0.1 behind a proxy";
        found.push(finding("security: dashboard", Level::Warn, detail, Some(next)));
    }
    found
}

/// The address under which other machines reach this one. Nothing is sent.
fn outer_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // An address for documentation: only the route to it matters.
    socket.connect("192.0.2.1:9").ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then_some(ip)
}

/// The status with which a dashboard answers. `None` if there is none.
fn status_at(address: SocketAddr) -> Option<u16> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    // Every dashboard answers to this name.
    let request = "GET /workers HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer);
    let is_naq = answer.contains("NAQ");
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    is_naq.then_some(status)
}
