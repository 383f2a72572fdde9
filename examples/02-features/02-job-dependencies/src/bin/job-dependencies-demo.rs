//! Runs all flows, on the broker that `NAQ_NATS_URL` names, or without the variable in memory.

use anyhow::Result;
use job_dependencies::{demo, jobs};
use naq::Worker;

#[tokio::main]
async fn main() -> Result<()> {
    let (client, worker) = match std::env::var("NAQ_NATS_URL") {
        Ok(_) => {
            let client = naq::connect_from_env().await?;
            (client.clone(), Worker::builder(client, jobs::registry()).build())
        }
        Err(_) => demo::in_memory(),
    };
    tokio::select! {
        done = demo::run(&client) => done.map(drop),
        exit = worker.run(std::future::pending()) => anyhow::bail!("the worker ended: {exit:?}"),
    }
}
