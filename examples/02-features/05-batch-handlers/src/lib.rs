//! Rows of a file that many processes send, and a handler that inserts many of them at once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use naq::prelude::*;
use naq::{Advice, JobBatch};

/// One line of a price list.
#[derive(Debug, Serialize, Deserialize, Job)]
#[job(name = "price.import", output = u32, queue = "prices", retry = "exponential:2s,max_retries=4")]
pub struct ImportPrice {
    /// Such as `tea=350`.
    pub line: String,
}

/// Stands for a database: an insert of a hundred rows takes as long as that of one.
#[derive(Debug, Default)]
pub struct Database {
    /// The rows of each insert.
    pub inserts: Mutex<Vec<Vec<(String, u32)>>>,
    /// How many inserts fail from now on.
    pub outages: Mutex<u32>,
}

/// Why the database inserted nothing.
#[derive(Debug)]
pub struct Away;

impl std::fmt::Display for Away {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the database is away")
    }
}

impl std::error::Error for Away {}

impl JobError for Away {
    fn kind(&self) -> ErrorKind {
        ErrorKind::CONNECTION
    }

    fn advice(&self) -> Advice {
        Advice::Policy
    }
}

impl Database {
    /// Inserts all rows, or none.
    ///
    /// # Errors
    /// [`Away`].
    pub async fn insert(&self, rows: Vec<(String, u32)>) -> Result<(), Away> {
        if let Ok(mut outages) = self.outages.lock()
            && *outages > 0
        {
            *outages -= 1;
            return Err(Away);
        }
        self.inserts.lock().map_err(|_| Away)?.push(rows);
        Ok(())
    }
}

/// Takes many lines in one call, and inserts the good ones together.
async fn import(batch: JobBatch<ImportPrice, Arc<Database>>) -> Result<(), Failure> {
    let database = batch.state().clone();
    let (mut rows, mut good) = (Vec::new(), Vec::new());
    for job in batch {
        let parts = job.args().line.split_once('=');
        match parts.and_then(|(name, price)| Some((name.to_owned(), price.parse().ok()?))) {
            Some(row) => {
                rows.push(row);
                good.push(job);
            }
            // This job alone dies, at once: a retry would read the same line.
            None => {
                let text = format!("not a price: {}", job.args().line);
                job.fail(Failure::new(ErrorKind::VALUE, text).fatal());
            }
        }
    }
    let prices: Vec<u32> = rows.iter().map(|(_, price)| *price).collect();
    // With `?` the outage is the failure of each job that has no answer yet. Each is retried by its
    // own policy.
    database.insert(rows).await?;
    for (job, price) in good.into_iter().zip(prices) {
        job.complete(price);
    }
    Ok(())
}

/// The handlers of this example.
pub fn registry(database: Arc<Database>) -> Registry<Arc<Database>> {
    let wait = Duration::from_millis(200);
    let registry = Registry::with_state(database).classify::<Away>();
    registry.batch(import).max_jobs(100).max_wait(wait).add()
}
