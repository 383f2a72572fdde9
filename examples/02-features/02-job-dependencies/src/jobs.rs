//! The jobs: small steps that move data from one place to another.

use naq::ResultExt;
use naq::prelude::*;

/// Reads rows from a source. The first attempts fail, because the source is down.
#[derive(Debug, Serialize, Deserialize)]
#[serde(crate = "naq::serde")]
pub struct Extract {
    /// The name of the source.
    pub source: String,
    /// How many rows it has.
    pub rows: u64,
    /// Attempts that fail before one succeeds.
    pub fails: u32,
}

impl Job for Extract {
    const NAME: &'static str = "extract";
    type Output = u64;

    fn options() -> JobOptions {
        let policy =
            RetryPolicy::builder().max_retries(2).delay(std::time::Duration::from_millis(300));
        JobOptions::new().policy(policy.build())
    }
}

async fn extract(job: Extract, cx: Context) -> Result<u64, Failure> {
    if cx.attempt() <= job.fails {
        return Err(Failure::new(ErrorKind::CONNECTION, format!("{} is down", job.source)));
    }
    Ok(job.rows)
}

/// Takes a share of the rows that its parent has read.
#[derive(Debug, Serialize, Deserialize)]
#[serde(crate = "naq::serde")]
pub struct Transform {
    /// The name of the parent in the workflow.
    pub from: String,
    /// The share, in percent.
    pub percent: u64,
}

impl Job for Transform {
    const NAME: &'static str = "transform";
    type Output = u64;
}

async fn transform(job: Transform, cx: Context) -> Result<u64, Failure> {
    let rows: u64 = cx.parent_result(&job.from).await.kind(ErrorKind::VALUE)?;
    Ok(rows * job.percent / 100)
}

/// Adds up the results of its parents that completed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(crate = "naq::serde")]
pub struct Load;

impl Job for Load {
    const NAME: &'static str = "load";
    type Output = u64;
}

async fn load(_: Load, cx: Context) -> Result<u64, Failure> {
    let parents = cx.parents().await.kind(ErrorKind::CONNECTION)?;
    let mut rows = 0;
    for parent in parents.completed() {
        let id = parent.key.id.as_str();
        rows += parents.result::<u64>(id).kind(ErrorKind::VALUE)?;
    }
    Ok(rows)
}

/// Reports which parents failed, and how.
#[derive(Debug, Serialize, Deserialize)]
#[serde(crate = "naq::serde")]
pub struct Alert;

impl Job for Alert {
    const NAME: &'static str = "alert";
    type Output = String;
}

async fn alert(_: Alert, cx: Context) -> Result<String, Failure> {
    let parents = cx.parents().await.kind(ErrorKind::CONNECTION)?;
    let failed = parents.failed().map(|parent| {
        let error = parent.error.as_deref().unwrap_or("no error is known");
        format!("{}: {error}", parent.key.id)
    });
    Ok(failed.collect::<Vec<_>>().join("; "))
}

/// The handlers of all jobs.
pub fn registry() -> Registry {
    Registry::new().task(extract).task(transform).task(load).task(alert)
}
