//! Runs [`scheduled_jobs::demo`] on the broker that `NAQ_NATS_URL` names, with the example's worker in
//! another process. With `--memory` it needs neither.

use std::io::Write as _;
use std::sync::Arc;

use naq::memory::MemoryTransport;
use naq::{Client, Worker};
use scheduled_jobs::{demo, tasks};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let print = |line: String| {
        // The demo continues if the reader of the output has closed it.
        let _ = writeln!(std::io::stdout(), "{line}");
    };
    if std::env::args().any(|arg| arg == "--memory") {
        let client = Client::new(Arc::new(MemoryTransport::new()));
        let worker = Worker::builder(client.clone(), tasks::registry()).build();
        tokio::select! {
            done = demo::run(&client, print) => done?,
            ended = worker.run(std::future::pending()) => anyhow::bail!("the worker ended: {ended:?}"),
        }
    } else {
        demo::run(&naq::connect_from_env().await?, print).await?;
    }
    print("every schedule did what it should".to_owned());
    Ok(())
}
