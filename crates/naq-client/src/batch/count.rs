//! How many a scope has, before anything is done.

use naq_core::names::QueueName;
use naq_core::transport::{QueueInfo, TransportError};
use serde::Serialize;

use crate::batch::select::Cursor;
use crate::batch::{BatchError, BatchScope};
use crate::{Client, DeadFilter};

/// Dead letters or waiting jobs that are looked at to count those that fit.
pub const COUNT_CAP: usize = 10_000;

/// What a batch would be about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// How many fit, of those that were looked at.
    pub count: u64,
    /// Whether that is all; else there may be more (or, of waiting jobs that the broker counted, some
    /// that wait for other jobs and are left alone).
    pub exact: bool,
    /// In words: `344 dead letters of queue mail, task email.send`.
    pub words: String,
}

impl Preview {
    fn new(scope: &BatchScope, count: u64, exact: bool) -> Self {
        let words = if exact { count.to_string() } else { format!("more than {count}") };
        Self { count, exact, words: scope.words(Some(&words)) }
    }
}

impl Client {
    /// How many a batch of this scope would be about, and the scope in words. What the broker counts
    /// by itself, dead letters or waiting jobs of a queue or of all, is not read; of anything else
    /// [`COUNT_CAP`] are looked at, and beyond it says that there are more.
    ///
    /// # Errors
    /// [`BatchError::Transport`]; [`BatchError::TooMany`] or [`BatchError::Nothing`] for a selection.
    pub async fn preview_batch(&self, scope: &BatchScope) -> Result<Preview, BatchError> {
        scope.check()?;
        let of = |infos: Vec<QueueInfo>, number: fn(&QueueInfo) -> u64| {
            infos.iter().map(number).sum::<u64>()
        };
        match scope {
            BatchScope::Letters(items) | BatchScope::Jobs(items) => {
                Ok(Preview::new(scope, items.len() as u64, true))
            }
            BatchScope::Dead(filter) if is_a_queue(filter) => {
                let infos = self.infos(filter.queue.as_ref()).await?;
                Ok(Preview::new(scope, of(infos, |info| info.dead), true))
            }
            BatchScope::Waiting(filter) if filter.is_any_task() => {
                let infos = self.infos(filter.queue.as_ref()).await?;
                let count = of(infos, |info| info.waiting);
                Ok(Preview { exact: false, ..Preview::new(scope, count, true) })
            }
            _ => Ok(self.count(scope).await?),
        }
    }

    async fn infos(&self, queue: Option<&QueueName>) -> Result<Vec<QueueInfo>, TransportError> {
        match queue {
            Some(queue) => Ok(self.transport.queue_info(queue).await?.into_iter().collect()),
            None => self.queues().await,
        }
    }

    async fn count(&self, scope: &BatchScope) -> Result<Preview, TransportError> {
        let until = self.broker_clock().await?.now;
        let (mut count, mut looks) = (0, 0);
        let mut next = Some(Cursor::default());
        while let Some(cursor) = next {
            if looks * crate::batch::select::SCANNED >= COUNT_CAP {
                return Ok(Preview::new(scope, count, false));
            }
            looks += 1;
            let found = self.select(scope, &cursor, until).await?;
            count += found.stored.len() as u64;
            next = found.next;
        }
        Ok(Preview::new(scope, count, true))
    }
}

/// Whether the broker counts it by itself.
fn is_a_queue(filter: &DeadFilter) -> bool {
    let DeadFilter { queue: _, error_kind, task, id, pattern } = filter;
    error_kind.is_none() && task.is_none() && id.is_none() && pattern.is_none()
}
