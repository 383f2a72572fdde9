//! Three ways to run jobs after other jobs.

use naq::{Client, EnqueueError, JobHandle, Workflow};

use crate::jobs::{Alert, Extract, Load, Transform};

fn source(name: &str, rows: u64, fails: u32) -> Extract {
    Extract { source: name.into(), rows, fails }
}

fn step(from: &str, percent: u64) -> Transform {
    Transform { from: from.into(), percent }
}

/// One job after two others, by their handles. Each job is enqueued by itself.
///
/// # Errors
/// [`EnqueueError`].
pub async fn by_hand(client: &Client) -> Result<JobHandle<u64>, EnqueueError> {
    let orders = client.enqueue(source("orders", 100, 1)).await?;
    let returns = client.enqueue(source("returns", 10, 0)).await?;
    client.enqueue(Load).depends_on([&orders, &returns]).await
}

/// A diamond: one job extracts, two jobs clean and enrich at the same time, and one job loads. The
/// first job fails once. Its dependents wait until its retry has completed.
pub fn diamond() -> Workflow {
    Workflow::new("etl")
        .job("extract", source("orders", 1000, 1))
        .job("clean", step("extract", 90))
        .job("enrich", step("extract", 50))
        .job("load", Load)
        .fan_out("extract", ["clean", "enrich"])
        .fan_in(["clean", "enrich"], "load")
}

/// Three regions, one of which cannot be reached. The report uses the two others, the alert runs, and
/// the invoice, which needs all three, does not run.
pub fn regions(client: &Client) -> Workflow {
    let regions = ["north", "south", "west"];
    Workflow::new("regions")
        .job("north", source("north", 10, 0))
        .job("south", source("south", 20, 1))
        .job("west", source("west", 40, 9))
        .job("report", client.enqueue(Load).tag("report").allow_partial_dependencies())
        .job("alert", client.enqueue(Alert).run_after_failure())
        .job("invoice", Load)
        .fan_in(regions, "report")
        .fan_in(regions, "alert")
        .fan_in(regions, "invoice")
}
