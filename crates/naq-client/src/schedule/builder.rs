//! The builder behind [`Client::schedule`].

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::job::Job;
use naq_core::names::{NameError, ScheduleName};
use naq_core::schedule::{
    CatchUp, Cron, JobTemplate, Overlap, Schedule, ScheduleFault, When, Zone,
};

use crate::schedule::{Registered, ScheduleError};
use crate::{Client, Enqueue};

/// A schedule about to be registered: `.await` it. Rhythm and job are needed, all else has a
/// default; see [`Schedule`].
#[must_use = "nothing is registered until this is awaited"]
#[derive(Debug)]
pub struct ScheduleBuilder<'a> {
    client: &'a Client,
    name: Result<ScheduleName, NameError>,
    when: Option<Result<When, ScheduleFault>>,
    time_zone: Result<Zone, ScheduleFault>,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    max_runs: Option<u64>,
    jitter: Duration,
    catch_up: CatchUp,
    overlap: Overlap,
    start_within: Option<Duration>,
    job: Option<Result<JobTemplate, ScheduleError>>,
}

impl<'a> ScheduleBuilder<'a> {
    pub(super) fn new(client: &'a Client, name: &str) -> Self {
        Self {
            client,
            name: ScheduleName::new(name),
            when: None,
            time_zone: Ok(Zone::default()),
            start: None,
            end: None,
            max_runs: None,
            jitter: Duration::ZERO,
            catch_up: CatchUp::default(),
            overlap: Overlap::default(),
            start_within: None,
            job: None,
        }
    }

    /// When it ticks, as cron says it: `30 2 * * *`, with seconds before the minutes or not,
    /// `@hourly`; on clocks of its time zone. See [`Cron`].
    pub fn cron(mut self, expression: impl AsRef<str>) -> Self {
        self.when = Some(expression.as_ref().parse::<Cron>().map(When::Cron));
        self
    }

    /// It ticks every so often, from its start on; at least
    /// [`MIN_EVERY`](naq_core::schedule::MIN_EVERY).
    pub fn every(mut self, every: Duration) -> Self {
        self.when = Some(Ok(When::Every(every)));
        self
    }

    /// The zone of its clocks by its IANA name, such as `Europe/Berlin`; UTC by default.
    pub fn time_zone(mut self, name: impl AsRef<str>) -> Self {
        self.time_zone = name.as_ref().parse();
        self
    }

    /// No tick before this moment, and the first of an interval at it.
    pub fn start(mut self, start: Timestamp) -> Self {
        self.start = Some(start);
        self
    }

    /// No tick after this moment.
    pub fn end(mut self, end: Timestamp) -> Self {
        self.end = Some(end);
        self
    }

    /// So many runs, and no more.
    pub fn max_runs(mut self, max_runs: u64) -> Self {
        self.max_runs = Some(max_runs);
        self
    }

    /// Each run starts up to this much later than its tick, so that many schedules of one time do
    /// not start together. How much depends on name and tick alone.
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter;
        self
    }

    /// What becomes of ticks whose time passed while no worker or no broker was there: by default
    /// the last of them runs.
    pub fn catch_up(mut self, catch_up: CatchUp) -> Self {
        self.catch_up = catch_up;
        self
    }

    /// What a tick does while the run before it has not ended: by default it runs beside it.
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }

    /// A run that has not started so long after its time expires; by default what the job's
    /// `expires_in` says.
    pub fn start_within(mut self, within: Duration) -> Self {
        self.start_within = Some(within);
        self
    }

    /// What runs, with the options of its type.
    ///
    /// # Panics
    /// When `J::NAME` is no task name.
    pub fn job<J: Job>(self, job: J) -> Self {
        let job = self.client.enqueue(job);
        self.template(job)
    }

    /// What runs, with any options of a job: what [`Client::enqueue`] prepares, not awaited.
    ///
    /// ```no_run
    /// # use naq_client::Client;
    /// # use naq_core::Job;
    /// # async fn f<J: Job>(client: &Client, job: J) -> Result<(), Box<dyn std::error::Error>> {
    /// let job = client.enqueue(job).queue("reports").max_retries(5).tag("billing");
    /// client.schedule("hourly-report").cron("@hourly").template(job).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn template<O>(mut self, mut job: Enqueue<'_, O>) -> Self {
        // Of each run, counted from its own time.
        self.start_within = self.start_within.or(job.expires_in.take());
        self.job = Some(template(job));
        self
    }

    /// Checks everything, without registering it.
    ///
    /// # Errors
    /// [`ScheduleError`], all but those of the broker.
    pub fn prepare(self) -> Result<Schedule, ScheduleError> {
        let says = |what: &str| ScheduleFault::Option(what.to_owned());
        let name = self.name?;
        let when = self.when.ok_or_else(|| says("say when: give it `cron` or `every`"))??;
        let job = self.job.ok_or_else(|| says("say what runs: give it a `job`"))??;
        let schedule = Schedule {
            time_zone: self.time_zone?,
            start: self.start,
            end: self.end,
            max_runs: self.max_runs,
            jitter: self.jitter,
            catch_up: self.catch_up,
            overlap: self.overlap,
            start_within: self.start_within,
            ..Schedule::new(name, when, job, self.client.clock.now())
        };
        schedule.check()?;
        Ok(schedule)
    }
}

/// The job that this would send.
fn template<O>(job: Enqueue<'_, O>) -> Result<JobTemplate, ScheduleError> {
    if job.id.is_some() {
        let says = "the job has an id: each run of a schedule has its own";
        return Err(ScheduleFault::Option(says.into()).into());
    }
    Ok(JobTemplate::new(job.write()?)?)
}

impl<'a> IntoFuture for ScheduleBuilder<'a> {
    type Output = Result<Registered, ScheduleError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        let client = self.client;
        Box::pin(async move { client.schedules().register(self.prepare()?).await })
    }
}
