//! A server on the loopback interface that fails twice, so that there is something to retry.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Starts a server on a free port, which answers until the program ends. `/price` fails with 503 at
/// first, then with 429 and a `Retry-After` of one second, then succeeds. Any other path is a 404.
///
/// # Errors
/// No port can be had on the loopback interface.
pub fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        let mut prices = 0;
        for stream in listener.incoming() {
            // A client that breaks its connection is not this server's problem.
            let _ = stream.and_then(|stream| answer(stream, &mut prices));
        }
    });
    Ok(address)
}

fn answer(mut stream: TcpStream, prices: &mut u32) -> io::Result<()> {
    let mut request = BufReader::new(&stream);
    let mut first = String::new();
    request.read_line(&mut first)?;
    // The rest of the request is read too: closing a connection with unread bytes resets it.
    for line in request.lines() {
        if line?.is_empty() {
            break;
        }
    }
    let response = if first.starts_with("GET /price ") {
        *prices += 1;
        match *prices {
            1 => "503 Service Unavailable\r\n\r\n",
            2 => "429 Too Many Requests\r\nRetry-After: 1\r\n\r\n",
            _ => "200 OK\r\n\r\n42.00 EUR",
        }
    } else {
        "404 Not Found\r\n\r\n"
    };
    write!(stream, "HTTP/1.1 {response}")
}
