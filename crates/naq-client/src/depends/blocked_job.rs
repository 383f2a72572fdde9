//! [`BlockedJob`]: a job that waits for others, and the steps before and after its publish.

use std::collections::HashSet;

use naq_core::flow::{Dependencies, Verdict};
use naq_core::names::JobKey;
use naq_core::state::JobState;
use naq_core::transport::TransportError;
use naq_core::wire::Envelope;

use crate::depends::edges::Dependent;
use crate::depends::link::ParentState;
use crate::{Client, EnqueueError, JobReport};

/// A job that is about to be sent and waits for others.
#[derive(Debug)]
pub(crate) struct BlockedJob {
    dependent: Dependent,
    depends: Dependencies,
}

impl BlockedJob {
    /// `None` for a job that depends on no other.
    pub(crate) fn of(job: &Envelope) -> Option<Box<Self>> {
        let dependent = Dependent::of(job)?;
        let depends = job.depends_on.clone()?;
        Some(Box::new(Self { dependent, depends }))
    }
}

impl Client {
    /// Before the publish: reads the states of the job's parents.
    pub(crate) async fn before_send(
        &self,
        blocked: &BlockedJob,
    ) -> Result<Vec<(JobKey, ParentState)>, EnqueueError> {
        self.parents_of(&blocked.depends).await
    }

    /// After the publish: links the stored job to its parents. If the connection fails meanwhile,
    /// the job stays stored, and a worker links it within a minute.
    pub(crate) async fn after_send(
        &self,
        blocked: &BlockedJob,
        parents: &[(JobKey, ParentState)],
        duplicate: bool,
    ) -> Result<(), EnqueueError> {
        let linked = match duplicate {
            // The stored job may be a different job. Or its sender may have crashed before it linked
            // the job.
            true => self.link_stored(&blocked.dependent.key).await,
            false => self.link(&blocked.dependent, parents).await,
        };
        match linked {
            Err(err) if !err.is_transient() => Err(err.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    async fn link_stored(&self, key: &JobKey) -> Result<(), TransportError> {
        let Some(report) = self.read_newest(key).await? else { return Ok(()) };
        let (JobState::Blocked, Some(job)) = (report.state, &report.envelope) else {
            return Ok(());
        };
        match (self.check_dependencies(job).await?, Dependent::of(job)) {
            (verdict, Some(dependent)) if verdict != Verdict::Wait => {
                self.apply_verdict(&dependent, verdict).await
            }
            _ => Ok(()),
        }
    }

    /// Adds to the report of a blocked job which parents it still waits for. A job whose parents
    /// have all ended waits for its own due time.
    pub(crate) async fn add_parents_to_report(
        &self,
        report: &mut JobReport,
    ) -> Result<(), TransportError> {
        let Some((depends, dependent)) = report
            .envelope
            .as_ref()
            .and_then(|job| Some((job.depends_on.as_ref()?, Dependent::of(job)?)))
        else {
            return Ok(());
        };
        let met = self.edges().list_met(&dependent).await?;
        let ended: HashSet<_> = met.iter().map(|met| &met.parent).collect();
        report.waits_for = depends.on.iter().filter(|key| !ended.contains(key)).cloned().collect();
        if report.waits_for.is_empty() {
            report.state = JobState::Scheduled;
        }
        Ok(())
    }
}
