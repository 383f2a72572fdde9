//! What the operators did to one job, from their ledger.

use std::collections::{BTreeMap, HashMap};

use crate::deed::{Deed, DeedEntry, DeedOutcome};
use crate::plan::PlannedJob;

/// What an operator did to one life of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intervention {
    /// Nothing that its end could show.
    Untouched,
    /// It was cancelled.
    Cancelled {
        /// The time of the answer.
        to: u64,
    },
    /// Its message was removed while it waited or ran. It is gone, or a worker that had it at that moment has ended it.
    Removed {
        /// The begin of the removal.
        from: u64,
        /// The time of the answer.
        to: u64,
        /// Whether NAQ purged the job, and said so. A purge of its subject by hand leaves no note that a
        /// worker could read, and a purge without an answer may have removed nothing.
        whole: bool,
    },
}

/// The deeds of a run, by job and by queue.
#[derive(Debug, Default)]
pub(super) struct Deeds<'a> {
    by_job: HashMap<&'a str, Vec<&'a DeedEntry>>,
    purges: BTreeMap<&'a str, Vec<&'a DeedEntry>>,
}

impl<'a> Deeds<'a> {
    pub(super) fn new(entries: &'a [DeedEntry]) -> Self {
        let mut deeds = Self::default();
        for entry in entries {
            if let Some(job) = entry.deed.job() {
                deeds.by_job.entry(job).or_default().push(entry);
            }
            match (&entry.deed, &entry.outcome) {
                (Deed::PurgeQueue { queue }, _) => {
                    deeds.purges.entry(queue).or_default().push(entry);
                }
                (Deed::PurgeTask { .. }, DeedOutcome::Removed { jobs, maybe }) => {
                    for job in jobs.iter().chain(maybe) {
                        deeds.by_job.entry(job).or_default().push(entry);
                    }
                }
                _ => {}
            }
        }
        deeds
    }

    /// The deeds for this job, in the order of their begins.
    pub(super) fn of(&self, job: &str) -> &[&'a DeedEntry] {
        self.by_job.get(job).map_or(&[], Vec::as_slice)
    }

    /// What was done to a life of `job` that was stored between `from` and `to`. A life that has
    /// not ended has no `to`.
    pub(super) fn intervention(
        &self,
        job: &PlannedJob,
        from: u64,
        to: Option<u64>,
    ) -> Intervention {
        let during = |entry: &&&DeedEntry| entry.to >= from && to.is_none_or(|to| entry.from <= to);
        let own = self.of(&job.id);
        let cancel = own.iter().filter(during).find_map(|entry| match entry.outcome {
            DeedOutcome::Cancelled { .. } => Some(Intervention::Cancelled { to: entry.to }),
            _ => None,
        });
        let removal = |entry: &&DeedEntry| Intervention::Removed {
            from: entry.from,
            to: entry.to,
            whole: match &entry.outcome {
                DeedOutcome::Removed { jobs, .. } => {
                    !matches!(entry.deed, Deed::PurgeSubject { .. }) && jobs.contains(&job.id)
                }
                _ => true,
            },
        };
        let removed = own.iter().filter(during).find(|entry| match &entry.outcome {
            DeedOutcome::Removed { jobs, maybe } => {
                jobs.contains(&job.id) || maybe.contains(&job.id)
            }
            _ => false,
        });
        let purges = self.purges.get(job.queue.as_str()).map_or(&[][..], Vec::as_slice);
        let purged = purges.iter().find(during);
        cancel.or(removed.or(purged).map(removal)).unwrap_or(Intervention::Untouched)
    }
}
