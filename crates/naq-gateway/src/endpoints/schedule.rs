//! One schedule: define or replace it, remove it.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use naq_client::{Registered, ScheduleError};
use naq_core::Timestamp;
use naq_core::names::{QueueName, ScheduleName};
use naq_core::schedule::{CatchUp, Overlap};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::audit;
use super::schedule_view::ScheduleView;
use crate::app::App;
use crate::guard::Access;
use crate::problem::Problem;
use crate::request::{JobOrder, JsonBody, SchedulePath, maybe_span};

/// A schedule as a caller writes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScheduleOrder {
    cron: Option<String>,
    #[serde(default, deserialize_with = "maybe_span")]
    every: Option<Duration>,
    time_zone: Option<String>,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    max_runs: Option<u64>,
    #[serde(default, deserialize_with = "maybe_span")]
    jitter: Option<Duration>,
    catch_up: Option<String>,
    overlap: Option<String>,
    #[serde(default)]
    queue: QueueName,
    job: Box<RawValue>,
}

/// What became of a schedule that was written.
#[derive(Debug, Serialize)]
pub(crate) struct ScheduleAnswer {
    registered: Registered,
    #[serde(flatten)]
    schedule: ScheduleView,
}

#[derive(Debug, Serialize)]
pub(crate) struct RemovedAnswer {
    removed: bool,
}

fn read<T: std::str::FromStr>(name: &str, text: &str) -> Result<T, Problem>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|err| Problem::bad_request(format!("{name}: {err}")))
}

/// Checks the schedule that has this name now, so that no caller replaces or removes one that is not its own.
async fn check_own(app: &App, access: &Access, name: &ScheduleName) -> Result<(), Problem> {
    match app.client.schedules().get(name).await {
        Ok(report) => {
            let job = report.schedule.job.envelope();
            access.check_queue(&job.queue)?;
            access.check_task(&job.task)
        }
        Err(ScheduleError::NotFound(_)) => Ok(()),
        Err(err) => Err(err.into()),
    }
}

pub(crate) async fn put(
    State(app): State<App>,
    access: Access,
    SchedulePath(name): SchedulePath,
    JsonBody(order): JsonBody<ScheduleOrder>,
) -> Result<Json<ScheduleAnswer>, Problem> {
    access.check_queue(&order.queue)?;
    let job = JobOrder::read(order.job.get().as_bytes())?;
    job.check_rights(&access)?;
    if job.id.is_some() {
        return Err(Problem::bad_job(
            "each run of a schedule gets an id of its own: leave out `id`",
        ));
    }
    check_own(&app, &access, &name).await?;
    let mut schedule = app.client.schedule(&name);
    macro_rules! set {
        ($($name:ident = $value:expr;)*) => {
            $(if let Some(value) = $value { schedule = schedule.$name(value); })*
        };
    }
    set! {
        cron = order.cron;
        every = order.every;
        time_zone = order.time_zone;
        start = order.start;
        end = order.end;
        max_runs = order.max_runs;
        jitter = order.jitter;
        catch_up = order.catch_up.map(|text| read::<CatchUp>("catch_up", &text)).transpose()?;
        overlap = order.overlap.map(|text| read::<Overlap>("overlap", &text)).transpose()?;
    }
    let template = job.build(&app.client, &order.queue, None, None)?;
    let registered = schedule.template(template).await?;
    audit::record(&app.client, &access, "schedule", &format!("schedule {name}"), "").await;
    let report = app.client.schedules().get(&name).await?;
    Ok(Json(ScheduleAnswer { registered, schedule: ScheduleView::from(&report) }))
}

pub(crate) async fn remove(
    State(app): State<App>,
    access: Access,
    SchedulePath(name): SchedulePath,
) -> Result<Json<RemovedAnswer>, Problem> {
    check_own(&app, &access, &name).await?;
    let removed = app.client.schedules().delete(&name).await?;
    if removed {
        audit::record(&app.client, &access, "schedule-rm", &format!("schedule {name}"), "").await;
    }
    Ok(Json(RemovedAnswer { removed }))
}
