//! Queues, workers and schedules: those that the caller's key may see.

use axum::Json;
use axum::extract::State;
use naq_core::transport::{QueueInfo, WorkerInfo};
use serde::Serialize;

use super::schedule_view::ScheduleView;
use crate::app::App;
use crate::guard::Access;
use crate::problem::Problem;

#[derive(Debug, Serialize)]
pub(crate) struct QueuesAnswer {
    queues: Vec<QueueInfo>,
}

#[derive(Debug, Serialize)]
pub(crate) struct WorkersAnswer {
    workers: Vec<WorkerInfo>,
}

#[derive(Debug, Serialize)]
pub(crate) struct SchedulesAnswer {
    schedules: Vec<ScheduleView>,
    /// The schedules that this version cannot read, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<String>,
}

pub(crate) async fn queues(
    State(app): State<App>,
    access: Access,
) -> Result<Json<QueuesAnswer>, Problem> {
    let mut queues = app.client.queues().await?;
    queues.retain(|queue| access.has_queue(&queue.name));
    Ok(Json(QueuesAnswer { queues }))
}

/// The workers that serve a queue of the caller. Their other queues are left out.
pub(crate) async fn workers(
    State(app): State<App>,
    access: Access,
) -> Result<Json<WorkersAnswer>, Problem> {
    let mut workers = app.client.list_workers().await?;
    for worker in &mut workers {
        worker.queues.retain(|queue| access.has_queue(queue));
        worker.signed.retain(|queue| access.has_queue(queue));
    }
    workers.retain(|worker| !worker.queues.is_empty());
    Ok(Json(WorkersAnswer { workers }))
}

pub(crate) async fn schedules(
    State(app): State<App>,
    access: Access,
) -> Result<Json<SchedulesAnswer>, Problem> {
    let mut answer = SchedulesAnswer { schedules: Vec::new(), unreadable: Vec::new() };
    for report in app.client.schedules().list().await? {
        match report {
            Ok(report) => {
                let job = report.schedule.job.envelope();
                if access.has_queue(&job.queue) && access.sees_job(Some(&job.task)) {
                    answer.schedules.push(ScheduleView::from(&report));
                }
            }
            // It names neither queue nor task.
            Err(err) if access.has_every_queue() && access.sees_job(None) => {
                answer.unreadable.push(err.to_string());
            }
            Err(_) => {}
        }
    }
    Ok(Json(answer))
}
