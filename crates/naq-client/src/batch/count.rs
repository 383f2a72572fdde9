//! [`Preview`]: how many items a scope has, before an action.

use naq_core::names::QueueName;
use naq_core::transport::{QueueInfo, TransportError};
use serde::Serialize;

use crate::batch::error::BatchError;
use crate::batch::live::count_live;
use crate::batch::scope::BatchScope;
use crate::batch::select::select_page;
use crate::batch::selected_page::{PageCursor, SCANNED};
use crate::{Client, DeadFilter};

/// The most dead letters or waiting jobs that a preview reads to count matches.
pub const COUNT_CAP: usize = 10_000;

/// The scope of a batch, counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// How many items match, of those that were read.
    pub count: u64,
    /// True if the count is exact. Else there may be more matches; or, where the broker counted the
    /// waiting jobs, some of them wait for other jobs and are not part of the batch.
    pub exact: bool,
    /// The scope in words: `344 dead letters of queue mail, task email.send`.
    pub words: String,
}

impl Preview {
    fn new(scope: &BatchScope, count: u64, exact: bool) -> Self {
        let words = if exact { count.to_string() } else { format!("more than {count}") };
        Self { count, exact, words: scope.words(Some(&words)) }
    }

    /// True if nothing matches the scope. False if the count is 0 and not exact: then there may be
    /// matches beyond those that were read.
    pub fn is_empty(&self) -> bool {
        self.count == 0 && self.exact
    }
}

impl Client {
    /// How many items a batch of this scope would have, and the scope in words. The broker itself
    /// counts the dead letters or waiting jobs of one queue or of all. For any other scope this
    /// reads up to [`COUNT_CAP`] messages; if there are more, the count is not exact.
    ///
    /// # Errors
    /// [`BatchError::Transport`]; [`BatchError::TooMany`] or [`BatchError::Nothing`] for a selection.
    pub async fn preview_batch(&self, scope: &BatchScope) -> Result<Preview, BatchError> {
        scope.check()?;
        let sum = |infos: Vec<QueueInfo>, number: fn(&QueueInfo) -> u64| {
            infos.iter().map(number).sum::<u64>()
        };
        match scope {
            BatchScope::Letters(items) | BatchScope::Jobs(items) => {
                Ok(Preview::new(scope, items.len() as u64, true))
            }
            BatchScope::Dead(filter) if is_broker_counted(filter) => {
                let infos = self.queue_infos(filter.queue.as_ref()).await?;
                Ok(Preview::new(scope, sum(infos, |info| info.dead), true))
            }
            BatchScope::Waiting(filter) if filter.is_any_task() => {
                let infos = self.queue_infos(filter.queue.as_ref()).await?;
                let count = sum(infos, |info| info.waiting);
                // The broker counts the jobs that wait for other jobs, too.
                Ok(Preview { exact: count == 0, ..Preview::new(scope, count, true) })
            }
            BatchScope::Live(filter) => {
                let until = self.broker_now().await?;
                let counted = count_live(&*self.transport, filter, until, COUNT_CAP).await?;
                Ok(Preview::new(scope, counted.0, counted.1))
            }
            _ => Ok(self.count_items(scope).await?),
        }
    }

    async fn queue_infos(
        &self,
        queue: Option<&QueueName>,
    ) -> Result<Vec<QueueInfo>, TransportError> {
        match queue {
            Some(queue) => Ok(self.transport.queue_info(queue).await?.into_iter().collect()),
            None => self.queues().await,
        }
    }

    async fn count_items(&self, scope: &BatchScope) -> Result<Preview, TransportError> {
        let until = self.broker_now().await?;
        let mut count = 0;
        let mut pages = 0;
        let mut next = Some(PageCursor::default());
        while let Some(cursor) = next {
            if pages * SCANNED >= COUNT_CAP {
                return Ok(Preview::new(scope, count, false));
            }
            pages += 1;
            let found = select_page(&*self.transport, scope, &cursor, until).await?;
            count += found.stored.len() as u64;
            next = found.next;
        }
        Ok(Preview::new(scope, count, true))
    }
}

/// True if the broker itself counts the letters of this filter.
fn is_broker_counted(filter: &DeadFilter) -> bool {
    let DeadFilter { queue: _, error_kind, task, id, pattern } = filter;
    error_kind.is_none() && task.is_none() && id.is_none() && pattern.is_none()
}
