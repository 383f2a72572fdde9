//! [`ScheduleEntry`]: a schedule in the state store.

use bytes::Bytes;
use std::time::Duration;

use super::{Cron, JobTemplate, Progress, Schedule, ScheduleFault, When};
use crate::clock::millis_up;
use crate::names::{ScheduleName, StateKey, StateKeyError};
use crate::wire::{Codec, DecodeError, Fields, Writer};

/// The version that this code writes, and the newest that it reads.
const VERSION: u64 = 1;
/// The first token of the state-store keys of schedules.
const KIND: &str = "schedule";

/// The definition and the progress of a schedule: one value, which compare-and-set changes as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct ScheduleEntry {
    /// The definition.
    pub schedule: Schedule,
    /// How far the schedule is.
    pub progress: Progress,
    /// Fields that this version does not know.
    unknown: Fields,
}

impl ScheduleEntry {
    /// The entry of a new schedule.
    pub fn new(schedule: Schedule) -> Self {
        let progress = Progress::new(schedule.created_at);
        Self { schedule, progress, unknown: Fields::new(Codec::Json) }
    }

    /// The state-store key of the schedule with this name.
    ///
    /// # Errors
    /// Never: the name of a schedule fits into a key.
    pub fn key(name: &ScheduleName) -> Result<StateKey, StateKeyError> {
        StateKey::new([KIND, name.as_str()])
    }

    /// The prefix of the state-store keys of all schedules.
    ///
    /// # Errors
    /// Never: the key is a constant.
    pub fn prefix() -> Result<StateKey, StateKeyError> {
        StateKey::new([KIND])
    }

    /// The entry as JSON.
    ///
    /// # Errors
    /// [`ScheduleFault::Encode`] if a value cannot be written.
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
        for (field, value) in self.unknown.iter() {
            w.put_raw(field, &value)?;
        }
        Ok(w.finish())
    }

    /// Reads an entry that [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// [`ScheduleFault`] if it is invalid, or a newer version of NAQ wrote it.
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
        Ok(Self { schedule, progress, unknown: f })
    }
}
