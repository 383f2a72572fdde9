//! Two orders, one of them without money: `cargo run -p outbox`.

use std::sync::Arc;
use std::time::Duration;

use naq::QueueName;
use naq::memory::MemoryTransport;
use naq::prelude::*;
use naq::transport::JobKey;
use naq_outbox::{Relay, SqliteOutbox};
use outbox::{open_database, place_order, registry};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::new(Arc::new(MemoryTransport::new()));
    let pool = open_database().await?;
    let outbox = SqliteOutbox::new(client.clone());
    let worker = Worker::builder(client.clone(), registry()).build();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let worker = tokio::spawn(worker.run(async { drop(stopped.await) }));

    let paid = place_order(&pool, &outbox, 350, 1_000).await?;
    if let Err(why) = place_order(&pool, &outbox, 9_900, 1_000).await {
        println!("no order, and no job: {why}");
    }

    // A service lets `relay.run(stop)` work in a task, or starts `naq outbox relay` beside it.
    let done = Relay::new(pool, client.clone()).run_once().await?;
    println!("{} row published", done.published);

    let key = JobKey::new(QueueName::default(), paid);
    let job = client.wait(&key, Duration::from_secs(60)).await?;
    println!(
        "{}: {}",
        job.state,
        job.result.map(|it| it.decode::<String>()).transpose()?.unwrap_or_default()
    );
    drop(stop);
    worker.await??;
    Ok(())
}
