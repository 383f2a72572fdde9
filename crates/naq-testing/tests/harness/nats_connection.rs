//! A minimal NATS client: this crate does not depend on a NATS client.

use std::io::{BufRead, BufReader, Result, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A connection that has read INFO and sent CONNECT with the given options.
pub(crate) struct NatsConnection {
    pub(crate) info: String,
    stream: BufReader<TcpStream>,
}

impl NatsConnection {
    pub(crate) fn connect(address: &str, options: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_millis(500)))?;
        let mut connection = Self { info: String::new(), stream: BufReader::new(stream) };
        connection.info = connection.line()?;
        connection
            .send(&format!("CONNECT {{\"verbose\":false,\"headers\":true,{options}}}\r\n"))?;
        Ok(connection)
    }

    pub(crate) fn send(&mut self, text: &str) -> Result<()> {
        self.stream.get_mut().write_all(text.as_bytes())
    }

    /// Reads one line. An error if none arrives within half a second; empty if the connection was closed.
    pub(crate) fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    pub(crate) fn ping(&mut self) -> Result<String> {
        self.send("PING\r\n")?;
        self.line()
    }

    /// Sends a request to `subject` and returns the body of the reply.
    pub(crate) fn request(&mut self, subject: &str, body: &str) -> Result<String> {
        self.send(&format!(
            "SUB in 1\r\nUNSUB 1 1\r\nPUB {subject} in {}\r\n{body}\r\n",
            body.len()
        ))?;
        let head = self.line()?;
        assert!(head.starts_with("MSG in 1 "), "expected a reply, got {head:?}");
        self.line()
    }
}
