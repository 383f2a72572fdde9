//! [`TakenRow`]: a row that this relay has taken.

use std::time::Duration;

use naq_client::WrittenJob;
use naq_core::clock::Timestamp;
use naq_core::names::{JobId, JobKey, QueueName};
use naq_core::transport::Submission;
use naq_core::wire::WireMessage;

/// The columns of a taken row, as the query of every database returns them.
pub(crate) type TakenColumns = (
    i64,
    String,
    String,
    Option<String>,
    Option<i64>,
    String,
    String,
    Vec<u8>,
    Option<Vec<u8>>,
    i64,
    Option<i64>,
    i64,
);

/// A row that this relay has taken.
#[derive(Debug)]
pub struct TakenRow {
    pub(crate) seq: i64,
    pub(crate) order_key: Option<String>,
    /// How often the broker refused it.
    pub(crate) attempts: u32,
    /// For how long the broker may have had it. `None` if it certainly does not have it.
    pub(crate) offered: Option<Duration>,
    /// The job, or why the row holds none.
    pub(crate) job: Result<WrittenJob, String>,
}

impl TakenRow {
    pub(crate) fn read(columns: TakenColumns) -> Self {
        let (seq, queue, id, order_key, due_ms, rule, headers, body, args, attempts, offered, now) =
            columns;
        let offered = offered.map(|at| Duration::from_millis(now.saturating_sub(at).max(0) as u64));
        Self {
            seq,
            order_key,
            attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
            offered,
            job: read_job(&queue, &id, due_ms, &rule, &headers, body, args),
        }
    }
}

fn read_job(
    queue: &str,
    id: &str,
    due_ms: Option<i64>,
    rule: &str,
    headers: &str,
    body: Vec<u8>,
    args: Option<Vec<u8>>,
) -> Result<WrittenJob, String> {
    let queue = QueueName::new(queue).map_err(|err| err.to_string())?;
    let id = JobId::new(id).map_err(|err| err.to_string())?;
    let headers: Vec<(String, String)> = serde_json::from_str(headers)
        .map_err(|err| format!("its headers cannot be read: {err}"))?;
    let message = headers
        .iter()
        .fold(WireMessage::new(body.into()), |message, (name, value)| message.with(name, value));
    Ok(WrittenJob {
        submission: Submission {
            dedup: id.to_string(),
            key: JobKey::new(queue, id),
            due_at: due_ms.map(|at| Timestamp::from_millis(at.max(0) as u64)),
            unique: rule != "random",
            message,
        },
        large_args: args.map(Into::into),
        once: rule == "once",
    })
}
