//! Plays [`scheduled_jobs::demo`]: on the broker that `NAQ_NATS_URL` names, with the example's worker
//! beside it, or with `--memory` alone.

use std::io::Write as _;
use std::sync::Arc;

use naq::memory::MemoryTransport;
use naq::{Client, Worker};
use scheduled_jobs::{demo, tasks};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let tell = |line: String| {
        // Whoever closed it does not want to know.
        let _ = writeln!(std::io::stdout(), "{line}");
    };
    if std::env::args().any(|arg| arg == "--memory") {
        let client = Client::new(Arc::new(MemoryTransport::new()));
        let worker = Worker::builder(client.clone(), tasks::registry()).build();
        tokio::select! {
            played = demo::play(&client, tell) => played?,
            ended = worker.run(std::future::pending()) => anyhow::bail!("the worker ended: {ended:?}"),
        }
    } else {
        demo::play(&naq::connect_from_env().await?, tell).await?;
    }
    tell("all as it should be".to_owned());
    Ok(())
}
