//! [`wait`]: waits until a job ends, and prints its result.

use std::time::Duration;

use anyhow::Result;
use naq_client::Client;
use naq_core::JobState;
use naq_core::transport::JobKey;

use crate::exit::ExitCode;
use crate::job_details::JobDetails;
use crate::output::{Format, Output};

/// Prints the result, or the whole job as JSON. If the job did not complete, the error says how it
/// ended.
pub(crate) async fn wait(
    key: &JobKey,
    timeout: Option<Duration>,
    client: &Client,
    out: Output,
) -> Result<ExitCode> {
    let report = client.wait(key, timeout.unwrap_or(Duration::MAX)).await?;
    let completed = report.state == JobState::Completed;
    if out.format() != Format::Table {
        out.one(&JobDetails::from(&report), String::new)?;
        return Ok(if completed { ExitCode::Ok } else { ExitCode::Failed });
    }
    let shown = JobDetails::from(&report);
    report.into_output::<serde::de::IgnoredAny>()?;
    if let Some(result) = shown.result_words() {
        out.raw(&result)?;
    }
    Ok(ExitCode::Ok)
}
