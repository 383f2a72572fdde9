//! [`Client::find_jobs`]: reads the newest jobs of each place, and keeps those with a text.

use std::cmp::Reverse;
use std::collections::HashSet;

use naq_core::names::{CHORES, JobId, JobKey, QueueName};
use naq_core::transport::{JobSummary, JobsQuery, Place, SCAN, TransportError};

use super::found::{matched_by, place_name};
use super::{FoundJob, FoundJobs, MatchedBy, SearchedPlace};
use crate::join_bounded::join_bounded;
use crate::{Client, ClientError, JobReport};

const PLACES: [Place; 4] = [Place::Queue, Place::Schedule, Place::Dead, Place::Record];
/// A search reads this many messages of each queue, however many queues there are.
const FEWEST: usize = 10;

/// What was read and found in one list of jobs.
struct ListSearch {
    jobs: Vec<FoundJob>,
    read: usize,
    has_more: bool,
}

impl Client {
    /// The jobs with this text in their id, a tag, their task or their last error. Upper and lower case
    /// are the same. A whole id, or `QUEUE/ID`, is found wherever it is. For every other text this reads
    /// the newest `scan` messages of each place: the queues, the schedules, the dead letters and the
    /// records. Queues get equal shares of `scan`. [`FoundJobs::searched`] says how far that went.
    ///
    /// ```no_run
    /// # async fn f(client: naq_client::Client) -> Result<(), naq_client::ClientError> {
    /// let found = client.find_jobs("order-4711", 1_000).await?;
    /// println!("{} jobs; {}", found.jobs.len(), found.searched_text());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ClientError::Transport`].
    pub async fn find_jobs(&self, text: &str, scan: usize) -> Result<FoundJobs, ClientError> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(FoundJobs::default());
        }
        let mut all = self.find_exactly(text).await?;
        let mut searched = Vec::new();
        let mut queues = self.transport.queues().await?;
        queues.retain(|queue| queue.as_str() != CHORES);
        let lower = text.to_lowercase();
        for place in PLACES {
            let (lists, share) = lists_of(place, &queues, scan);
            let lists = join_bounded(lists.into_iter().map(|it| self.search(it, &lower, share)));
            let mut of_place = SearchedPlace {
                place: place_name(place),
                read: 0,
                has_more: false,
                of_each_queue: is_by_queue(place).then_some(share),
            };
            for list in lists.await {
                let list = list?;
                of_place.read += list.read;
                of_place.has_more |= list.has_more;
                all.extend(list.jobs);
            }
            searched.push(of_place);
        }
        // A job that moves meanwhile is found twice. The first one was found exactly, or comes first.
        let mut known = HashSet::new();
        all.retain(|it| known.insert(it.job.key.clone()));
        all.sort_by_key(|it| (it.matched_by, Reverse(it.job.stored_at)));
        Ok(FoundJobs { jobs: all, searched })
    }

    /// The job of exactly this id, or this key. The broker finds it by its subject.
    async fn find_exactly(&self, text: &str) -> Result<Vec<FoundJob>, TransportError> {
        let keys: Vec<JobKey> = match JobId::new(text) {
            Ok(id) => {
                let queues = self.transport.find(&id).await?;
                queues.into_iter().map(|queue| JobKey::new(queue, id.clone())).collect()
            }
            // An id has no slash.
            Err(_) => text.parse().into_iter().filter(|_| text.contains('/')).collect(),
        };
        let mut found = Vec::new();
        for key in keys {
            let messages = self.transport.locate(&key).await?;
            let Some(report) = JobReport::resolve(&messages) else { continue };
            let job = JobSummary::of(&report.stored);
            found.push(FoundJob { job, matched_by: MatchedBy::Id });
        }
        Ok(found)
    }

    /// Reads the newest `most` messages of one list.
    async fn search(
        &self,
        mut query: JobsQuery,
        text: &str,
        most: usize,
    ) -> Result<ListSearch, TransportError> {
        let mut list = ListSearch { jobs: Vec::new(), read: 0, has_more: false };
        loop {
            query.limit = most.saturating_sub(list.read).min(SCAN);
            let page = self.transport.jobs(&query).await?;
            list.read += page.scanned;
            list.jobs.extend(page.jobs.into_iter().filter_map(|job| {
                let matched_by = matched_by(&job, text)?;
                Some(FoundJob { job, matched_by })
            }));
            let Some(next) = page.next else { return Ok(list) };
            if list.read >= most || query.cursor.as_ref() == Some(&next) {
                return Ok(ListSearch { has_more: true, ..list });
            }
            query.cursor = Some(next);
        }
    }
}

/// True for a place where each queue has a list of its own.
fn is_by_queue(place: Place) -> bool {
    matches!(place, Place::Queue | Place::Schedule)
}

/// The lists of a place, and how many messages of each are read.
fn lists_of(place: Place, queues: &[QueueName], scan: usize) -> (Vec<JobsQuery>, usize) {
    if !is_by_queue(place) {
        return (vec![JobsQuery::at(place)], scan.max(1));
    }
    let of = |queue: &QueueName| JobsQuery { queue: Some(queue.clone()), ..JobsQuery::at(place) };
    let share = scan.checked_div(queues.len()).unwrap_or(scan).max(FEWEST);
    (queues.iter().map(of).collect(), share)
}
