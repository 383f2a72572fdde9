//! Batches: one action on many dead letters or waiting jobs, looked at before, and run by this
//! process. What is recorded of them, the client records.

mod order;
mod runner;

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Extension, Router};
use naq_client::{
    AuditEntry, Batch, BatchAction, BatchError, BatchId, BatchOrder, BatchState, Preview,
    UNDO_WINDOW,
};

use self::order::Order;
use super::asked::Asked;
use super::{ActionError, Answer};
use crate::access::Access;
use crate::app::App;
use crate::view::{clean, said, span};

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/batch", post(start))
        .route("/batch/preview", post(preview))
        .route("/batch/{id}/cancel", post(cancel))
        .route("/batch/{id}/resume", post(resume))
        .route("/batch/{id}/undo", post(undo))
}

/// What would be done, with the button that does it.
#[derive(Template)]
#[template(path = "batch_preview.html")]
struct PreviewHtml {
    verb: &'static str,
    words: String,
    count: u64,
    exact: bool,
    /// What it means for each of them.
    meaning: String,
    agreed: String,
    danger: bool,
    /// Whether the count has to be typed.
    typed: bool,
}

async fn preview(State(app): State<App>, Form(asked): Form<Asked>) -> Result<Answer, ActionError> {
    let order = Order::read(&asked)?;
    let preview = app.client.preview_batch(&order.scope).await?;
    if preview.count == 0 {
        return Ok(Answer::said(format!("There are no {}.", order.scope.words(None))));
    }
    let html = PreviewHtml {
        verb: order.action.verb(),
        words: clean(&preview.words),
        count: preview.count,
        exact: preview.exact,
        meaning: meaning(&order.action, &preview),
        agreed: order.agreed(),
        danger: matches!(order.action, BatchAction::PurgeDead | BatchAction::Cancel),
        typed: order.action == BatchAction::PurgeDead && preview.count > 1,
    };
    let html = html.render().map_err(|err| ActionError {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        message: err.to_string(),
    })?;
    Ok(Answer { html: Some(html), ..Answer::default() })
}

fn meaning(action: &BatchAction, preview: &Preview) -> String {
    let window = span(UNDO_WINDOW);
    let lasts = |rate: f64| {
        let lasts = std::time::Duration::try_from_secs_f64(preview.count as f64 / rate);
        lasts.map_or_else(|_| "an age".to_owned(), span)
    };
    match action {
        BatchAction::RequeueDead { per_second } => {
            let rate = per_second.map_or_else(String::new, |rate| {
                format!(" Then {rate} a second come due, the last about {} later.", lasts(rate))
            });
            format!(
                "Each gets another life with all its attempts. Nothing of it is due for {window}, \
                 and what is not due can be undone.{rate}"
            )
        }
        BatchAction::PurgeDead => "They are gone for good. This cannot be undone.".into(),
        BatchAction::Release => "All of them are due now, at once.".into(),
        BatchAction::Spread { over } => format!(
            "Those due within {} from now move to a later time within it, evenly. None comes earlier.",
            span(*over)
        ),
        BatchAction::Drip { per_second } => format!(
            "No more than {per_second} a second come due, which takes about {} for all. None comes \
             earlier.",
            lasts(*per_second)
        ),
        _ => "They end as cancelled and never run. This cannot be undone.".into(),
    }
}

async fn start(
    State(app): State<App>,
    Extension(access): Extension<Access>,
    Form(asked): Form<Asked>,
) -> Result<Answer, ActionError> {
    let order = Order::read(&asked)?;
    if order.is_many() {
        if asked.reason().is_empty() {
            return Err(ActionError::bad(
                "say why: a reason is recorded with what is done to many",
            ));
        }
        match asked.get("agreed") {
            None => return Err(ActionError::bad("look at the preview first")),
            Some(agreed) if agreed != order.agreed() => {
                let changed = "what is to be done has changed since the preview: look at it again";
                return Err(ActionError::bad(changed));
            }
            Some(_) => {}
        }
        if order.action == BatchAction::PurgeDead {
            confirm(&app, &asked, &order).await?;
        }
    }
    let (many, verb) = (order.is_many(), order.action.verb());
    let wanted = BatchOrder::new(order.action, order.scope, &access.who).reason(asked.reason());
    let batch = app.client.start_batch(wanted).await?;
    learn(&app, batch.clone());
    let run = runner::run(&app, batch.id.clone());
    let next = Some(asked.back(&app.options.prefix, "/batches"));
    if many {
        let message = format!("Begun: {verb} {}.", clean(&batch.words));
        return Ok(Answer { message, next, html: None });
    }
    let message = one(verb, runner::shortly(run).await)?;
    Ok(Answer { message, next, html: None })
}

/// What became of one.
fn one(verb: &str, ended: Option<Result<Batch, BatchError>>) -> Result<String, ActionError> {
    let batch = match ended {
        None => return Ok(format!("Begun: {verb}.")),
        Some(batch) => batch?,
    };
    match (batch.done, batch.first_failure) {
        (0, Some(why)) => {
            Err(ActionError { status: StatusCode::CONFLICT, message: said(&why, 500) })
        }
        (0, None) => Err(ActionError {
            status: StatusCode::CONFLICT,
            message: "it was left as it is: it is gone already, or another job of its id or with \
                      its unique key is on its way"
                .into(),
        }),
        _ => Ok(format!("Done: {verb} {}.", clean(&batch.words))),
    }
}

/// Whether the number that was typed is the number of letters that would go.
async fn confirm(app: &App, asked: &Asked, order: &Order) -> Result<(), ActionError> {
    let preview = app.client.preview_batch(&order.scope).await?;
    let typed = asked.get("confirm").map(|typed| typed.replace(',', ""));
    match preview.count {
        count if count < 2 || typed == Some(count.to_string()) => Ok(()),
        count if typed.is_none() => Err(ActionError::bad(format!("type {count} to purge them"))),
        _ => Err(ActionError::bad(format!("there are {} now: look again", clean(&preview.words)))),
    }
}

async fn cancel(
    State(app): State<App>,
    Extension(access): Extension<Access>,
    Path(id): Path<BatchId>,
) -> Result<Answer, ActionError> {
    let batch = app.client.cancel_batch(&id, &access.who).await?;
    learn(&app, batch);
    Ok(Answer::said("Cancelled: what was done stays done, the rest stays as it is."))
}

async fn resume(
    State(app): State<App>,
    Extension(access): Extension<Access>,
    Path(id): Path<BatchId>,
    Form(asked): Form<Asked>,
) -> Result<Answer, ActionError> {
    let batch = app.client.batch(&id).await?;
    if !matches!(batch.state, BatchState::Running | BatchState::Undoing) {
        let why = "there is nothing left to do";
        return Err(BatchError::State { id, state: batch.state, why }.into());
    }
    if batch.is_busy(app.client.now()) {
        return Err(BatchError::Busy(id).into());
    }
    // Before it goes on, as when it was begun: nothing is done that is not recorded.
    let scope = format!("batch {id}: {} {}", batch.action.verb(), batch.words);
    app.client.audit(AuditEntry::new(&access.who, "resume", scope).reason(asked.reason())).await?;
    runner::run(&app, id);
    Ok(Answer::said(format!("Going on: {} {}.", batch.action.verb(), clean(&batch.words))))
}

async fn undo(
    State(app): State<App>,
    Extension(access): Extension<Access>,
    Path(id): Path<BatchId>,
) -> Result<Answer, ActionError> {
    let undone = runner::shortly(runner::undo(&app, id, access.who)).await;
    Ok(Answer::said(match undone.transpose()? {
        Some(batch) => {
            format!("Undone: {} of {} are dead letters again.", batch.undone, batch.done)
        }
        None => "Being undone.".into(),
    }))
}

fn learn(app: &App, batch: Batch) {
    app.snapshot().batches.learn([batch], app.client.now());
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
