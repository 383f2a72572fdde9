//! [`ScheduleBuilder`]: the builder that [`Client::schedule`] returns.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::job::Job;
use naq_core::names::{NameError, ScheduleName};
use naq_core::schedule::{
    CatchUp, Cron, JobTemplate, Overlap, Schedule, ScheduleFault, When, Zone,
};

use crate::schedule::error::ScheduleError;
use crate::schedule::store::Registered;
use crate::{Client, Enqueue};

/// A schedule that is not registered yet: `.await` it. It needs times and a job; all else has a
/// default, see [`Schedule`].
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

impl Client {
    /// Defines a recurring schedule; `.await` registers it. Any number of processes may register it:
    /// the first one creates it, the others find it. A different definition replaces it.
    ///
    /// ```no_run
    /// # use naq_client::Client;
    /// # use naq_core::Job;
    /// # use naq_core::schedule::{CatchUp, Overlap};
    /// # async fn f<J: Job>(client: &Client, report: J) -> Result<(), Box<dyn std::error::Error>> {
    /// client
    ///     .schedule("nightly-report")
    ///     .cron("30 2 * * *")
    ///     .time_zone("Europe/Berlin")
    ///     .catch_up(CatchUp::Last) // one run after an outage, however late
    ///     .overlap(Overlap::Skip) // no run while the last one has not ended
    ///     .job(report)
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn schedule(&self, name: impl AsRef<str>) -> ScheduleBuilder<'_> {
        ScheduleBuilder::new(self, name.as_ref())
    }
}

impl<'a> ScheduleBuilder<'a> {
    fn new(client: &'a Client, name: &str) -> Self {
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

    /// Ticks at the times of a cron expression, by the clocks of its time zone: `30 2 * * *`, with a
    /// field for seconds in front or not, or `@hourly`. See [`Cron`].
    pub fn cron(mut self, expression: impl AsRef<str>) -> Self {
        self.when = Some(expression.as_ref().parse::<Cron>().map(When::Cron));
        self
    }

    /// Ticks at this interval, from its start on. The interval is at least
    /// [`MIN_EVERY`](naq_core::schedule::MIN_EVERY).
    pub fn every(mut self, every: Duration) -> Self {
        self.when = Some(Ok(When::Every(every)));
        self
    }

    /// The time zone by its IANA name, such as `Europe/Berlin`; UTC by default.
    pub fn time_zone(mut self, name: impl AsRef<str>) -> Self {
        self.time_zone = name.as_ref().parse();
        self
    }

    /// No tick before this time. An interval has its first tick at this time.
    pub fn start(mut self, start: Timestamp) -> Self {
        self.start = Some(start);
        self
    }

    /// No tick after this time.
    pub fn end(mut self, end: Timestamp) -> Self {
        self.end = Some(end);
        self
    }

    /// The most runs; the schedule is finished after them.
    pub fn max_runs(mut self, max_runs: u64) -> Self {
        self.max_runs = Some(max_runs);
        self
    }

    /// Delays each run by up to this time after its tick, so that schedules with the same times do
    /// not start together. The delay depends on the name and the tick alone.
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter;
        self
    }

    /// What happens to ticks that passed while no worker or no broker was up. By default the last of
    /// them runs.
    pub fn catch_up(mut self, catch_up: CatchUp) -> Self {
        self.catch_up = catch_up;
        self
    }

    /// What a tick does while the run of an earlier tick has not ended. By default both run at the
    /// same time.
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }

    /// A run that has not started within this time after its due time expires. By default the job's
    /// `expires_in`.
    pub fn start_within(mut self, within: Duration) -> Self {
        self.start_within = Some(within);
        self
    }

    /// The job that runs, with the options of its type.
    ///
    /// # Panics
    /// When `J::NAME` is not a valid task name.
    pub fn job<J: Job>(self, job: J) -> Self {
        let job = self.client.enqueue(job);
        self.template(job)
    }

    /// The job that runs, with its own options: an [`Enqueue`] that is not awaited.
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
        // Applies to each run, from its own due time.
        self.start_within = self.start_within.or(job.times.expires_in.take());
        self.job = Some(template(job));
        self
    }

    /// Checks all settings, without registering the schedule.
    ///
    /// # Errors
    /// [`ScheduleError`], all kinds but those of the broker.
    pub fn prepare(self) -> Result<Schedule, ScheduleError> {
        let missing = |what: &str| ScheduleFault::Option(what.to_owned());
        let name = self.name?;
        let when =
            self.when.ok_or_else(|| missing("a schedule needs times: set `cron` or `every`"))??;
        let job = self.job.ok_or_else(|| missing("a schedule needs a job: set `job`"))??;
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

/// The template from the job that this would send.
fn template<O>(job: Enqueue<'_, O>) -> Result<JobTemplate, ScheduleError> {
    if job.id.is_some() {
        let why = "the job has an id, but each run of a schedule gets its own";
        return Err(ScheduleFault::Option(why.into()).into());
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
