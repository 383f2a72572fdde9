//! [`TaskHandler`]: how one task runs.

use std::sync::Arc;
use std::time::Duration;

use naq_core::{ErrorKind, Failure, Payload};
use naq_worker::Context;

use crate::answers::Ended;
use crate::command::{self, CommandLine, Pool};
use crate::http::Service;
use crate::protocol::{Classes, Request};

/// How one task runs.
#[derive(Debug)]
pub(crate) struct TaskHandler {
    pub(crate) how: How,
    /// The longest time of an attempt. A shorter timeout of the job counts first.
    pub(crate) timeout: Option<Duration>,
    /// What follows an exit code or a status.
    pub(crate) classes: Classes,
}

/// What runs the task.
#[derive(Debug)]
pub(crate) enum How {
    /// A process for each attempt.
    Exec(CommandLine),
    /// Processes that stay.
    Pool(Pool),
    /// Processes that stay, and run other tasks too.
    SharedPool(Arc<Pool>),
    /// A service.
    Http(Arc<Service>),
}

impl TaskHandler {
    /// Runs one attempt.
    pub(crate) async fn run<S>(&self, args: Payload, cx: Context<S>) -> Ended {
        let timeout = [self.timeout, cx.timeout()].into_iter().flatten().min();
        let checkpoint = cx.restore().await?;
        let request = Request::new(&cx, &args, timeout, checkpoint)?;
        let attempt = async {
            match &self.how {
                How::Exec(command) => command::run(command, &self.classes, &cx, &request).await,
                How::Pool(pool) => pool.run(&self.classes, &cx, &request).await,
                How::SharedPool(pool) => pool.run(&self.classes, &cx, &request).await,
                How::Http(service) => service.run(&self.classes, &cx, &request).await,
            }
        };
        match self.timeout {
            Some(timeout) => match tokio::time::timeout(timeout, attempt).await {
                Ok(ended) => ended,
                Err(_) => Err(timed_out(timeout)),
            },
            None => attempt.await,
        }
    }
}

fn timed_out(timeout: Duration) -> Failure {
    let limit = naq_core::retry::BriefDuration(timeout);
    Failure::new(ErrorKind::TIMEOUT, format!("took longer than its handler's timeout, {limit}"))
}
