//! [`ScheduleEntry`]: a schedule as it stands in what all workers share.

use bytes::Bytes;
use std::time::Duration;

use super::{Cron, JobTemplate, Progress, Schedule, ScheduleFault, When};
use crate::clock::millis_up;
use crate::names::{ScheduleName, StateKey, StateKeyError};
use crate::wire::{Codec, DecodeError, Fields, Writer};

/// The version that is written, and the newest that is read.
const VERSION: u64 = 1;
/// The first token of a schedule's key.
const KIND: &str = "schedule";

/// A definition and how far it has come: one value, compared and set as one.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleEntry {
    /// The definition.
    pub schedule: Schedule,
    /// How far it has come.
    pub progress: Progress,
    /// Fields that this version does not know.
    kept: Fields,
}

impl ScheduleEntry {
    /// A schedule that begins now.
    pub fn new(schedule: Schedule) -> Self {
        let progress = Progress::new(schedule.created_at);
        Self { schedule, progress, kept: Fields::new(Codec::Json) }
    }

    /// Where the schedule of this name stands.
    ///
    /// # Errors
    /// None in fact: a schedule's name fits into a key.
    pub fn key(name: &ScheduleName) -> Result<StateKey, StateKeyError> {
        StateKey::new([KIND, name.as_str()])
    }

    /// What all keys of schedules begin with.
    ///
    /// # Errors
    /// None in fact.
    pub fn prefix() -> Result<StateKey, StateKeyError> {
        StateKey::new([KIND])
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// [`ScheduleFault::Encode`].
    pub fn encode(&self) -> Result<Bytes, ScheduleFault> {
        let s = &self.schedule;
        let written = s.job.written();
        let mut w = Writer::new(Codec::Json, written.bytes().len() + 512);
        w.put("v", &VERSION)?;
        match &s.when {
            When::Cron(cron) => w.put("cron", cron.as_str())?,
            When::Every(every) => w.put("every_ms", &millis_up(*every))?,
        }
        let millis = |span: Duration| Some(millis_up(span)).filter(|ms| *ms > 0);
        w.put("time_zone", &s.time_zone)?;
        w.put_some("start", s.start)?;
        w.put_some("end", s.end)?;
        w.put_some("max_runs", s.max_runs)?;
        w.put_some("jitter_ms", millis(s.jitter))?;
        w.put("catch_up", &s.catch_up)?;
        w.put("overlap", &s.overlap)?;
        w.put_some("start_within_ms", s.start_within.and_then(millis))?;
        w.put_some("paused", Some(s.paused).filter(|paused| *paused))?;
        w.put("created_at", &s.created_at)?;
        w.put_raw("job", written)?;
        w.put("progress", &self.progress)?;
        for (field, value) in self.kept.iter() {
            w.put_raw(field, &value)?;
        }
        Ok(w.finish())
    }

    /// Reads what [`encode`](Self::encode) wrote, here or elsewhere.
    ///
    /// # Errors
    /// [`ScheduleFault`], also for a version that is newer than this one.
    pub fn decode(name: &ScheduleName, value: &Bytes) -> Result<Self, ScheduleFault> {
        let mut f = Fields::split(Codec::Json, value)?;
        let found = f.take::<u64>("v")?.unwrap_or(VERSION);
        if found != VERSION {
            return Err(DecodeError::Version { found, known: VERSION }.into());
        }
        let millis = |ms: Option<u64>| ms.map(Duration::from_millis);
        let when = match (f.take::<String>("cron")?, millis(f.take("every_ms")?)) {
            (Some(cron), None) => When::Cron(cron.parse::<Cron>()?),
            (None, Some(every)) => When::Every(every),
            _ => return Err(DecodeError::Missing("cron or every_ms").into()),
        };
        let missing = |field: &'static str| ScheduleFault::from(DecodeError::Missing(field));
        let job = f.take_raw("job").ok_or_else(|| missing("job"))?;
        let schedule = Schedule {
            name: name.clone(),
            when,
            time_zone: f.take("time_zone")?.unwrap_or_default(),
            start: f.take("start")?,
            end: f.take("end")?,
            max_runs: f.take("max_runs")?,
            jitter: millis(f.take("jitter_ms")?).unwrap_or_default(),
            catch_up: f.take("catch_up")?.unwrap_or_default(),
            overlap: f.take("overlap")?.unwrap_or_default(),
            start_within: millis(f.take("start_within_ms")?),
            paused: f.take("paused")?.unwrap_or_default(),
            created_at: f.take("created_at")?.ok_or_else(|| missing("created_at"))?,
            job: JobTemplate::read(&job)?,
        };
        let progress = f.take("progress")?.unwrap_or_else(|| Progress::new(schedule.created_at));
        schedule.check()?;
        Ok(Self { schedule, progress, kept: f })
    }
}
