//! 1,000 prices, a broker in memory, one worker: `cargo run -p batch-handlers`.

use std::sync::Arc;
use std::time::Duration;

use batch_handlers::{Database, ImportPrice, registry};
use naq::memory::MemoryTransport;
use naq::prelude::*;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = Client::new(Arc::new(MemoryTransport::new()));
    let database = Arc::new(Database::default());

    let mut last = None;
    for n in 0..1_000 {
        last = Some(client.enqueue(ImportPrice { line: format!("tea-{n}={n}") }).await?);
    }

    // 100 slots and more, so that a batch of 100 fills; 200, so that the next one fills meanwhile.
    let worker =
        Worker::builder(client, registry(database.clone())).queue("prices").concurrency(200);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let worker = tokio::spawn(worker.build().run(async { drop(stopped.await) }));
    if let Some(job) = last {
        println!("the last price is {}", job.wait(Duration::from_secs(60)).await?);
    }
    drop(stop);
    worker.await??; // the other jobs have ended, too

    let inserts = database.inserts.lock().map_err(|_| "poisoned")?;
    let rows: usize = inserts.iter().map(Vec::len).sum();
    println!("{rows} rows in {} inserts", inserts.len());
    Ok(())
}
