//! Runs the six patterns, with everything in this process. It needs no broker.
//!
//! With a broker: start `naq dev` or a nats-server, set NAQ_NATS_URL, and add `--nats`.

use std::io::Write as _;
use std::sync::Arc;

use anyhow::{Result, bail};
use error_handling::bank::Bank;
use error_handling::{QUEUE, patterns, tasks};
use naq::memory::MemoryTransport;
use naq::{Client, Worker};

#[tokio::main]
async fn main() -> Result<()> {
    let client = match std::env::args().nth(1).as_deref() {
        None => Client::new(Arc::new(MemoryTransport::new())),
        Some("--nats") => naq::connect_from_env().await?,
        Some(other) => bail!("unknown argument {other:?}; known: --nats"),
    };
    let client = client.default_queue(QUEUE.parse()?);
    let bank = Bank::default();
    let worker = Worker::builder(client.clone(), tasks::registry(&bank)).queue(QUEUE).build();
    // The program continues if the reader of the output has closed it.
    let print = |line: &str| drop(writeln!(std::io::stdout(), "{line}"));
    tokio::select! {
        results = patterns::run(&client, &bank, print) => results.map(drop),
        exit = worker.run(std::future::pending()) => bail!("the worker ended: {exit:?}"),
    }
}
