//! [`Batch`]: the rows that a relay has taken, and the second and the third step: publish them, and mark them.

use std::collections::HashSet;

use naq_client::{Client, EnqueueError, WrittenJob};
use naq_core::transport::TransportError;
use tokio::time::Instant;

use crate::decide::{Doubt, after_error};
use crate::order::waves;
use crate::relayed::Relayed;
use crate::settlement::Settlement;
use crate::taken_row::TakenRow;

/// The rows that a relay has taken.
#[derive(Debug)]
pub(crate) struct Batch {
    rows: Vec<TakenRow>,
    /// After this time nothing is sent.
    send_until: Instant,
}

/// What became of the rows of a batch.
#[derive(Debug, Default)]
pub(crate) struct PublishedBatch {
    pub(crate) settled: Vec<Settlement>,
    pub(crate) duplicates: u64,
}

/// How a relay publishes.
#[derive(Debug)]
pub(crate) struct Publishing<'a> {
    pub(crate) client: &'a Client,
    pub(crate) max_attempts: u32,
    pub(crate) publish_unclear: bool,
}

impl Batch {
    pub(crate) fn new(rows: Vec<TakenRow>, send_until: Instant) -> Self {
        Self { rows, send_until }
    }

    /// Sends the rows. After a row of a key that was not published, the later rows of this key are not sent.
    pub(crate) async fn publish(self, with: &Publishing<'_>) -> PublishedBatch {
        let mut done = PublishedBatch::default();
        let mut stopped = HashSet::new();
        for wave in waves(self.rows) {
            let may_send = Instant::now() < self.send_until;
            let (now, later): (Vec<_>, Vec<_>) = wave.into_iter().partition(|row| {
                may_send && row.order_key.as_ref().is_none_or(|key| !stopped.contains(key))
            });
            let given_back =
                |row: &TakenRow| Settlement::given_back(row.seq, row.offered.is_some());
            done.settled.extend(later.iter().map(given_back));
            stopped.extend(later.into_iter().filter_map(|row| row.order_key));
            let keys: Vec<_> = now.iter().map(|row| (row.seq, row.order_key.clone())).collect();
            let settled = with.publish_wave(now, &mut done.duplicates).await;
            let published: HashSet<_> =
                settled.iter().filter(|it| it.is_published()).map(|it| it.seq).collect();
            stopped.extend(
                keys.into_iter().filter(|(seq, _)| !published.contains(seq)).filter_map(|it| it.1),
            );
            done.settled.extend(settled);
        }
        done
    }
}

impl PublishedBatch {
    pub(crate) fn counts(&self) -> Relayed {
        Relayed::of(&self.settled, self.duplicates)
    }
}

impl Publishing<'_> {
    /// Sends rows of different keys at the same time.
    async fn publish_wave(&self, rows: Vec<TakenRow>, duplicates: &mut u64) -> Vec<Settlement> {
        let mut settled = Vec::with_capacity(rows.len());
        let rows = match self.resolve_doubts(rows, &mut settled, duplicates).await {
            Ok(rows) => rows,
            Err((rows, error)) => {
                let error = EnqueueError::from(error);
                // Nothing was sent: what was certain still is, and what was in doubt is so, too.
                settled.extend(rows.iter().map(|row| Settlement {
                    not_stored: row.offered.is_none(),
                    ..self.after_error(row, &error)
                }));
                return settled;
            }
        };
        let mut jobs = Vec::with_capacity(rows.len());
        let mut sent = Vec::with_capacity(rows.len());
        for mut row in rows {
            match std::mem::replace(&mut row.job, Err(String::new())) {
                Ok(job) => {
                    jobs.push(job.clone());
                    sent.push(TakenRow { job: Ok(job), ..row });
                }
                Err(why) => settled.push(Settlement::failed(row.seq, why)),
            }
        }
        let answers = self.client.enqueue_many(jobs).await;
        for (row, answer) in sent.iter().zip(answers) {
            settled.push(match answer {
                Ok(handle) => {
                    *duplicates += u64::from(handle.is_duplicate());
                    Settlement::published(row.seq)
                }
                Err(error) => self.after_error(row, &error),
            });
        }
        settled
    }

    fn after_error(&self, row: &TakenRow, error: &EnqueueError) -> Settlement {
        after_error(row, error, self.max_attempts)
    }

    /// Looks for the jobs that the broker may have already, and returns the rows that have to be sent.
    async fn resolve_doubts(
        &self,
        rows: Vec<TakenRow>,
        settled: &mut Vec<Settlement>,
        duplicates: &mut u64,
    ) -> Result<Vec<TakenRow>, (Vec<TakenRow>, TransportError)> {
        let in_doubt = rows.iter().filter(|row| row.offered.is_some());
        let keys: Vec<_> = in_doubt
            .filter_map(|row| Some(row.job.as_ref().ok()?.submission.key.clone()))
            .collect();
        if keys.is_empty() {
            return Ok(rows);
        }
        let found = match self.client.transport().evidence(&keys).await {
            Ok(found) => found,
            Err(error) => return Err((rows, error)),
        };
        let mut found = found.into_iter();
        let mut to_send = Vec::with_capacity(rows.len());
        for mut row in rows {
            if let (Some(offered), Ok(job)) = (row.offered, &row.job) {
                let life = job.submission.message.step().map(|step| step.nonce);
                let evidence = found.next().unwrap_or_default();
                let is_found = evidence.iter().any(|it| Some(&it.step.nonce) == life.as_ref());
                let record_ttl = job.envelope().map_or_else(Default::default, |it| it.record_ttl);
                match Doubt::of(is_found, offered, record_ttl) {
                    Doubt::Published => {
                        *duplicates += 1;
                        settled.push(Settlement::published(row.seq));
                        continue;
                    }
                    Doubt::Unclear if !self.publish_unclear => {
                        let why =
                            "the broker may have had the job, and keeps no record of it any more";
                        settled.push(Settlement::unclear(row.seq, why.to_owned()));
                        continue;
                    }
                    Doubt::Unclear | Doubt::SendAgain => row.job = row.job.map(as_suspect),
                }
            }
            to_send.push(row);
        }
        Ok(to_send)
    }
}

/// A worker looks for the end of this life before it runs the job.
fn as_suspect(mut job: WrittenJob) -> WrittenJob {
    job.submission.message = job.submission.message.as_suspect();
    job
}
