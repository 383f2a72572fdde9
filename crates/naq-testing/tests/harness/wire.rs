//! The NATS protocol by hand: the harness names no client.

use std::io::{BufRead, BufReader, Result, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A connection that has read INFO and sent CONNECT with what it is given.
pub(crate) struct Wire {
    pub(crate) info: String,
    stream: BufReader<TcpStream>,
}

impl Wire {
    pub(crate) fn connect(address: &str, options: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_millis(500)))?;
        let mut wire = Self { info: String::new(), stream: BufReader::new(stream) };
        wire.info = wire.line()?;
        wire.send(&format!("CONNECT {{\"verbose\":false,\"headers\":true,{options}}}\r\n"))?;
        Ok(wire)
    }

    pub(crate) fn send(&mut self, text: &str) -> Result<()> {
        self.stream.get_mut().write_all(text.as_bytes())
    }

    /// One line; an error if none comes in half a second, empty if the connection was closed.
    pub(crate) fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    pub(crate) fn ping(&mut self) -> Result<String> {
        self.send("PING\r\n")?;
        self.line()
    }

    /// Asks `subject` with `body`, and returns the body of the answer.
    pub(crate) fn request(&mut self, subject: &str, body: &str) -> Result<String> {
        self.send(&format!(
            "SUB in 1\r\nUNSUB 1 1\r\nPUB {subject} in {}\r\n{body}\r\n",
            body.len()
        ))?;
        let head = self.line()?;
        assert!(head.starts_with("MSG in 1 "), "expected an answer, got {head:?}");
        self.line()
    }
}
