//! Enqueue one job, or many of them, one a line.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use naq_client::{EnqueueError, JobHandle, Prepared};
use naq_core::names::{JobId, JobKey, QueueName, TaskName};
use serde::Serialize;
use serde_json::Value;

use crate::app::App;
use crate::guard::{Access, single};
use crate::problem::Problem;
use crate::request::{IdempotencyKey, JobOrder, QueuePath, same_job, traceparent};

const JSON: &str = "application/json";
const LINES: [&str; 2] = ["application/x-ndjson", "application/jsonl"];

/// A job that is stored.
#[derive(Debug, Serialize)]
struct Enqueued {
    id: JobId,
    queue: QueueName,
    task: TaskName,
    /// Whether the request added no job, because one with this id or this unique key was there.
    duplicate: bool,
    /// The job that holds the unique key, if no job was added because of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    held_by: Option<JobKey>,
}

/// The answer to one line of many.
#[derive(Debug, Serialize)]
struct LineAnswer {
    /// The number of the line in the request, from 1.
    line: usize,
    #[serde(flatten)]
    enqueued: Option<Enqueued>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Problem>,
}

/// The request around its jobs.
struct Call<'a> {
    app: &'a App,
    access: &'a Access,
    queue: &'a QueueName,
    idempotency: Option<IdempotencyKey>,
    traceparent: Option<&'a str>,
}

/// A job that is checked and encoded, and not sent yet.
struct ReadyJob {
    order: JobOrder,
    id: JobId,
    prepared: Prepared<Value>,
}

pub(crate) async fn enqueue(
    State(app): State<App>,
    access: Access,
    QueuePath(queue): QueuePath,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let call = Call {
        app: &app,
        access: &access,
        queue: &queue,
        idempotency: IdempotencyKey::read(&headers)?,
        traceparent: traceparent(&headers),
    };
    let content_type = single(&headers, header::CONTENT_TYPE).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case(JSON) {
        return call.one(&body).await;
    }
    if LINES.iter().any(|lines| media_type.eq_ignore_ascii_case(lines)) {
        return call.many(&body).await;
    }
    let detail =
        format!("the Content-Type is {:?}", media_type.chars().take(80).collect::<String>());
    let title = "The body is neither JSON nor lines of JSON";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", title, detail)
        .next("send one job as application/json, or one a line as application/x-ndjson"))
}

impl Call<'_> {
    async fn one(&self, body: &[u8]) -> Result<Response, Problem> {
        let ReadyJob { order, id, prepared } = self.ready(body, 0)?;
        let sent = self.app.client.enqueue_many([prepared]).await.pop();
        // `enqueue_many` returns one answer per job.
        let sent = sent.ok_or_else(|| Problem::bad_request("no job"))?;
        let enqueued = self.answer(&order, id, sent).await?;
        let status = if enqueued.duplicate { StatusCode::OK } else { StatusCode::CREATED };
        // Relative to this call, so that it holds wherever the router is mounted.
        let location = format!("../../jobs/{}/{}", enqueued.queue, enqueued.id);
        Ok((status, [(header::LOCATION, location)], Json(enqueued)).into_response())
    }

    async fn many(&self, body: &[u8]) -> Result<Response, Problem> {
        let lines: Vec<(usize, &[u8])> = body
            .split(|byte| *byte == b'\n')
            .enumerate()
            .map(|(at, line)| (at, line.trim_ascii()))
            .filter(|(_, line)| !line.is_empty())
            .collect();
        let max = self.app.options.max_jobs;
        if lines.len() > max {
            let detail = format!("{} jobs: at most {max} in one request", lines.len());
            let title = "The request has too many jobs";
            let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", title, detail);
            return Err(problem.next("send the jobs in several requests"));
        }
        if let Some((name, _)) = self.access.limited() {
            self.app.rates.charge(name, lines.len().saturating_sub(1));
        }
        let mut prepared = Vec::new();
        let mut asked = Vec::new();
        for (at, line) in lines {
            asked.push(match self.ready(line, at) {
                Ok(job) => {
                    prepared.push(job.prepared);
                    (at, Ok((job.order, job.id)))
                }
                Err(problem) => (at, Err(problem)),
            });
        }
        let mut sent = self.app.client.enqueue_many(prepared).await.into_iter();
        let mut text = String::new();
        for (at, asked) in asked {
            let answer = match asked {
                Err(problem) => Err(problem),
                // `enqueue_many` returns one answer per job, in order.
                Ok((order, id)) => match sent.next() {
                    Some(sent) => self.answer(&order, id, sent).await,
                    None => break,
                },
            };
            let line = at + 1;
            let answer = match answer {
                Ok(enqueued) => LineAnswer { line, enqueued: Some(enqueued), error: None },
                Err(problem) => LineAnswer { line, enqueued: None, error: Some(problem) },
            };
            text.push_str(&serde_json::to_string(&answer).unwrap_or_default());
            text.push('\n');
        }
        Ok(([(header::CONTENT_TYPE, LINES[0])], Body::from(text)).into_response())
    }

    /// Reads and checks one job. The first line is 0.
    fn ready(&self, text: &[u8], line: usize) -> Result<ReadyJob, Problem> {
        let order = JobOrder::read(text)?;
        order.check_rights(self.access)?;
        let id = match (&self.idempotency, &order.id) {
            (Some(_), Some(_)) => {
                let detail = "both `id` and Idempotency-Key: one of them is enough";
                return Err(Problem::bad_job(detail));
            }
            (Some(_), None) if order.is_debounced() => {
                let detail = "both `debounce` and Idempotency-Key: leave the header out. A \
                              debounced job that is sent again replaces itself";
                return Err(Problem::bad_job(detail));
            }
            (Some(key), None) => Some(key.job_id(self.access.who(), line)?),
            (None, id) => id.clone(),
        };
        let prepared =
            order.prepare(&self.app.client, self.queue, id.as_ref(), self.traceparent)?;
        Ok(ReadyJob { order, id: prepared.id().clone(), prepared })
    }

    async fn answer(
        &self,
        order: &JobOrder,
        id: JobId,
        sent: Result<JobHandle<Value>, EnqueueError>,
    ) -> Result<Enqueued, Problem> {
        let handle = sent.map_err(|err| self.maybe_stored(err, id))?;
        if handle.is_duplicate() && handle.held_by().is_none() && self.idempotency.is_some() {
            self.check_same(order, &handle).await?;
        }
        Ok(Enqueued {
            id: handle.id().clone(),
            queue: handle.queue().clone(),
            task: order.task.clone(),
            duplicate: handle.is_duplicate(),
            held_by: handle.held_by().cloned(),
        })
    }

    /// Refuses an `Idempotency-Key` that the caller has used for another job.
    async fn check_same(&self, order: &JobOrder, handle: &JobHandle<Value>) -> Result<(), Problem> {
        match handle.report().await {
            Ok(report) if !same_job(&report, &order.task, order.args().get()) => {
                let detail =
                    format!("the key belongs to job {}, which is another job", handle.id());
                let title = "The Idempotency-Key was used for another job";
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                Err(Problem::new(status, "idempotency-key-reused", title, detail)
                    .next("use a new key for each job"))
            }
            // A job without a record may have ended and left nothing.
            _ => Ok(()),
        }
    }

    /// Without an answer of the broker the job may be stored.
    fn maybe_stored(&self, err: EnqueueError, id: JobId) -> Problem {
        let transient = matches!(&err, EnqueueError::Transport(cause) if cause.is_transient());
        let problem = Problem::from(err);
        if !transient {
            return problem;
        }
        let next = match &self.idempotency {
            Some(_) => {
                "send the request again with the same Idempotency-Key: that adds no second job"
                    .to_owned()
            }
            None => format!(
                "the job may be stored: send it again with \"id\": \"{id}\", which adds no second job"
            ),
        };
        Problem { id: Some(id), ..problem.next(next) }
    }
}
