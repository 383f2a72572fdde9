//! [`JobAnswer`]: a job as the gateway shows it.

use axum::Json;
use axum::response::{IntoResponse, Response};
use naq_client::{JobReport, JobView};
use naq_core::redact::Redactor;

/// A job, as `naq job show -o json` prints it: without the secrets that its arguments and messages name.
/// The result is whole, because it is what a caller waits for.
#[derive(Debug)]
pub(crate) struct JobAnswer(JobView);

impl From<&JobReport> for JobAnswer {
    fn from(report: &JobReport) -> Self {
        let mut view = JobView::from(report);
        let result = view.result.take();
        let mut view = view.redacted(&Redactor::default());
        view.result = result;
        Self(view)
    }
}

impl IntoResponse for JobAnswer {
    fn into_response(self) -> Response {
        Json(self.0).into_response()
    }
}
