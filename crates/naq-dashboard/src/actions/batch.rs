//! Batches: one action on many dead letters or waiting jobs. A visitor sees a preview first; this
//! process runs the batch; the client writes the audit log.

mod batch_request;
mod runner;

use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::post;
use naq_client::{
    AuditEntry, Batch, BatchAction, BatchError, BatchId, BatchOrder, BatchState, Preview,
    UNDO_WINDOW,
};

use self::batch_request::BatchRequest;
use super::request::ActionRequest;
use super::{ActionError, ActionReply};
use crate::access::role_for;
use crate::app::App;
use crate::view::{clean, redacted, span};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/batch", post(start))
        .route("/batch/preview", post(preview))
        .route("/batch/{id}/cancel", post(cancel))
        .route("/batch/{id}/resume", post(resume))
        .route("/batch/{id}/undo", post(undo))
}

/// The preview of a batch, with the button that starts it.
#[derive(Template)]
#[template(path = "batch_preview.html")]
struct PreviewHtml {
    verb: &'static str,
    words: String,
    count: u64,
    exact: bool,
    /// What the action means for each job.
    meaning: String,
    fingerprint: String,
    danger: bool,
    /// Whether the visitor has to type the count.
    typed: bool,
}

async fn preview(request: ActionRequest) -> Result<ActionReply, ActionError> {
    let batch = wanted(&request)?;
    let preview = request.client().preview_batch(&batch.scope).await?;
    if preview.count == 0 {
        return Ok(ActionReply::message(format!("There are no {}.", batch.scope.words(None))));
    }
    let html = PreviewHtml {
        verb: batch.action.verb(),
        words: clean(&preview.words),
        count: preview.count,
        exact: preview.exact,
        meaning: meaning(&batch.action, &preview),
        fingerprint: batch.fingerprint(),
        danger: matches!(batch.action, BatchAction::PurgeDead | BatchAction::Cancel),
        typed: batch.action == BatchAction::PurgeDead && preview.count > 1,
    };
    let html = html.render().map_err(|err| ActionError {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        message: err.to_string(),
    })?;
    Ok(ActionReply { html: Some(html), ..ActionReply::default() })
}

/// What the form asks for.
fn wanted(request: &ActionRequest) -> Result<BatchRequest, ActionError> {
    let batch = BatchRequest::read(&request.form)?;
    request.allow(role_for(&batch.action), &batch.scope)?;
    Ok(batch)
}

/// The batch with this id, for a visitor who might have started it.
async fn existing(request: &ActionRequest, id: &BatchId) -> Result<Batch, ActionError> {
    let batch = request.client().batch(id).await?;
    request.allow(role_for(&batch.action), &batch.scope)?;
    Ok(batch)
}

fn meaning(action: &BatchAction, preview: &Preview) -> String {
    let window = span(UNDO_WINDOW);
    let time_for_all = |rate: f64| {
        let time = Duration::try_from_secs_f64(preview.count as f64 / rate);
        time.map_or_else(|_| "more than 1000 years".to_owned(), span)
    };
    match action {
        BatchAction::RequeueDead { per_second } => {
            let rate = per_second.map_or_else(String::new, |rate| {
                let time = time_for_all(rate);
                format!(" Then {rate} a second come due; the last comes due about {time} later.")
            });
            format!(
                "Each job gets a new life with all its attempts. No job is due for {window}, and a \
                 job that is not due yet can be undone.{rate}"
            )
        }
        BatchAction::PurgeDead => {
            "The dead letters are removed permanently. This cannot be undone.".into()
        }
        BatchAction::Release => "All jobs become due now.".into(),
        BatchAction::Spread { over } => format!(
            "The jobs that are due within {} from now move to later times in that span, evenly. No \
             job runs earlier than planned.",
            span(*over)
        ),
        BatchAction::Drip { per_second } => format!(
            "At most {per_second} jobs a second come due, which takes about {} for all of them. No \
             job runs earlier than planned.",
            time_for_all(*per_second)
        ),
        _ => "The jobs end as cancelled and never run. This cannot be undone.".into(),
    }
}

async fn start(request: ActionRequest) -> Result<ActionReply, ActionError> {
    let wanted = wanted(&request)?;
    let is_bulk = wanted.is_bulk();
    if is_bulk {
        check_bulk(&request, &wanted).await?;
    }
    let app = &request.app;
    let verb = wanted.action.verb();
    let order = BatchOrder::new(wanted.action, wanted.scope, &request.access.who)
        .reason(request.form.reason());
    let batch = request.client().start_batch(order).await?;
    runner::show(app, batch.clone());
    let run = runner::spawn_run(app, batch.id.clone());
    let message = match is_bulk {
        true => format!("Started: {verb} {}.", clean(&batch.words)),
        false => single_result(verb, runner::result_if_soon(run).await)?,
    };
    Ok(ActionReply { message, next: Some(request.return_path("/batches")), html: None })
}

/// What a batch on many jobs needs: a reason, a preview of the same batch, and for a purge the count.
async fn check_bulk(request: &ActionRequest, wanted: &BatchRequest) -> Result<(), ActionError> {
    if request.form.reason().is_empty() {
        return Err(ActionError::bad_request(
            "give a reason: an action on many jobs is written to the audit log with its reason",
        ));
    }
    match request.form.get("agreed") {
        None => return Err(ActionError::bad_request("press Preview first")),
        Some(fingerprint) if fingerprint != wanted.fingerprint() => {
            let changed = "the form has changed since its preview: press Preview again";
            return Err(ActionError::bad_request(changed));
        }
        Some(_) => {}
    }
    match wanted.action {
        BatchAction::PurgeDead => check_typed_count(request, wanted).await,
        _ => Ok(()),
    }
}

/// Whether the visitor typed the number of dead letters that the purge would remove.
async fn check_typed_count(
    request: &ActionRequest,
    wanted: &BatchRequest,
) -> Result<(), ActionError> {
    let preview = request.client().preview_batch(&wanted.scope).await?;
    let typed = request.form.get("confirm").map(|typed| typed.replace(',', ""));
    match preview.count {
        count if count < 2 || typed == Some(count.to_string()) => Ok(()),
        count if typed.is_none() => {
            Err(ActionError::bad_request(format!("type {count} to purge them")))
        }
        _ => Err(ActionError::bad_request(format!(
            "there are {} now: press Preview again",
            clean(&preview.words)
        ))),
    }
}

/// The message about a batch on one job.
fn single_result(
    verb: &str,
    result: Option<Result<Batch, BatchError>>,
) -> Result<String, ActionError> {
    let batch = match result {
        None => return Ok(format!("Started: {verb}.")),
        Some(batch) => batch?,
    };
    match (batch.done, batch.first_failure) {
        (0, Some(why)) => {
            Err(ActionError { status: StatusCode::CONFLICT, message: redacted(&why, 500) })
        }
        (0, None) => Err(ActionError {
            status: StatusCode::CONFLICT,
            message: "nothing was changed: the job is gone, or another job with its id or its \
                      unique key is queued"
                .into(),
        }),
        _ => Ok(format!("Done: {verb} {}.", clean(&batch.words))),
    }
}

async fn cancel(
    Path(id): Path<BatchId>,
    request: ActionRequest,
) -> Result<ActionReply, ActionError> {
    existing(&request, &id).await?;
    let batch = request.client().cancel_batch(&id, &request.access.who).await?;
    runner::show(&request.app, batch);
    Ok(ActionReply::message("Cancelled: the finished part stays done, the rest is unchanged."))
}

async fn resume(
    Path(id): Path<BatchId>,
    request: ActionRequest,
) -> Result<ActionReply, ActionError> {
    let client = request.client();
    let batch = existing(&request, &id).await?;
    if !matches!(batch.state, BatchState::Running | BatchState::Undoing) {
        let why = "there is nothing left to do";
        return Err(BatchError::State { id, state: batch.state, why }.into());
    }
    if batch.is_busy(client.now()) {
        return Err(BatchError::Busy(id).into());
    }
    // Written before the batch continues, as at its start: the audit log has every change.
    let scope = format!("batch {id}: {} {}", batch.action.verb(), batch.words);
    let entry = AuditEntry::new(&request.access.who, "resume", scope);
    client.audit(entry.reason(request.form.reason())).await?;
    runner::spawn_run(&request.app, id);
    let words = clean(&batch.words);
    Ok(ActionReply::message(format!("Continuing: {} {words}.", batch.action.verb())))
}

async fn undo(Path(id): Path<BatchId>, request: ActionRequest) -> Result<ActionReply, ActionError> {
    existing(&request, &id).await?;
    let undo = runner::spawn_undo(&request.app, id, request.access.who);
    let undone = runner::result_if_soon(undo).await;
    Ok(ActionReply::message(match undone.transpose()? {
        Some(batch) => {
            format!("Undone: {} of {} are dead letters again.", batch.undone, batch.done)
        }
        None => "The undo is running.".into(),
    }))
}

impl From<BatchError> for ActionError {
    fn from(err: BatchError) -> Self {
        let status = match err {
            BatchError::Client(err) => return err.into(),
            BatchError::Transport(err) => return err.into(),
            BatchError::NoBatch(_) => StatusCode::NOT_FOUND,
            BatchError::State { .. } | BatchError::Busy(_) => StatusCode::CONFLICT,
            _ => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self { status, message: err.to_string() }
    }
}
