//! Waits for a job's end, and prints what it left.

use std::time::Duration;

use anyhow::Result;
use naq_client::Client;
use naq_core::JobState;
use naq_core::transport::JobKey;

use crate::exit::ExitCode;
use crate::job_details::JobDetails;
use crate::output::{Format, Output};

/// The result on stdout; as JSON the whole job. However else it ends, the error says so.
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
